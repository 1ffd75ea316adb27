"""Bodies with observations to columns: rows under names of fields, or a list a field. Pure; no row is touched one by one in Python except
to name a bad one.

Before: the client's bytes, in which a bare NaN says that there is no value. After: observations_write.py. Fields come in any order;
`timestamp` and `value` are taken for phenomenonTime and result, as one of the clients says them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from varve.errors import ROWS_LISTED_MAX, BadRow, Conflict, Incorrect
from varve.instants import parse_instants

TIME, RESULT, CODES = "phenomenonTime", "result", "resultQualifierCodes"
_SYNONYMS = {"timestamp": TIME, "value": RESULT}
DUPLICATE = "Duplicate phenomenonTime found on this datastream."


@dataclass(frozen=True, eq=False)
class Observations:
    """n rows, rising in time. valid_time: int64[n] UTC ns; value: float64[n], NaN where there is none; codes: Arrow list<string>[n], or
    None where no row has any."""

    valid_time: NDArray[np.int64]
    value: NDArray[np.float64]
    codes: pa.Array | None

    def __len__(self) -> int:
        return len(self.valid_time)

    def every_code(self) -> set[str]:
        return set() if self.codes is None else set(pc.list_flatten(self.codes).unique().to_pylist())

    def without_gaps(self, no_data_value: float) -> "Observations":
        return replace(self, value=np.where(np.isnan(self.value), no_data_value, self.value))


def read_observations(body: bytes) -> Observations:
    """Conflict where two are of one time."""
    return _observations(_columns(_lenient(body)))


def read_observation(body: bytes) -> Observations:
    """One."""
    said = _lenient(body)
    if not isinstance(said, dict):
        raise Incorrect("body-malformed", f'the body is no object: send {{"{TIME}": "2026-01-01T00:00:00Z", "{RESULT}": 1.5}}')
    if said.get("id") is not None:
        raise Incorrect("id-incorrect", "id: an observation's id follows from its datastream and its time: leave it out")
    given = {name: [said[name]] for name in (TIME, RESULT, CODES) if name in said}
    return _observations(_named(list(given), list(given.values())))


def _observations(columns: Mapping[str, Any]) -> Observations:
    missing = [name for name in (TIME, RESULT) if name not in columns]
    if missing:
        words = f'{missing[0]} is missing: send {{"fields": ["{TIME}", "{RESULT}"], "data": [["2026-01-01T00:00:00Z", 1.5], ...]}}'
        raise Incorrect("fields-missing", words)
    times, values = _times(columns[TIME]), _values(columns[RESULT])
    found = Observations(times, values, _codes(columns[CODES]) if CODES in columns else None)
    if not (np.diff(times) > 0).all():
        order = np.argsort(times, kind="stable")
        found = Observations(times[order], values[order], None if found.codes is None else found.codes.take(pa.array(order)))
        if (np.diff(found.valid_time) == 0).any():
            raise Conflict("observation-duplicate", DUPLICATE)
    return found


def _lenient(body: bytes) -> Any:
    """As Python's own json writes it: with NaN, which others do not read."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in body and b"Infinity" not in body:
            raise Incorrect("json-malformed", f"the body is not JSON: {error}") from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Incorrect("json-malformed", f"the body is not JSON: {error}") from None


def _columns(found: Any) -> dict[str, Any]:
    """By name, all of one length."""
    if isinstance(found, dict) and isinstance(found.get("fields"), list) and isinstance(found.get("data"), list):
        return _named(found["fields"], _turned(found["fields"], found["data"]))
    lists = {str(name): column for name, column in found.items() if isinstance(column, list)} if isinstance(found, dict) else {}
    if not lists:
        words = f"the body has neither fields and data, nor a list under {TIME} and {RESULT}"
        raise Incorrect("body-malformed", words)
    if not lists.get(CODES, True):
        del lists[CODES]  # an empty list of codes says nothing of any row
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise Incorrect("column-length", f"every list is as long as the others: {said}")
    return _named(list(lists), list(lists.values()))


def _named(fields: Sequence[Any], columns: Sequence[Any]) -> dict[str, Any]:
    names = [_SYNONYMS.get(field, field) if isinstance(field, str) else field for field in fields]
    unknown = [name for name in names if name not in (TIME, RESULT, CODES)]
    if unknown:
        raise Incorrect("field-unknown", f"fields: {str(unknown[0])[:60]!r} is none of {TIME}, {RESULT}, {CODES}")
    if len(set(names)) < len(names):
        raise Incorrect("field-twice", f"fields: one is named twice: {', '.join(map(str, fields))}")
    return dict(zip(names, columns, strict=True))


def _turned(fields: Sequence[Any], rows: Sequence[Any]) -> Sequence[Any]:
    if not rows:
        return [[] for _ in fields]
    try:
        columns = list(zip(*rows, strict=True))
    except (TypeError, ValueError):
        columns = []
    if len(columns) != len(fields) or not set(map(type, rows)) <= {list}:
        raise _uneven(fields, rows)
    return columns


def _uneven(fields: Sequence[Any], rows: Sequence[Any]) -> Incorrect:
    bad = [
        BadRow(at, "", f"is no list of {len(fields)}")
        for at, row in enumerate(rows)
        if not isinstance(row, list) or len(row) != len(fields)
    ]
    return Incorrect(
        "row-malformed", f"data: row {bad[0].row} {bad[0].reason} items, one for each of the fields", tuple(bad[:ROWS_LISTED_MAX])
    )


def _times(column: Sequence[Any]) -> NDArray[np.int64]:
    """Naive ones are UTC."""
    try:
        texts = pa.array(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise _bad(TIME, column, lambda item: isinstance(item, str), "is no text such as 2026-01-01T00:00:00Z") from None
    return parse_instants(texts, naive_is_utc=True, column=TIME)


def _values(column: Sequence[Any]) -> NDArray[np.float64]:
    """Null is as NaN: JSON has no other word for it."""
    try:
        values = np.array(column, np.float64)
    except (ValueError, TypeError, OverflowError):
        values = np.zeros((0, 0))
    if values.ndim != 1:
        raise _bad(RESULT, column, _is_number, "is no number")
    if np.isinf(values).any():
        raise _bad(RESULT, column, _is_number, "is infinite")
    return values


def _codes(column: Sequence[Any]) -> pa.Array:
    """Null is no code, as the empty list."""
    kinds = set(map(type, column))
    if not kinds <= {list, type(None)}:
        raise _bad(CODES, column, _are_codes, "is no list of codes")
    try:
        found = pa.array(column if kinds == {list} else [item or [] for item in column], pa.list_(pa.string()))
        strange = pc.list_flatten(found).null_count
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        strange = 1
    if strange:
        raise _bad(CODES, column, _are_codes, "is no list of codes")
    return found


def _is_number(item: Any) -> bool:
    try:
        return item is None or not np.isinf(float(item))
    except (ValueError, TypeError, OverflowError):
        return False


def _are_codes(item: Any) -> bool:
    return item is None or (isinstance(item, list) and all(isinstance(code, str) for code in item))


def _bad(name: str, column: Sequence[Any], good: Any, words: str) -> Incorrect:
    rows = [BadRow(at, name, f"{_shown(item)} {words}") for at, item in enumerate(column) if not good(item)]
    first = rows[0] if rows else BadRow(0, name, words)
    more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    return Incorrect("field-incorrect", f"{name}: row {first.row}: {first.reason}{more}", tuple(rows[:ROWS_LISTED_MAX]))


def _shown(item: Mapping[str, Any] | Any) -> str:
    return repr(item)[:60]
