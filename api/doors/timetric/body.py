"""What Timetric's client sends: form fields, a CSV of (epoch seconds, value) rows, or both in a multipart body. Pure.

Before: routes.py read the bytes. After: write.py makes events. With an API token the client sends its fields twice, in the address and in
the body: they count once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect
from varve.instants import EARLIEST, LATEST

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_US_PER_SECOND, _NS_PER_US = 1_000_000, 1_000
_NAMES = ("seconds", "value")


@dataclass(frozen=True)
class Sent:
    """csv: None where there is no file."""

    fields: Mapping[str, str]
    csv: bytes | None


@dataclass(frozen=True)
class Rows:
    """valid_time: int64[n], UTC ns, of microseconds, which is what epoch seconds as floats can tell. valued: where not, a null."""

    valid_time: NDArray[np.int64]
    value: NDArray[np.float64]
    valued: NDArray[np.bool_]


def sent(content_type: str, query: str, body: bytes) -> Sent:
    """Fields of the body, else those of the address."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == MULTIPART:
        fields, csv = _parts(content_type, body)
    else:
        fields, csv = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)) if kind == FORM else {}, None
    return Sent(dict(parse_qsl(query, keep_blank_values=True)) | fields, csv)


def number(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = np.nan
    if not np.isfinite(found):
        raise Incorrect("value-incorrect", f"{name}: '{text[:40]}' is not a number")
    return found


def rows_of(csv: bytes) -> Rows:
    """Of a CSV without a header; an empty value is a null. Incorrect names rows, counted from 1."""
    if not csv.strip():
        return Rows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(csv),
            read_options=pyarrow.csv.ReadOptions(column_names=_NAMES),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(_NAMES, pa.float64()), null_values=["", "None"]),
        )
    except pa.ArrowInvalid as reason:
        raise Incorrect("csv-malformed", f"the CSV is not rows of seconds since 1970 and a value: {reason}") from None
    seconds, values = (table.column(name).combine_chunks() for name in _NAMES)
    time = seconds.fill_null(np.nan).to_numpy(zero_copy_only=False)
    value, valued = values.fill_null(0.0).to_numpy(zero_copy_only=False), values.is_valid().to_numpy(zero_copy_only=False)
    _refuse("seconds", ~(np.isfinite(time) & (time * 1e9 > EARLIEST) & (time * 1e9 < LATEST)), "is not an instant in seconds since 1970")
    _refuse("value", ~np.isfinite(value), "is not a number")
    return Rows(np.rint(time * _US_PER_SECOND).astype(np.int64) * _NS_PER_US, value, valued)


def _refuse(column: str, bad: NDArray[np.bool_], words: str) -> None:
    at = np.flatnonzero(bad)
    if len(at):
        rows = tuple(BadRow(int(row) + 1, column, words) for row in at[:ROWS_LISTED_MAX])
        raise Incorrect("csv-incorrect", f"{column} {words} in {len(at)} row(s), first in row {rows[0].row}", rows)


def _parts(content_type: str, body: bytes) -> tuple[dict[str, str], bytes | None]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not message.is_multipart():
        raise Incorrect("multipart-malformed", "the multipart body has no boundary, or no parts")
    fields: dict[str, str] = {}
    csv = None
    for part in message.iter_parts():
        name, held = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        content = held if isinstance(held, bytes) else b""
        if name == "csv" or part.get_filename() is not None:
            csv = content
        elif isinstance(name, str):
            fields[name] = content.decode(errors="replace").rstrip("\r\n")
    return fields, csv
