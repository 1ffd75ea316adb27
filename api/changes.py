"""Tri-state updates for every door: what each cell is now, which fields differ, and one record of points_updated.

Before: a door's rows. After: api/append.py. Only fields that differ are in a row's mask, so that two concurrent partial
updates lose neither; an update of a run's record keeps its known_time (I7). What changes nothing is not written.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from api.append import append, applied_before
from api.bodies.points import stamped
from api.lookups import Cell, CellState
from api.parts import Parts
from api.stamps import Stamp
from api.verdict import applied_places
from api.views import Wait
from api.writer import Written
from varve.columns import MASK_ANNOTATION, MASK_TAGS, MASK_VALID_TIME_END, MASK_VALUE, Target, make_points
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect, NotFound
from varve.events import PointsUpdated
from varve.instants import ABSENT, format_instant
from varve.position import Token, offset_of
from varve.record import Record
from varve.series import derived_id

MASKS = {"value": MASK_VALUE, "annotation": MASK_ANNOTATION, "tags": MASK_TAGS, "valid_time_end": MASK_VALID_TIME_END}


@dataclass(frozen=True)
class Change:
    """fields: those that are given, of value, annotation, tags, valid_time_end; null clears. known_time None: the run's, or the log's."""

    cell: Cell
    fields: Mapping[str, Any]
    known_time: int | None = None
    changed_by: str | None = None


@dataclass(frozen=True)
class Changed:
    """By change: the version of the layer that it made, None where it changed nothing."""

    written: Written | None
    versions: tuple[int | None, ...]


@dataclass(frozen=True)
class _Row:
    change: Change
    state: CellState
    kind: str
    mask: int


async def change(parts: Parts, changes: Sequence[Change], stamp: Stamp, wait: Wait) -> Changed:
    if (before := await _before(parts, changes, stamp, wait)) is not None:
        return before
    cells = [one.cell for one in changes]
    states = await parts.reads.cells(cells)
    _refuse_missing(cells, states)
    kinds = await _kinds(parts, changes)
    rows = [_Row(one, states[one.cell], kind, _mask(one, states[one.cell], kind)) for one, kind in zip(changes, kinds, strict=True)]
    real = [row for row in rows if row.mask]
    if not real:
        return Changed(None, tuple(None for _ in rows))
    written = await append(parts, _record(real, stamp), wait)
    after = await parts.reads.cells([row.change.cell for row in real])
    newest = {cell: max(state.versions) for cell, state in after.items()}
    return Changed(written, tuple(newest.get(row.change.cell) if row.mask else None for row in rows))


async def _before(parts: Parts, changes: Sequence[Change], stamp: Stamp, wait: Wait) -> Changed | None:
    """The answer of the first time, where this keyed request was applied before."""
    if stamp.event_id is None:
        return None
    tenants = dict.fromkeys((one.cell.tenant, one.cell.run_id) for one in changes)
    events = [(tenant, derived_id(stamp.event_id, part)) for part, (tenant, _) in enumerate(tenants)]
    applied = await applied_before(parts, events, stamp, wait)
    if not applied:
        return None
    places = {(row.partition, offset_of(row.version)) for row in applied}
    states = await parts.reads.cells([one.cell for one in changes])
    found = [states.get(one.cell) for one in changes]  # one that was deleted since has no layer to name
    versions = tuple(
        None if state is None else next((one for one in state.versions if (state.partition, offset_of(one)) in places), None)
        for state in found
    )
    return Changed(Written(Token(parts.log.log_id, applied_places(applied)), repeated=True), versions)


async def _kinds(parts: Parts, changes: Sequence[Change]) -> list[str]:
    """Each cell's value type; a value of another is refused."""
    known: dict[tuple[uuid.UUID, uuid.UUID], str] = {}
    for tenant in dict.fromkeys(one.cell.tenant for one in changes):
        found = await parts.catalog.learn_ids(tenant, [one.cell.series_id for one in changes if one.cell.tenant == tenant])
        known |= {(tenant, ident): kind for ident, kind in found.items()}
    kinds = [known.get((one.cell.tenant, one.cell.series_id), "number") for one in changes]
    bad = [
        BadRow(row, "value", f"is not a {kind}") for row, (one, kind) in enumerate(zip(changes, kinds, strict=True)) if not _fits(one, kind)
    ]
    if bad:
        raise Incorrect("value-type", f"row {bad[0].row}: value {bad[0].reason}, which its series holds", tuple(bad))
    return kinds


def _fits(one: Change, kind: str) -> bool:
    match one.fields.get("value"):
        case None:
            return True
        case bool():
            return kind == "bool"
        case int() | float():
            return kind == "number"
        case value:
            return kind == "text" and isinstance(value, str)


def _mask(one: Change, state: CellState, kind: str) -> int:
    held = {
        "value": state.text if kind == "text" else state.value,
        "annotation": state.annotation,
        "tags": sorted(state.tags),
        "valid_time_end": state.valid_time_end,
    }
    given = {name: sorted(field or []) if name == "tags" else field for name, field in one.fields.items()}
    return sum(MASKS[name] for name, field in given.items() if field != held[name])


def _record(rows: Sequence[_Row], stamp: Stamp) -> Record:
    """One event a tenant and run, in order of first use; rows in order of event."""
    groups: dict[tuple[uuid.UUID, uuid.UUID | None], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row.change.cell.tenant, row.change.cell.run_id), []).append(row)
    events = tuple(_event(tenant, run, group, stamp, part) for part, ((tenant, run), group) in enumerate(groups.items()))
    ordered = [row for group in groups.values() for row in group]
    named = [Target(row.change.cell.tenant, row.change.cell.series_id, "") for row in ordered]
    index = {target: at for at, target in enumerate(dict.fromkeys(named))}
    fields = [row.change.fields for row in ordered]
    values = [None if row.kind == "text" else row.change.fields.get("value") for row in ordered]
    words = [row.change.fields.get("value") if row.kind == "text" else None for row in ordered]
    points = make_points(
        tuple(index),
        np.array([index[target] for target in named], np.int32),
        np.array([row.change.cell.valid_time for row in ordered], np.int64),
        np.array([float(value or 0.0) for value in values]),
        event=np.repeat(np.arange(len(groups), dtype=np.int32), [len(group) for group in groups.values()]),
        valued=np.array([value is not None for value in values]),
        known_time=np.array([_known(row) for row in ordered], np.int64),
        valid_time_end=np.array([_or_absent(one.get("valid_time_end")) for one in fields], np.int64),
        mask=np.array([row.mask for row in ordered], np.uint8),
        text=pa.array(words, pa.string()) if any(row.kind == "text" for row in ordered) else None,
        annotation=pa.array([one.get("annotation") for one in fields], pa.string()),
        tags=pa.array([one.get("tags") or [] for one in fields], pa.list_(pa.string())),
    )
    return Record(events, points)


def _event(tenant: uuid.UUID, run: uuid.UUID | None, group: Sequence[_Row], stamp: Stamp, part: int) -> PointsUpdated:
    kinds = {row.kind for row in group if row.mask & MASK_VALUE}
    more: dict[str, Any] = {"value_type": kinds.pop()} if len(kinds) == 1 else {}
    more |= {} if run is None else {"run_id": run}
    return PointsUpdated(**more, **stamped(tenant, stamp, part, changed_by=group[0].change.changed_by))


def _known(row: _Row) -> int:
    if row.change.known_time is not None:
        return row.change.known_time
    return ABSENT if row.change.cell.run_id is None else row.state.known_time


def _or_absent(instant: int | None) -> int:
    return ABSENT if instant is None else instant


def _refuse_missing(cells: Sequence[Cell], states: Mapping[Cell, CellState]) -> None:
    missing = [BadRow(row, "valid_time", "there is no such record") for row, cell in enumerate(cells) if cell not in states][
        :ROWS_LISTED_MAX
    ]
    if missing:
        cell = cells[missing[0].row]
        whose = "nothing" if cell.run_id is None else f"nothing of run {cell.run_id}"
        said = f"series {cell.series_id} has {whose} at {format_instant(cell.valid_time)}"
        raise NotFound("record-unknown", f"row {missing[0].row}: {said}: an update changes what is there", tuple(missing))
