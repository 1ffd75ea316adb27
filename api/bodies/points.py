"""A body's envelope and columns to a record of one point event, stamped.

Before: tables.py read the body. After: the catalogue checks its series, the writer appends it. I4: the stamp is the door's.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from api.bodies.tables import Body
from api.stamps import Stamp
from varve.codec_columns import points_from_columns
from varve.columns import MASK_ANNOTATION, MASK_TAGS, MASK_VALID_TIME_END, MASK_VALUE, Points
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect
from varve.events import EVENT, Event
from varve.record import Record, single
from varve.series import derived_id

FIELD_MASKS = {
    "value": MASK_VALUE,
    "text": MASK_VALUE,
    "annotation": MASK_ANNOTATION,
    "tags": MASK_TAGS,
    "valid_time_end": MASK_VALID_TIME_END,
}


def point_record(kind: str, body: Body, tenant: uuid.UUID, stamp: Stamp) -> Record:
    """kind: of a row event. Incorrect names row and column."""
    event = point_event(kind, body.envelope, tenant, stamp)
    if kind == "points_incremented":
        _refuse_fields(body)
    points, value_type = points_from_columns(body.columns, None, [event], "the body")
    if not len(points):
        raise Incorrect("body-empty", "there are no rows")
    if kind == "points_incremented":
        _refuse_not_numbers(points, value_type)
    if kind != "points_updated" or "value" in body.columns or "text" in body.columns:
        event = event.model_copy(update={"value_type": value_type})
    _refuse_backwards(points)
    return single(event, points)


def point_event(kind: str, envelope: Mapping[str, Any], tenant: uuid.UUID, stamp: Stamp, part: int = 0) -> Event:
    from pydantic import ValidationError

    from api.errors import from_validation

    try:
        event: Event = EVENT.validate_python({"type": kind, **envelope, **stamped(tenant, stamp, part)})
    except ValidationError as error:
        raise from_validation([one | {"loc": one["loc"][1:]} for one in error.errors(include_url=False, include_input=False)]) from None
    return event


def stamped(tenant: uuid.UUID, stamp: Stamp, part: int = 0, *, changed_by: str | None = None) -> dict[str, Any]:
    """Envelope fields of the part-th event of a request. changed_by: what the request says."""
    fields: dict[str, Any] = {"tenant": tenant, "recorded_time": stamp.recorded_time}
    if stamp.event_id is not None:
        fields |= {"event_id": derived_id(stamp.event_id, part), "body_hash": stamp.body_hash}
    if (by := stamp.changed_by or changed_by) is not None:
        fields["changed_by"] = by
    return fields


def masks_of(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Which fields each row names: absent keeps, null clears."""
    found = [0] * len(rows)
    for name, bit in FIELD_MASKS.items():
        found = [mask | bit if name in row else mask for mask, row in zip(found, rows, strict=True)]
    return found


def _refuse_fields(body: Body) -> None:
    """An increment is an amount and nothing else."""
    if "value" not in body.columns and "text" not in body.columns:
        raise Incorrect("column-missing", "the body: a column value is needed: the amount to add")
    named = sorted({"annotation", "tags", "valid_time_end"} & set(body.columns))
    if named:
        words = f"{', '.join(named)}: an increment adds to the value and leaves the rest: write these with PATCH /api/v1/points"
        raise Incorrect("increment-field", words)


def _refuse_not_numbers(points: Points, value_type: str) -> None:
    bad = np.arange(len(points)) if value_type != "number" else np.flatnonzero(~points.valued)
    if not len(bad):
        return
    found = "null" if value_type == "number" else value_type
    rows = tuple(BadRow(int(row), "value", f"is {found}, not a number to add") for row in bad[:ROWS_LISTED_MAX])
    words = f"value: {len(bad)} row(s) are {found}, first row {bad[0]}: an increment adds a number to each of its cells"
    raise Incorrect("increment-not-number", words, rows)


def _refuse_backwards(points: Points) -> None:
    from varve.instants import ABSENT

    bad = np.flatnonzero((points.valid_time_end != ABSENT) & (points.valid_time_end <= points.valid_time))
    if len(bad):
        rows = tuple(BadRow(int(row), "valid_time_end", "is not after valid_time") for row in bad[:100])
        raise Incorrect("end-before-start", f"valid_time_end: {len(bad)} row(s) end before they start, first in row {bad[0]}", rows)
