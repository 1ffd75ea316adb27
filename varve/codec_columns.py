"""The column half of the codec: JSON lists or Arrow columns to Points, and back. varve/codec.py comes in before, with the
envelopes; nobody else needs this room. Every refusal names the column and, where it can, the rows (I10).
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from varve.columns import (
    MASK_ALL,
    MASK_ANNOTATION,
    MASK_TAGS,
    MASK_VALID_TIME_END,
    MASK_VALUE,
    Points,
    Target,
    make_points,
)
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect
from varve.events import Event, ValueType
from varve.instants import ABSENT, filled, format_instant, parse_instants
from varve.series import KEY_LENGTH_MAX, series_id

COLUMNS = ("series", "series_id", "valid_time", "valid_time_end", "known_time", "value", "text", "annotation", "tags", "mask")
_MASK_OF = {
    "value": MASK_VALUE,
    "text": MASK_VALUE,
    "annotation": MASK_ANNOTATION,
    "tags": MASK_TAGS,
    "valid_time_end": MASK_VALID_TIME_END,
}


def points_from_columns(
    columns: Mapping[str, Any], numbers: NDArray[np.int32] | None, events: Sequence[Event], where: str
) -> tuple[Points, ValueType]:
    """Points of n rows; a column given as one value holds for every row."""
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise Incorrect("column-unknown", f"{where}: unknown column(s) {', '.join(unknown)}; known are {', '.join(COLUMNS)}")
    if "valid_time" not in columns:
        raise Incorrect("column-missing", f"{where}: a column valid_time is needed")
    n = _rows(columns)
    times = _sequence(columns["valid_time"])
    times = times if len(times) == n else [times[0]] * n
    event = np.zeros(n, np.int32) if numbers is None else numbers
    target, targets = _targets(columns, n, event, events, where)
    value, valued, text, kind = _values(columns, n, where)
    points = make_points(
        targets,
        target,
        parse_instants(times),
        value,
        event=event,
        valued=valued,
        valid_time_end=_instants(columns, "valid_time_end", n, where),
        known_time=_instants(columns, "known_time", n, where),
        mask=_mask(columns, n, event, events, where),
        text=text,
        annotation=_words(columns, "annotation", n, where),
        tags=_tags(columns, n, where),
    )
    return points, kind


def record_batch(points: Points, events: int) -> pa.RecordBatch:
    """The rows as an Arrow batch, without the columns in which no row says anything."""
    columns: dict[str, pa.Array] = {}
    if events > 1:
        columns["event"] = pa.array(points.event)
    indices = pa.array(points.target)
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(points.targets), [None, pa.py_buffer(b"".join(target.ident[16:] for target in points.targets))]
    )
    columns["series_id"] = pa.DictionaryArray.from_arrays(indices, ids)
    if any(target.key for target in points.targets):
        columns["series"] = pa.DictionaryArray.from_arrays(indices, pa.array([target.key for target in points.targets], pa.string()))
    columns["valid_time"] = pa.array(points.valid_time)
    for name in ("valid_time_end", "known_time"):
        given = getattr(points, name)
        if np.any(given != ABSENT):
            columns[name] = pa.array(given, mask=given == ABSENT)
    if points.text is None or points.valued.any():
        columns["value"] = pa.array(points.value, mask=None if points.valued.all() else ~points.valued)
    for name in ("text", "annotation", "tags"):
        if getattr(points, name) is not None:
            columns[name] = getattr(points, name)
    if np.any(points.mask != MASK_ALL):
        columns["mask"] = pa.array(points.mask)
    return pa.RecordBatch.from_pydict(columns)


def column_arrays(points: Points, kind: str) -> dict[str, Any]:
    """The rows as JSON columns."""
    named = [points.targets[at] for at in points.target.tolist()]
    columns: dict[str, Any] = {"valid_time": [format_instant(time) for time in points.valid_time.tolist()]}
    if all(target.key and target.series_id == series_id(target.tenant, target.key) for target in named):
        columns["series"] = [target.key for target in named]
    else:
        columns["series_id"] = [str(target.series_id) for target in named]
    for name in ("valid_time_end", "known_time"):
        given = getattr(points, name)
        if np.any(given != ABSENT):
            columns[name] = [None if time == ABSENT else format_instant(time) for time in given.tolist()]
    if points.text is None or points.valued.any():
        columns["value"] = [value if valid else None for value, valid in zip(points.value.tolist(), points.valued.tolist(), strict=True)]
    columns |= {name: getattr(points, name).to_pylist() for name in ("text", "annotation", "tags") if getattr(points, name) is not None}
    if kind == "points_updated":
        columns["mask"] = points.mask.tolist()
    return columns


def event_column(column: Any, n: int) -> NDArray[np.int32]:
    if column is None:
        return np.zeros(n, np.int32)
    try:
        found: NDArray[np.int32] = _array(column, n, pa.int32(), "event", "the record").to_numpy(zero_copy_only=False)
    except ValueError:
        raise Incorrect("event-column", "the column `event` must be whole numbers without nulls") from None
    return found.astype(np.int32, copy=False)


def _rows(columns: Mapping[str, Any]) -> int:
    """As many as valid_time has; where it is one value, as many as the longest column has."""
    lists = {name: column for name, column in columns.items() if isinstance(column, list | pa.Array | pa.ChunkedArray)}
    if "valid_time" in lists:
        return len(lists["valid_time"])
    if _one_list_of_tags(lists.get("tags")):
        lists.pop("tags")
    return max((len(column) for column in lists.values()), default=1)


def _one_list_of_tags(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(isinstance(tag, str) for tag in given)


def _sequence(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column if isinstance(column, list | pa.Array) else [column]


def _array(column: Any, n: int, kind: pa.DataType | None, name: str, where: str) -> pa.Array:
    """The column as an Arrow array of n; a scalar is repeated."""
    if not isinstance(column, list | pa.Array | pa.ChunkedArray):
        column = [column] * n
    try:
        array = _sequence(column)
        if isinstance(array, pa.Array):
            array = array.dictionary_decode() if isinstance(array, pa.DictionaryArray) and kind is not None else array
            array = array if kind is None or array.type == kind else array.cast(kind)
        else:
            array = pa.array(array) if kind is None else pa.array(array, kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise Incorrect("column-malformed", f"{where}: column {name}: {str(error).splitlines()[0]}") from None
    if len(array) != n:
        raise Incorrect("column-length", f"{where}: column {name} has {len(array)} rows, others have {n}")
    return array


def _instants(columns: Mapping[str, Any], name: str, n: int, where: str) -> NDArray[np.int64] | None:
    if columns.get(name) is None:
        return None
    found = _sequence(columns[name])
    if len(found) == 1 and n > 1 and not isinstance(columns[name], pa.ChunkedArray):
        found = [found[0]] * n
    if len(found) != n:
        raise Incorrect("column-length", f"{where}: column {name} has {len(found)} rows, others have {n}")
    return parse_instants(found, column=name, absent=True)


def _values(columns: Mapping[str, Any], n: int, where: str) -> tuple[NDArray[np.float64], NDArray[np.bool_], pa.Array | None, ValueType]:
    """value, valued, text and what the values are."""
    numbers, valued, text = np.zeros(n), np.zeros(n, bool), None
    kind: ValueType = "number"
    if "text" in columns:
        text, kind = _words(columns, "text", n, where), "text"
    if "value" in columns:
        array = _array(columns["value"], n, None, "value", where)
        if isinstance(array, pa.DictionaryArray):
            array = array.dictionary_decode()
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            if text is not None:
                raise Incorrect("value-twice", f"{where}: text values belong in one of the columns value and text, not both")
            return numbers, valued, array.cast(pa.string()), "text"
        if pa.types.is_boolean(array.type):
            kind = "bool"
        elif not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_null(array.type)):
            raise Incorrect("column-malformed", f"{where}: column value holds {array.type}: numbers, booleans or text are stored")
        valued = array.is_valid().to_numpy(zero_copy_only=False)
        numbers = filled(array.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
        _refuse_not_finite(numbers, where)
    return numbers, valued, text, kind


def _refuse_not_finite(numbers: NDArray[np.float64], where: str) -> None:
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        rows = tuple(BadRow(int(row), "value", f"is {numbers[row]}") for row in bad[:ROWS_LISTED_MAX])
        raise Incorrect(
            "value-not-finite",
            f"{where}: {len(bad)} value(s) are NaN or infinite, first in row {bad[0]}: send null where a value is missing",
            rows,
        )


def _words(columns: Mapping[str, Any], name: str, n: int, where: str) -> pa.Array | None:
    if columns.get(name) is None:
        return pa.nulls(n, pa.string()) if name == "text" and name in columns else None
    return _array(columns[name], n, pa.string(), name, where)


def _tags(columns: Mapping[str, Any], n: int, where: str) -> pa.Array | None:
    given = columns.get("tags")
    if given is None:
        return None
    if _one_list_of_tags(given):
        given = [given] * n  # one list of tags for every row
    if isinstance(given, pa.Array | pa.ChunkedArray) and pa.types.is_string(given.type):
        given = _tags_of_texts(_sequence(given), where)
    return _array(given, n, pa.list_(pa.string()), "tags", where)


def _tags_of_texts(texts: pa.StringArray, where: str) -> pa.Array:
    """As CSV has them: each text is a JSON list; the same tags come again and again, so each is read once."""
    coded = texts.dictionary_encode()
    lists: list[list[str]] = []
    for text in coded.dictionary.to_pylist():
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, list) or any(not isinstance(tag, str) for tag in found):
            row = coded.indices.index(len(lists)).as_py()
            raise Incorrect(
                "tags-malformed", f"{where}: column tags: row {row}: '{text[:80]}' is not a JSON list of words such as [\"checked\"]",
                (BadRow(row, "tags", "is not a JSON list of words"),),
            )  # fmt: skip
        lists.append(found)
    return pa.array(lists, pa.list_(pa.string())).take(coded.indices)


def _mask(columns: Mapping[str, Any], n: int, event: NDArray[np.int32], events: Sequence[Event], where: str) -> NDArray[np.uint8] | None:
    """Which fields each row sets: all for a write; for an update those in its mask, or the columns that are there."""
    updates = np.array([one.type == "points_updated" for one in events])
    if "mask" in columns:
        mask: NDArray[np.uint8] = filled(_array(columns["mask"], n, pa.uint8(), "mask", where), 0).to_numpy(zero_copy_only=False)
        if np.any((mask == 0) | (mask > MASK_ALL)) or np.any((mask != MASK_ALL) & ~updates[event]):
            raise Incorrect(
                "mask", f"{where}: mask is 1 to {MASK_ALL} in points_updated (1 value, 2 annotation, 4 tags, 8 end), and absent elsewhere"
            )
        return mask
    if not updates.any():
        return None
    present = sum({_MASK_OF[name] for name in columns if name in _MASK_OF})
    if not present:
        raise Incorrect(
            "update-empty", f"{where}: a points_updated event needs at least one of value, text, annotation, tags, valid_time_end"
        )
    return np.where(updates[event], np.uint8(present), np.uint8(MASK_ALL)).astype(np.uint8)


def _targets(
    columns: Mapping[str, Any], n: int, event: NDArray[np.int32], events: Sequence[Event], where: str
) -> tuple[NDArray[np.int32], tuple[Target, ...]]:
    """Each row's series: by series_id, by series (its key), or both; the tenant is its event's."""
    if "series" not in columns and "series_id" not in columns:
        raise Incorrect("series-missing", f"{where}: names no series: give series (keys) or series_id")
    ids, id_of = _dictionary(columns, "series_id", n, where)
    keys, key_of = _dictionary(columns, "series", n, where)
    if np.any((id_of < 0) & (key_of < 0)):
        row = int(np.flatnonzero((id_of < 0) & (key_of < 0))[0])
        raise Incorrect("series-missing", f"{where}: row {row} names no series", (BadRow(row, "series", "is missing"),))
    tenants = list(dict.fromkeys(one.tenant for one in events))
    if len(tenants) == 1 and (not len(keys) or (np.array_equal(id_of, key_of) and len(keys) == len(ids))):
        paired = keys or [""] * len(ids)
        return id_of, tuple(_target(tenants[0].int, ident, key) for ident, key in zip(ids, paired, strict=True))
    if len(tenants) == 1 and not len(ids):
        return key_of, tuple(_target(tenants[0].int, None, key) for key in keys)
    tenant_of = np.array([tenants.index(one.tenant) for one in events], np.int64)[event]
    codes = (tenant_of * (len(ids) + 1) + id_of + 1) * (len(keys) + 1) + key_of + 1
    unique, inverse = np.unique(codes, return_inverse=True)
    targets = []
    for code in unique.tolist():
        rest, key = divmod(code, len(keys) + 1)
        tenant, ident = divmod(rest, len(ids) + 1)
        targets.append(_target(tenants[tenant].int, ids[ident - 1] if ident else None, keys[key - 1] if key else ""))
    return inverse.astype(np.int32), tuple(targets)


@lru_cache(maxsize=1 << 17)
def _target(owner: int, ident: bytes | str | None, key: str) -> Target:
    """Remembered: the same series come again in every record, and their ids are costly to make. owner: the tenant's number, which is
    far cheaper to hash than its UUID."""
    tenant = uuid.UUID(int=owner)
    if len(key) > KEY_LENGTH_MAX:
        raise Incorrect("key-too-long", f"the series key '{key[:40]}…' has {len(key)} characters; {KEY_LENGTH_MAX} are allowed")
    if ident is None:
        if not key:
            raise Incorrect("series-missing", "a series key must not be empty")
        return Target(tenant, series_id(tenant, key), key)
    try:
        return Target(tenant, uuid.UUID(bytes=ident) if isinstance(ident, bytes) else uuid.UUID(ident), key)
    except ValueError:
        raise Incorrect("series-id-malformed", f"series_id {ident!r} is not a UUID") from None


def _dictionary(columns: Mapping[str, Any], name: str, n: int, where: str) -> tuple[list[Any], NDArray[np.int32]]:
    """Distinct values and each row's index; -1 where null or the column is absent."""
    given = columns.get(name)
    if given is None:
        return [], np.full(n, -1, np.int32)
    if isinstance(given, str):
        return [given], np.zeros(n, np.int32)
    array = _array(given, n, None, name, where)
    kind = array.type.value_type if isinstance(array, pa.DictionaryArray) else array.type
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (name == "series_id" and kind == pa.binary(16))
        or pa.types.is_null(kind)
    ):
        raise Incorrect(
            "column-malformed", f"{where}: column {name} holds {kind}: send text{' or 16 bytes' if name == 'series_id' else ''}"
        )
    array = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
    indices = filled(array.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return array.dictionary.to_numpy(zero_copy_only=False).tolist(), indices  # a fifth of to_pylist()
