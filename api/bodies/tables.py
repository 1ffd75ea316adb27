"""Bodies with points, in every form that is read, to an envelope and columns: JSON columns, JSON rows, NDJSON, CSV, Arrow.

Before: request.py read the bytes. After: points.py makes Points of the columns. No row is touched one by one in Python
except to name a bad one (I10 is kept by the codec's columns).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc

from api.request import ARROW, CSV, JSON, NDJSON, parse_json
from varve.codec import read_options
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect

ENVELOPE = ("known_time", "run_id", "changed_by", "if_series_version")
COLUMNS = ("series", "series_id", "valid_time", "valid_time_end", "known_time", "value", "text", "annotation", "tags")
_WORDS = ("series", "series_id", "valid_time", "valid_time_end", "known_time", "text", "annotation")
_ABSENT = object()


@dataclass(frozen=True)
class Body:
    """envelope: fields of the event; columns: lists or Arrow columns, or one value for all rows."""

    envelope: Mapping[str, Any]
    columns: Mapping[str, Any]


def read_table(body: bytes, kind: str) -> Body:
    if not body.strip():
        raise Incorrect("body-empty", "the body is empty: send rows")
    match kind:
        case _ if kind == JSON:
            return _json(parse_json(body))
        case _ if kind == NDJSON:
            return Body({}, columns_of(_ndjson(body), COLUMNS))
        case _ if kind == CSV:
            return Body({}, _csv(body))
        case _ if kind == ARROW:
            return Body({}, _arrow(body))
        case _:
            raise Incorrect("content-type", f"{kind} is not read here")


def _json(found: Any) -> Body:
    if isinstance(found, list):
        return Body({}, columns_of(found, COLUMNS))
    if not isinstance(found, dict):
        raise Incorrect("body-malformed", "the body is neither an object nor a list of rows")
    rows = found.get("rows", _ABSENT)
    unknown = sorted(set(found) - {*ENVELOPE, *COLUMNS, "rows"})
    if unknown:
        known = ", ".join(dict.fromkeys((*ENVELOPE, *COLUMNS, "rows")))
        raise Incorrect("field-unknown", f"{', '.join(unknown)}: not a field of this request; known are {known}")
    envelope = {name: found[name] for name in ENVELOPE if name in found and not isinstance(found[name], list)}
    shared = {name: found[name] for name in COLUMNS if name in found and name not in envelope}
    if rows is _ABSENT:
        return Body(envelope, shared)
    if not isinstance(rows, list):
        raise Incorrect("body-malformed", "rows is not a list")
    if any(isinstance(given, list) for given in shared.values()):
        raise Incorrect("body-malformed", "send rows or columns, not both")
    columns = columns_of(rows, COLUMNS)
    twice = sorted(set(columns) & set(shared))
    if twice:
        raise Incorrect("body-malformed", f"{', '.join(twice)}: given beside the rows and in them")
    return Body(envelope, {**shared, **columns})


def columns_of(rows: Sequence[Any], known: Sequence[str]) -> dict[str, list[Any]]:
    """Objects to columns: one pass finds the fields, one list per field follows; null where a row lacks it."""
    try:
        fields = set(chain.from_iterable(rows))
        if not rows or fields - set(known) or any(type(row) is not dict for row in rows):
            raise TypeError
    except TypeError:
        raise _bad_rows(rows, known) from None
    lengths = set(map(len, rows))
    if lengths == {len(fields)}:
        return {name: [row[name] for row in rows] for name in fields}
    return {name: [row.get(name) for row in rows] for name in fields}


def _bad_rows(rows: Sequence[Any], known: Sequence[str]) -> Incorrect:
    if not rows:
        return Incorrect("body-empty", "there are no rows")
    bad: list[BadRow] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            bad.append(BadRow(number, "", "is not an object"))
        else:
            bad += [BadRow(number, name, "is not a field of a row") for name in row if name not in known]
        if len(bad) >= ROWS_LISTED_MAX:
            break
    return Incorrect("row-malformed", f"row {bad[0].row}: {bad[0].column} {bad[0].reason}; known fields are {', '.join(known)}", tuple(bad))


def _ndjson(body: bytes) -> list[Any]:
    lines = [line for line in body.splitlines() if line.strip()]
    try:
        found = orjson.loads(b"[" + b",".join(lines) + b"]")
        if len(found) == len(lines):
            return list(found)
    except orjson.JSONDecodeError:
        pass
    bad = []
    for number, line in enumerate(lines):
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError as error:
            bad.append(BadRow(number, "", f"is not JSON: {error}"))
            if len(bad) >= ROWS_LISTED_MAX:
                break
    raise Incorrect("json-malformed", f"{len(bad)} line(s) are not JSON, first line {bad[0].row if bad else 0}", tuple(bad))


def _csv(body: bytes) -> dict[str, Any]:
    convert = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in _WORDS}, null_values=["", "null"], strings_can_be_null=True,
        quoted_strings_can_be_null=False, auto_dict_encode=False, timestamp_parsers=[],
    )  # fmt: skip
    try:
        table = pyarrow.csv.read_csv(pa.py_buffer(body), convert_options=convert)
    except pa.ArrowInvalid as error:
        raise Incorrect("csv-malformed", f"not CSV: {str(error).splitlines()[0]}") from None
    return _table_columns(table)


def _arrow(body: bytes) -> dict[str, Any]:
    try:
        table = pyarrow.ipc.open_stream(body, options=read_options(body)).read_all()
        table.validate(full=True)  # a hostile body must not reach code that trusts offsets
    except (pa.ArrowException, OSError, EOFError) as error:
        raise Incorrect("arrow-malformed", f"not an Arrow IPC stream: {str(error).splitlines()[0]}") from None
    return _table_columns(table)


def _table_columns(table: pa.Table) -> dict[str, Any]:
    unknown = sorted(set(table.column_names) - set(COLUMNS))
    if unknown:
        raise Incorrect("column-unknown", f"unknown column(s) {', '.join(unknown)}; known are {', '.join(COLUMNS)}")
    if table.num_rows == 0:
        raise Incorrect("body-empty", "there are no rows")
    return {name: table.column(name) for name in table.column_names}
