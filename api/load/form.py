"""A form with a file, read as it comes: its fields in memory, the file on disk, each within its bound. Fields that stand before the
file are looked at before it is taken.

Before: a browser, or curl -F. After: routes.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from varve.errors import Incorrect, TooLarge, UnsupportedType, VarveError

FIELD_BYTES_MAX, FIELDS_MAX = 64 << 10, 50


@dataclass
class Form:
    """name: of the file, as the browser says; size: its bytes."""

    fields: dict[str, str] = field(default_factory=dict)
    name: str = ""
    size: int = 0
    refusal: VarveError | None = None


async def read_form(request: Request, into: Path, mb_max: int, look: Callable[[dict[str, str]], None]) -> Form:
    """look: raises where the fields before the file are not enough to take it. What is refused is still read, so that the browser can
    show why, and is not kept."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise UnsupportedType("content-type", "send the form as multipart/form-data, with a file")
    with into.open("wb") as file:
        reader = _Reader(file, mb_max, look)
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": reader.part_begin, "on_part_data": reader.part_content, "on_part_end": reader.part_end,
                "on_header_field": reader.header_name, "on_header_value": reader.header_value, "on_header_end": reader.header_end,
                "on_headers_finished": reader.headers_end,
            },
        )  # fmt: skip
        try:
            async for piece in request.stream():
                parser.write(piece)
            parser.finalize()
        except FormParserError as reason:
            raise Incorrect("form-malformed", f"the form is not multipart/form-data as it should be: {reason}") from None
    return reader.form


class _Reader:
    def __init__(self, file: BinaryIO, mb_max: int, look: Callable[[dict[str, str]], None]) -> None:
        self.form = Form()
        self._file, self._mb_max, self._look = file, mb_max, look
        self._headers, self._header = dict[str, bytes](), (b"", b"")
        self._field: str | None = None  # None: the file
        self._word = bytearray()

    def part_begin(self) -> None:
        self._headers, self._word = {}, bytearray()

    def header_name(self, piece: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + piece[start:end], b"")

    def header_value(self, piece: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + piece[start:end])

    def header_end(self) -> None:
        self._headers[self._header[0].decode("latin-1").lower()] = self._header[1]
        self._header = (b"", b"")

    def headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name", b"").decode(errors="replace")
        self._field = None if b"filename" in options else name
        if self._field is None:
            self.form.name = options[b"filename"].decode(errors="replace")
            try:
                self._look(self.form.fields)
            except VarveError as refusal:
                self.form.refusal = refusal

    def part_content(self, piece: bytes, start: int, end: int) -> None:
        if self._field is not None:
            self._word += piece[start:end]
            if len(self._word) > FIELD_BYTES_MAX or len(self.form.fields) >= FIELDS_MAX:
                raise TooLarge("form-too-large", "the form's fields are too long, or too many")
            return
        self.form.size += end - start
        if self.form.size > self._mb_max << 20:
            words = f"the file is over {self._mb_max} MiB (VARVE_HTTP__FILE_MB_MAX): cut it, or use `varve load`, which has no bound"
            raise TooLarge("file-too-large", words)
        if self.form.refusal is None:
            self._file.write(piece[start:end])

    def part_end(self) -> None:
        if self._field is not None:
            self.form.fields[self._field] = self._word.decode(errors="replace").strip()
