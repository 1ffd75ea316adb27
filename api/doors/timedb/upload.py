"""TimeDB's run upload to a record: the points, the run, the descriptions. Pure but for the stamp that it is given.

Before: routes.py read the JSON. After: api/append.py. A value_key is a series' key: what POST /series made is the same
series. Naive times are UTC here, as TimeDB's contract says (I10); known_time is the log's where absent (I4).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, Field

from api.bodies.points import stamped
from api.stamps import Stamp
from varve.columns import Points, Target, make_points
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect
from varve.events import Event, PointsWritten, RunOpened, SeriesDefined
from varve.instants import parse_instant, parse_instants
from varve.record import Record
from varve.series import KEY_LENGTH_MAX, series_id

NaiveInstant = Annotated[int, BeforeValidator(lambda given: parse_instant(given, naive_is_utc=True) if isinstance(given, str) else given)]


class Upload(BaseModel):
    """Without its value_rows, which are read as columns. Unknown fields are passed over, as TimeDB does."""

    workflow_id: str = Field("api-workflow", max_length=512)
    run_start_time: NaiveInstant
    run_finish_time: NaiveInstant | None = None
    known_time: NaiveInstant | None = None
    tenant_id: uuid.UUID | None = None
    run_params: dict[str, Any] | None = None
    series_descriptions: dict[str, str] | None = None


@dataclass(frozen=True)
class Uploaded:
    record: Record
    run_id: uuid.UUID
    series_ids: dict[str, uuid.UUID]


def upload_record(upload: Upload, rows: Any, tenant: uuid.UUID, stamp: Stamp) -> Uploaded:
    points, keys = rows_points(rows, tenant)
    written = PointsWritten(run_id=stamp.run_id, known_time=upload.known_time, value_type="number", **stamped(tenant, stamp))
    opened = RunOpened(
        run_id=stamp.run_id, workflow_id=upload.workflow_id, known_time=upload.known_time, started=upload.run_start_time,
        finished=upload.run_finish_time, params=upload.run_params, **stamped(tenant, stamp, 1),
    )  # fmt: skip
    described: list[Event] = [
        SeriesDefined(series_id=keys[key], series=key, description=text, **stamped(tenant, stamp, number))
        for number, (key, text) in enumerate((upload.series_descriptions or {}).items(), 2)
        if key in keys
    ]
    return Uploaded(Record((written, opened, *described), points), stamp.run_id, keys)


def rows_points(rows: Any, tenant: uuid.UUID) -> tuple[Points, dict[str, uuid.UUID]]:
    """The rows as columns, and the series of each value_key in order of first use."""
    if not isinstance(rows, list) or not rows:
        raise Incorrect("value-rows", "value_rows: send a list of at least one row")
    try:
        times, words = [row["valid_time"] for row in rows], [row["value_key"] for row in rows]
        numbers = [row.get("value") for row in rows]
        ends, idents = ([row.get(name) for row in rows] if _any(rows, name) else None for name in ("valid_time_end", "series_id"))
        keys = pa.array(words, pa.string()).dictionary_encode()
    except (KeyError, TypeError, AttributeError, pa.ArrowException):
        raise _bad_rows(rows) from None
    if keys.null_count or any(not 1 <= len(key) <= KEY_LENGTH_MAX for key in keys.dictionary.to_pylist()):
        raise _bad_rows(rows)
    value, valued = _numbers(numbers, rows)
    target, targets, ids = _targets(keys, idents, tenant)
    points = make_points(
        targets, target, parse_instants(times, naive_is_utc=True), value, valued=valued,
        valid_time_end=None if ends is None else parse_instants(ends, naive_is_utc=True, column="valid_time_end", absent=True),
    )  # fmt: skip
    return points, ids


def _any(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(name in row for row in rows)


def _numbers(numbers: list[Any], rows: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    try:
        array = pa.array(numbers)
        if not (pa.types.is_floating(array.type) or pa.types.is_integer(array.type) or pa.types.is_null(array.type)):
            raise _bad_rows(rows)
        array = array.cast(pa.float64(), safe=False)
    except (pa.ArrowException, OverflowError):
        raise _bad_rows(rows) from None
    valued: NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    return pc.fill_null(array, 0.0).to_numpy(zero_copy_only=False), valued


def _targets(keys: Any, idents: list[Any] | None, tenant: uuid.UUID) -> tuple[NDArray[np.int32], list[Target], dict[str, uuid.UUID]]:
    names = keys.dictionary.to_pylist()
    index: NDArray[np.int32] = keys.indices.to_numpy(zero_copy_only=False)
    if idents is None or not any(idents):
        targets = [Target(tenant, series_id(tenant, key), key) for key in names]
        return index, targets, {target.key: target.series_id for target in targets}
    places: dict[tuple[int, Any], int] = {}
    chosen = np.array([places.setdefault(pair, len(places)) for pair in zip(index.tolist(), idents, strict=True)], np.int32)
    targets = [_target(tenant, names[at], ident, int(np.flatnonzero(chosen == place)[0])) for (at, ident), place in places.items()]
    return chosen, targets, {names[at]: target.series_id for (at, _), target in zip(places, targets, strict=True)}


def _target(tenant: uuid.UUID, key: str, ident: Any, row: int) -> Target:
    own = series_id(tenant, key)
    if ident is None:
        return Target(tenant, own, key)
    try:
        given = uuid.UUID(str(ident))
    except ValueError:
        raise Incorrect(
            "series-id", f"row {row}: series_id '{ident}' is not a UUID", (BadRow(row, "series_id", "is not a UUID"),)
        ) from None
    return Target(tenant, given, key if given == own else "")


def _bad_rows(rows: Sequence[Any]) -> Incorrect:
    """The slow way, taken only when the fast one refused: which rows, which fields."""
    bad: list[BadRow] = []
    for number, row in enumerate(rows):
        bad += [BadRow(number, column, reason) for column, reason in _complaints(row)]
        if len(bad) >= ROWS_LISTED_MAX:
            break
    first = bad[0] if bad else BadRow(0, "value_rows", "cannot be read")
    return Incorrect("value-rows", f"value_rows: row {first.row}: {first.column} {first.reason}", tuple(bad))


def _complaints(row: Any) -> list[tuple[str, str]]:
    if not isinstance(row, dict):
        return [("value_rows", "is not an object")]
    found = [(name, "is missing") for name in ("valid_time", "value_key") if name not in row]
    key, value = row.get("value_key", "x"), row.get("value")
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LENGTH_MAX:
        found.append(("value_key", f"is not a text of 1 to {KEY_LENGTH_MAX} characters"))
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        found.append(("value", "is neither a number nor null"))
    return found
