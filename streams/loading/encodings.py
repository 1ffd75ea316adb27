"""A file in another encoding, read as the UTF-8 that the readers want.

Before: `varve load` and the page's upload may name an encoding. After: csv_source.py reads the copy, which is gone when it is closed.
"""

import codecs
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from varve.errors import Incorrect

_PIECE_BYTES = 4 << 20


def opened(path: Path, encoding: str | None) -> BinaryIO:
    if encoding is None or known(encoding) == "utf-8":
        return path.open("rb")
    copy = TemporaryFile()  # noqa: SIM115 the reader closes it
    try:
        with path.open("rb") as file:
            _recode(file, copy, encoding)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def known(encoding: str) -> str | None:
    """Its one name; None: there is none such for text."""
    try:
        found = codecs.lookup(encoding)
        "".encode(found.name)  # some are for bytes
    except LookupError:
        return None
    return found.name


def _recode(file: BinaryIO, copy: BinaryIO, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    last = False
    while not last:
        piece = file.read(_PIECE_BYTES)
        last = not piece
        try:
            text = decoder.decode(piece, final=last)
        except UnicodeDecodeError as wrong:
            line = lines + wrong.object.count(b"\n", 0, wrong.start)
            shown = f"0x{wrong.object[wrong.start]:02X} " if wrong.start < len(wrong.object) else ""
            raise Incorrect("source-encoding", f"line {line}: {shown}is not {encoding} ({wrong.reason}): name another encoding") from None
        lines += text.count("\n")
        copy.write(text.encode())
