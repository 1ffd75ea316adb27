"""What one segment of a record does to the series that it touches: rows, definitions, deletions, increments of the latest value.
Pure; streams/fold.py cuts a record into segments and guards them, streams/fold_tables.py makes tables of what comes out.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.buckets import Closed, Marks, clear_buckets, move_buckets
from streams.fold_tables import Born, Slice, born_table, deletion_row, entity_row, purge_row, series_row
from streams.fold_times import assign_times
from streams.state import FLAG_DEFINED, FLAG_TAIL_KNOWN, FLAG_TAIL_NULL, LEVELS, PartitionState
from streams.tail import Steps, move_tails
from varve.codec import ROW_TYPES
from varve.columns import MASK_VALUE, Points, Target, make_points
from varve.events import (
    EntityDeleted,
    EntityPut,
    Event,
    LatestIncremented,
    PointsDeleted,
    PurgeRequested,
    SeriesDefined,
    SeriesDeleted,
    SeriesDescribed,
    SeriesRewritten,
    ValueType,
)
from varve.instants import ABSENT, EARLIEST, LATEST
from varve.position import version_of
from varve.record import Record, single, slots_before

VALUE_TYPES: dict[ValueType | None, int] = {None: 0, "number": 1, "bool": 2, "text": 3}
_TEXT = VALUE_TYPES["text"]
_MS = 10**6
Deleting = PointsDeleted | PurgeRequested | SeriesDeleted | SeriesRewritten


@dataclass(frozen=True)
class Work:
    """One record at hand. rows: the touched series' state, changed as the fold goes on; ahead: series that already hold this record."""

    state: PartitionState
    record: Record
    offset: int
    stamps: NDArray[np.int64]  # recorded_time of each event, before I4 raises it
    targets: tuple[Target, ...]
    rows: NDArray[np.void]
    ahead: NDArray[np.bool_]
    row_local: NDArray[np.int32]  # each point row's index into targets
    event_local: list[int]  # each series event's index into targets, else -1

    @cached_property
    def slots(self) -> NDArray[np.int64]:
        return slots_before(self.record)

    def own_version(self, number: int) -> int:
        """Of an event in SLOTTED: between those of the rows before it and its own or later ones."""
        before = int(np.searchsorted(self.record.points.event, number))
        return version_of(self.offset, before + int(self.slots[number]) - 1)


@dataclass(frozen=True)
class Made:
    """What the segments gave so far. closed, marks: with the version of each series that they are about."""

    layers: list[Slice] = field(default_factory=list)
    series: list[dict[str, object]] = field(default_factory=list)
    born: list[pa.Table] = field(default_factory=list)
    deletions: list[dict[str, object]] = field(default_factory=list)
    purges: list[dict[str, object]] = field(default_factory=list)
    entities: list[dict[str, object]] = field(default_factory=list)
    closed: list[tuple[Closed, NDArray[np.uint64]]] = field(default_factory=list)
    marks: list[tuple[Marks, NDArray[np.uint64]]] = field(default_factory=list)

    def mark(self, rows: NDArray[np.void], marks: Marks) -> None:
        if len(marks.series):
            self.marks.append((marks, rows["applied"][marks.series]))


def apply(work: Work, numbers: list[int], made: Made) -> None:
    """Events of one segment: those of series in their order, then all rows at once; work.rows is brought forward."""
    for number in numbers:
        event = work.record.events[number]
        for local in _locals(work, number):
            if not work.ahead[local]:
                _apply_to(work, number, event, local, made)
    points = work.record.points
    if not len(points) or not numbers:
        return
    chosen = ~work.ahead[work.row_local]
    if len(numbers) < len(work.record.events):
        chosen &= np.isin(points.event, np.array(numbers, np.int32))
    at = np.flatnonzero(chosen)
    if len(at):
        index = at + work.slots[points.event[at]]
        version = np.uint64(version_of(work.offset)) + index.astype(np.uint64)
        _apply_rows(work, _Rows(work.record, 0, work.stamps, at, work.row_local[at], version), made)


def latest_refusal(work: Work, number: int) -> str:
    """Why a latest_incremented cannot be applied now; "" where it can."""
    row = work.rows[work.event_local[number]]
    if row["value_type"] == _TEXT:
        return "text-series: the series holds text, to which nothing can be added"
    if row["last"] != ABSENT and not row["flags"] & FLAG_TAIL_KNOWN:
        return "tail-unknown: the latest value is not known to the fold after a late write or a deletion: write it under if_series_version"
    return ""


def entity_refusal(work: Work, number: int) -> str:
    """Why a document cannot be put or deleted now; "" where it can."""
    event, row = work.record.events[number], work.rows[work.event_local[number]]
    assert isinstance(event, EntityPut | EntityDeleted)
    found = int(row["applied"]) if row["flags"] & FLAG_DEFINED else 0
    if event.expected_version is not None and event.expected_version != found:
        return f"entity-version: {event.kind} {event.id} is at version {found}, not {event.expected_version}"
    if isinstance(event, EntityPut):
        return f"entity-there: there is a {event.kind} {event.id} already" if event.if_absent and found else ""
    return "" if found else f"entity-absent: there is no {event.kind} {event.id}"


def _locals(work: Work, number: int) -> list[int]:
    """The series that an event is about by itself, beside its rows."""
    if work.event_local[number] >= 0:
        return [work.event_local[number]]
    if isinstance(work.record.events[number], SeriesRewritten):
        return [int(local) for local in np.unique(work.row_local[work.record.points.event == number])]
    return []


def _apply_to(work: Work, number: int, event: Event, local: int, made: Made) -> None:
    match event:
        case SeriesDefined() | SeriesDescribed():
            made.series.append(_define(work, number, event, local))
        case LatestIncremented():
            _increment_latest(work, number, event, local, made)
        case SeriesDeleted():
            _delete(work, number, event, local, made)
            work.rows["flags"][local] &= ~np.uint32(FLAG_DEFINED)
            version = version_of(work.offset, number)
            made.series.append(series_row(event, work.targets[local], version, int(work.rows["recorded"][local])))
            work.rows["applied"][local] = max(version, int(work.rows["applied"][local]))
        case PointsDeleted() | PurgeRequested() | SeriesRewritten():
            _delete(work, number, event, local, made)
        case EntityPut() | EntityDeleted():
            made.entities.append(_put(work, number, event, local))
        case _:
            raise AssertionError(f"{event.type} is no event of a series or document")


def _put(work: Work, number: int, event: EntityPut | EntityDeleted, local: int) -> dict[str, object]:
    rows, version = work.rows, work.own_version(number)
    rows["recorded"][local] = recorded = max(int(work.stamps[number]), int(rows["recorded"][local]))
    rows["applied"][local] = version
    if isinstance(event, EntityPut):
        rows["flags"][local] |= FLAG_DEFINED
    else:
        rows["flags"][local] &= ~np.uint32(FLAG_DEFINED)
    return entity_row(event, work.targets[local], version, recorded)


def _define(work: Work, number: int, event: SeriesDefined | SeriesDescribed, local: int) -> dict[str, object]:
    row = work.rows[local]
    recorded = max(int(work.stamps[number]), int(row["recorded"]))
    version = version_of(work.offset, number)
    work.rows["recorded"][local] = recorded
    work.rows["applied"][local] = max(version, int(row["applied"]))
    work.rows["flags"][local] |= FLAG_DEFINED
    work.rows["value_type"][local] = VALUE_TYPES[getattr(event, "value_type", None)] or row["value_type"]
    return series_row(event, work.targets[local], version, recorded)


def _delete(work: Work, number: int, event: Deleting, local: int, made: Made) -> None:
    from_, until = getattr(event, "from_", None), getattr(event, "until", None)
    from_, until = EARLIEST if from_ is None else from_, LATEST if until is None else until
    rows, version = work.rows, work.own_version(number)
    recorded = max(int(work.stamps[number]), int(rows["recorded"][local]))
    given = getattr(event, "known_time", None) if isinstance(event, PointsDeleted) else None
    known = max(recorded, int(rows["known"][local])) if given is None else given
    rows["recorded"][local], rows["known"][local] = recorded, max(known, int(rows["known"][local]))
    rows["floor"][local] = max(known, int(rows["floor"][local]))
    rows["applied"][local] = max(version, int(rows["applied"][local]))
    if rows["value_type"][local] != _TEXT:
        made.mark(rows, clear_buckets(rows, local, from_, until))
    last, open_end = int(rows["last"][local]), until == LATEST
    if from_ <= int(rows["first"][local]) and (open_end or last < until):
        _empty(rows, local)
    elif from_ <= last and (open_end or last < until):
        rows["flags"][local] &= ~np.uint32(FLAG_TAIL_KNOWN | FLAG_TAIL_NULL)
    made.deletions.append(deletion_row(event, work.targets[local], version, from_, until, known, recorded))
    if isinstance(event, PurgeRequested):
        made.purges.append(purge_row(event, work.targets[local], version, from_, until, recorded))


def _empty(rows: NDArray[np.void], local: int) -> None:
    """Nothing is left of the series: the next write opens a tail and buckets as the first one did."""
    for name in ("first", "last", "tail_known"):
        rows[name][local] = ABSENT
    rows["flags"][local] &= ~np.uint32(FLAG_TAIL_KNOWN | FLAG_TAIL_NULL)
    for level in LEVELS:
        rows[level][local] = np.zeros((), rows.dtype[level])
        rows[level]["start"][local] = ABSENT


def _increment_latest(work: Work, number: int, event: LatestIncremented, local: int, made: Made) -> None:
    row = work.rows[local]
    there = row["last"] != ABSENT
    latest = float(row["tail_value"]) if there and not row["flags"] & FLAG_TAIL_NULL else 0.0
    recorded = max(int(work.stamps[number]), int(row["recorded"]))
    at = max(recorded, int(row["last"]) + _MS) if there else recorded
    points = make_points(
        work.targets[local : local + 1], np.zeros(1, np.int32), np.array([at], np.int64), np.array([latest + event.amount])
    )
    version = np.array([work.own_version(number)], np.uint64)
    stamps = work.stamps[number : number + 1]
    _apply_rows(work, _Rows(single(event, points), number, stamps, np.zeros(1, np.intp), np.array([local], np.int32), version), made)


@dataclass(frozen=True)
class _Rows:
    """Rows `at` of a record, each with its series and version. first_event: the number of the record's first event among those at hand."""

    record: Record
    first_event: int
    stamps: NDArray[np.int64]
    at: NDArray[np.intp]
    local: NDArray[np.int32]
    version: NDArray[np.uint64]


def _apply_rows(work: Work, given: _Rows, made: Made) -> None:
    rows = work.rows
    if (born := _first_seen(work, given)) is not None:
        made.born.append(born)
    np.maximum.at(rows["applied"], given.local, given.version)
    one = _timed(work, given)
    order = None if bool((one.local[1:] >= one.local[:-1]).all()) else np.argsort(one.local, kind="stable")
    moved = move_tails(rows, _steps(one, order))
    order = np.arange(len(one.at)) if order is None else order
    running = np.empty_like(moved.running)
    running[order] = moved.running
    made.layers.append(one.with_running(running))
    numeric = rows["value_type"] != _TEXT
    late = order[moved.late & numeric[one.local[order]]]
    touched = np.unique(one.local).astype(np.intp)
    late_time = given.record.points.valid_time[one.at[late]]
    cells = moved.closed if numeric.all() else moved.closed.of(numeric)
    closed, marks = move_buckets(rows, touched[numeric[touched]], cells, one.local[late].astype(np.intp), late_time)
    made.closed.extend((level, rows["applied"][level.series]) for level in closed if len(level.series))
    made.mark(rows, marks)


def _first_seen(work: Work, given: _Rows) -> pa.Table | None:
    """A row for each series that nobody defined: made by its first write, with its key and what its values are."""
    found, first = np.unique(given.local, return_index=True)
    new = work.rows["flags"][found] & FLAG_DEFINED == 0
    if not new.any():
        return None
    record = given.record
    made, events = found[new], record.points.event[given.at[first[new]]]
    kinds: list[ValueType] = [getattr(event, "value_type", None) or "number" for event in record.events]
    work.rows["flags"][made] |= FLAG_DEFINED
    work.rows["value_type"][made] = np.array([VALUE_TYPES[kind] for kind in kinds], np.uint32)[events]
    recorded = np.maximum(given.stamps[events], work.rows["recorded"][made])
    version = np.uint64(version_of(work.offset, given.first_event)) + events.astype(np.uint64)
    np.maximum.at(work.rows["applied"], made, version)
    born = Born([work.targets[one] for one in made.tolist()], events, recorded, version)
    return born_table(born, kinds, [event.changed_by or "" for event in record.events], work.state.partition)


def _timed(work: Work, given: _Rows) -> Slice:
    """The rows as layers with their times (I4); increments of one event to one cell combined."""
    record, rows, local = given.record, work.rows, given.local
    event = record.points.event[given.at]
    known_of_event = np.array([_known_of(one) for one in record.events], np.int64)
    known = np.where(record.points.known_time[given.at] != ABSENT, record.points.known_time[given.at], known_of_event[event])
    times = assign_times(event, local, given.stamps, known, rows["recorded"], rows["known"])
    np.maximum.at(rows["recorded"], local, times.recorded)
    np.maximum.at(rows["known"], local, times.highest)
    value = record.points.value[given.at]
    one = Slice(record, work.targets, given.at, event, local, times.recorded, times.known, given.version, value)
    return _combined(one) if one.adds.any() else one


def _combined(one: Slice) -> Slice:
    """Adds of one event to one cell at one known_time become one layer, of the last one's version."""
    adds = np.flatnonzero(one.adds)
    valid_time = one.record.points.valid_time[one.at]
    keys = (adds, one.known[adds], valid_time[adds], one.local[adds], one.event[adds])
    order = adds[np.lexsort(keys)]
    same = np.ones(max(0, len(order) - 1), bool)
    for column in (one.known, valid_time, one.local, one.event):
        same &= column[order[1:]] == column[order[:-1]]
    if not same.any():
        return one
    starts = np.flatnonzero(np.append(True, ~same))
    ends = order[np.append(starts[1:], len(order)) - 1]
    value = one.value.copy()
    value[ends] = np.add.reduceat(one.value[order], starts)
    kept = np.sort(np.concatenate([ends, np.flatnonzero(~one.adds)]))
    return one.chosen(kept, value[kept])


def _steps(one: Slice, order: NDArray[np.intp] | None) -> Steps:
    points: Points = one.record.points
    replaces = one.mask & MASK_VALUE != 0
    valued = points.valued[one.at]
    value = np.where(valued, one.value, 0.0)
    steps = Steps(one.local.astype(np.intp), points.valid_time[one.at], one.known, value, ~valued, replaces & ~one.adds, one.adds)
    return steps if order is None else steps.taken(order)


def _known_of(event: Event) -> int:
    known = getattr(event, "known_time", None) if event.type in ROW_TYPES else None
    return ABSENT if known is None else int(known)
