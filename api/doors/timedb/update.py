"""TimeDB's PUT /values: tri-state updates of a run's records as points_updated, with no-ops found and told.

Before: routes.py. After: api/append.py. Only the fields that differ are in a row's mask, so that two concurrent partial
updates lose neither (I7: an update keeps its run's known_time).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from fastapi import Response
from pydantic import BaseModel, Field

from api.append import append
from api.bodies.points import stamped
from api.doors.timedb.upload import NaiveInstant
from api.parts import Parts
from api.reads import Cell, CellState
from api.request import parsed
from api.stamps import Stamp
from varve.columns import MASK_ANNOTATION, MASK_TAGS, MASK_VALUE, Target, make_points
from varve.errors import BadRow, Incorrect, NotFound
from varve.events import PointsUpdated
from varve.instants import format_instant
from varve.record import Record
from varve.series import DEFAULT_TENANT


class Update(BaseModel):
    run_id: uuid.UUID
    tenant_id: uuid.UUID = DEFAULT_TENANT
    valid_time: NaiveInstant
    series_id: uuid.UUID
    value: float | None = Field(None, allow_inf_nan=False)
    annotation: str | None = None
    tags: list[str] | None = None


@dataclass(frozen=True)
class Change:
    """mask: the fields that are given and differ from what is there; 0 is a no-op."""

    update: Update
    state: CellState
    mask: int
    value: float | None
    annotation: str | None
    tags: tuple[str, ...]


def asked_of(found: Any) -> list[Update]:
    rows = found.get("updates") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not rows:
        raise Incorrect("updates", "updates: send a list of at least one update")
    updates = [parsed(Update, row) for row in rows]
    empty = [BadRow(at, "updates", "names no field") for at, one in enumerate(updates) if not {"value", "annotation", "tags"} & one.model_fields_set]
    if empty:
        raise Incorrect("update-empty", f"updates: row {empty[0].row} names none of value, annotation and tags", tuple(empty))
    return updates


async def answer(parts: Parts, updates: Sequence[Update], stamp: Stamp) -> Response:
    cells = [Cell(one.tenant_id, one.run_id, one.series_id, one.valid_time) for one in updates]
    states = await parts.reads.cells(cells)
    missing = [BadRow(at, "updates", "there is no such record") for at, cell in enumerate(cells) if cell not in states]
    if missing:
        cell = cells[missing[0].row]
        said = f"run {cell.run_id} has no value of series {cell.series_id} at {format_instant(cell.valid_time)}"
        raise NotFound("record-unknown", f"updates: row {missing[0].row}: {said}", tuple(missing))
    changes = [_change(one, states[cell]) for one, cell in zip(updates, cells, strict=True)]
    real = [change for change in changes if change.mask]
    if real:
        await append(parts, _record(real, stamp), "view")
        states = await parts.reads.cells([cell for cell, change in zip(cells, changes, strict=True) if change.mask])
    updated = [_told(one) | {"value_id": states[cell].versions[-1]} for one, cell, change in zip(updates, cells, changes, strict=True) if change.mask]
    skipped = [_told(change.update) for change in changes if not change.mask]
    return Response(orjson.dumps({"updated": updated, "skipped_no_ops": skipped}), media_type="application/json")


def _change(update: Update, state: CellState) -> Change:
    given = update.model_fields_set
    annotation = (update.annotation or "").strip() or None
    tags = tuple(sorted({tag.strip().lower() for tag in update.tags or [] if tag.strip()}))
    mask = MASK_VALUE if "value" in given and update.value != state.value else 0
    mask |= MASK_ANNOTATION if "annotation" in given and annotation != state.annotation else 0
    mask |= MASK_TAGS if "tags" in given and tags != tuple(sorted(state.tags)) else 0
    return Change(update, state, mask, update.value, annotation, tags)


def _record(changes: Sequence[Change], stamp: Stamp) -> Record:
    """One event a tenant and run, in order of first use; rows in order of event."""
    groups: dict[tuple[uuid.UUID, uuid.UUID], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.update.tenant_id, change.update.run_id), []).append(change)
    events = tuple(
        PointsUpdated(run_id=run, **({"value_type": "number"} if any(one.mask & MASK_VALUE for one in group) else {}), **stamped(tenant, stamp, part))
        for part, ((tenant, run), group) in enumerate(groups.items())
    )
    rows = [change for group in groups.values() for change in group]
    targets = list(dict.fromkeys(Target(one.update.tenant_id, one.update.series_id, "") for one in rows))
    index = {target: at for at, target in enumerate(targets)}
    points = make_points(
        targets,
        np.array([index[Target(one.update.tenant_id, one.update.series_id, "")] for one in rows], np.int32),
        np.array([one.update.valid_time for one in rows], np.int64),
        np.array([one.value or 0.0 for one in rows]),
        event=np.repeat(np.arange(len(groups), dtype=np.int32), [len(group) for group in groups.values()]),
        valued=np.array([one.value is not None for one in rows]),
        known_time=np.array([one.state.known_time for one in rows], np.int64),
        mask=np.array([one.mask for one in rows], np.uint8),
        annotation=pa.array([one.annotation for one in rows], pa.string()),
        tags=pa.array([list(one.tags) for one in rows], pa.list_(pa.string())),
    )
    return Record(events, points)


def _told(update: Update) -> dict[str, str]:
    when = format_instant(update.valid_time).removesuffix("Z") + "+00:00"
    return {"run_id": str(update.run_id), "tenant_id": str(update.tenant_id), "valid_time": when, "series_id": str(update.series_id)}
