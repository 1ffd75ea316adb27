"""The fold: (state of one partition, record, offset) -> (change of the state, layers and rows for the store, refusals).

Pure and vectorized over the rows of a record. The shell decodes before it and emits, remembers and acks after it. Keeps
I3 (positions and event ids guard repetitions), I4 (the log decides order and time), I7 (version = offset << 20 | row).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.event_ids import RecordGuard, SeenId
from streams.fold_tables import (
    Born,
    Slice,
    born_table,
    layers_table,
    outcome_row,
    outcomes_table,
    run_row,
    runs_table,
    series_row,
    series_table,
)
from streams.fold_times import assign_times
from streams.points import Folded
from streams.state import FLAG_DEFINED, Change, PartitionState, fresh_rows
from varve.codec import ROW_TYPES, event_key
from varve.columns import Target
from varve.events import Event, RunOpened, RunSealed, SeriesDefined, SeriesDescribed, ValueType
from varve.instants import ABSENT, LATEST
from varve.position import version_of
from varve.record import Record, Refusal, home_of, refusals

VALUE_TYPES: dict[ValueType | None, int] = {None: 0, "number": 1, "bool": 2, "text": 3}


@dataclass(frozen=True)
class _Work:
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


@dataclass(frozen=True)
class _Made:
    """What the segments gave so far."""

    layers: list[Slice] = field(default_factory=list)
    series: list[dict[str, object]] = field(default_factory=list)
    born: list[pa.Table] = field(default_factory=list)


def fold(
    state: PartitionState, record: Record, offset: int, timestamp: int, intake: tuple[int, int] | None = None
) -> tuple[Change, Folded, tuple[Refusal, ...]]:
    """timestamp: the record's own in the log, UTC ns. intake: where the route agent took the record from; repeated ones are passed over."""
    if intake is not None and intake[1] <= state.intake.get(intake[0], -1):
        return *pass_over(state, offset), ()
    refused = refusals(record, timestamp)
    work = _work(state, record, offset, timestamp)
    newest = max(state.newest, int(work.stamps.max()))
    statuses, seen = _guard(work, {refusal.event: refusal.reason for refusal in refused}, newest)
    made = _Made()
    for segment in _segments(record.events):
        _condition(work, segment, statuses)
        _apply(work, [number for number in segment if statuses[number][0] == "applied"], made)
    refused += [Refusal(n, "event-id-reused", reason) for n, (status, reason) in enumerate(statuses) if status == "conflict"]
    outcomes = [_outcome(work, number, status, reason) for number, (status, reason) in enumerate(statuses) if _tells(work, number)]
    runs = [
        run_row(event, version_of(offset, number), int(work.stamps[number]))
        for number, event in enumerate(record.events)
        if isinstance(event, RunOpened | RunSealed) and statuses[number][0] == "applied"
    ]
    tables = {
        "layers": layers_table(made.layers, state.partition),
        "series": series_table(made.series, made.born, state.partition),
        "runs": runs_table(runs, state.partition),
        "outcomes": outcomes_table(outcomes, state.partition),
    }
    kept = np.flatnonzero(~work.ahead)
    change = Change(offset, tuple(work.targets[at] for at in kept), work.rows[kept], seen, intake, newest)
    return change, Folded(offset, {name: table for name, table in tables.items() if table is not None}), tuple(refused)


def pass_over(state: PartitionState, offset: int) -> tuple[Change, Folded]:
    """A record that changes nothing but the position: poison, or a repetition."""
    return Change(offset, newest=state.newest), Folded(offset)


def _work(state: PartitionState, record: Record, offset: int, timestamp: int) -> _Work:
    targets: list[Target] = []
    index: dict[bytes, int] = {}

    def local(target: Target) -> int:
        at = index.setdefault(target.ident, len(targets))
        if at == len(targets):
            targets.append(target)
        elif target.key and not targets[at].key:
            targets[at] = target
        return at

    renumber = np.array([local(target) for target in record.points.targets], np.int32)
    event_local = [_event_local(event, local) for event in record.events]
    slots = state.lookup(targets)
    rows = fresh_rows(targets)
    rows[slots >= 0] = state.rows(slots[slots >= 0])
    stamps = np.array([timestamp if event.recorded_time is None else event.recorded_time for event in record.events], np.int64)
    row_local = renumber[record.points.target] if len(record.points) else np.empty(0, np.int32)
    return _Work(state, record, offset, stamps, tuple(targets), rows, state.ahead(targets, offset), row_local, event_local)


def _event_local(event: Event, local: Callable[[Target], int]) -> int:
    if not isinstance(event, SeriesDefined | SeriesDescribed):
        return -1
    home = home_of(event)
    return -1 if home is None else local(Target(event.tenant, home, event.series or ""))


def _guard(work: _Work, refused: dict[int, str], newest: int) -> tuple[list[tuple[str, str]], tuple[SeenId, ...]]:
    """(status, reason) of each event before its condition is looked at, and the ids seen now."""
    statuses, guard = [], RecordGuard(work.state.event_ids, newest)
    for number, event in enumerate(work.record.events):
        if number in refused:
            statuses.append(("refused", refused[number]))
            continue
        status = "applied"
        if event.event_id is not None:
            found = guard.status(event_key(event.tenant, event.event_id), event.body_hash)
            status = "applied" if found == "new" else found
        statuses.append((status, "another body came with this event_id" if status == "conflict" else ""))
    return statuses, tuple(guard.seen.values())


def _segments(events: Sequence[Event]) -> list[list[int]]:
    """Runs of events that can be applied together; one with a condition stands alone, since it looks at what came before."""
    segments: list[list[int]] = [[]]
    for number, event in enumerate(events):
        if getattr(event, "if_series_version", None) is None:
            segments[-1].append(number)
        else:
            segments += [[number], []]
    return [segment for segment in segments if segment]


def _condition(work: _Work, segment: list[int], statuses: list[tuple[str, str]]) -> None:
    expected = getattr(work.record.events[segment[0]], "if_series_version", None)
    if expected is None or statuses[segment[0]][0] != "applied":
        return
    local = work.row_local[work.record.points.event == segment[0]][0]
    found = int(work.rows["applied"][local])
    if found != expected:
        statuses[segment[0]] = ("refused", f"if_series_version: the series is at version {found}, not {expected}")


def _apply(work: _Work, numbers: list[int], made: _Made) -> None:
    """One segment: series events in their order, then all rows at once; work.rows is brought forward."""
    for number in numbers:
        local = work.event_local[number]
        if local >= 0 and not work.ahead[local]:
            made.series.append(_define(work, number, local))
    points = work.record.points
    if not len(points) or not numbers:
        return
    chosen = ~work.ahead[work.row_local]
    if len(numbers) < len(work.record.events):
        chosen &= np.isin(points.event, np.array(numbers, np.int32))
    at = np.flatnonzero(chosen)
    if len(at):
        if (born := _first_seen(work, at)) is not None:
            made.born.append(born)
        made.layers.append(_layers(work, at))


def _define(work: _Work, number: int, local: int) -> dict[str, object]:
    event, row = work.record.events[number], work.rows[local]
    recorded = max(int(work.stamps[number]), int(row["recorded"]))
    version = version_of(work.offset, number)
    work.rows["recorded"][local] = recorded
    work.rows["applied"][local] = max(version, int(row["applied"]))
    work.rows["flags"][local] |= FLAG_DEFINED
    work.rows["value_type"][local] = VALUE_TYPES[getattr(event, "value_type", None)] or row["value_type"]
    assert isinstance(event, SeriesDefined | SeriesDescribed)
    return series_row(event, work.targets[local], version, recorded)


def _first_seen(work: _Work, at: NDArray[np.intp]) -> pa.Table | None:
    """A row for each series that nobody defined: made by its first write, with its key and what its values are."""
    found, first = np.unique(work.row_local[at], return_index=True)
    new = work.rows["flags"][found] & FLAG_DEFINED == 0
    if not new.any():
        return None
    local, events = found[new], work.record.points.event[at[first[new]]]
    kinds: list[ValueType] = [getattr(event, "value_type", None) or "number" for event in work.record.events]
    work.rows["flags"][local] |= FLAG_DEFINED
    work.rows["value_type"][local] = np.array([VALUE_TYPES[kind] for kind in kinds], np.uint32)[events]
    recorded = np.maximum(work.stamps[events], work.rows["recorded"][local])
    version = np.uint64(version_of(work.offset)) + events.astype(np.uint64)
    born = Born([work.targets[one] for one in local.tolist()], events, recorded, version)
    return born_table(born, kinds, [event.changed_by or "" for event in work.record.events], work.state.partition)


def _layers(work: _Work, at: NDArray[np.intp]) -> Slice:
    points, rows = work.record.points, work.rows
    event, local = points.event[at], work.row_local[at]
    known_of_event = np.array([_known_of(one) for one in work.record.events], np.int64)
    given = np.where(points.known_time[at] != ABSENT, points.known_time[at], known_of_event[event])
    times = assign_times(event, local, work.stamps, given, rows["recorded"], rows["known"])
    np.maximum.at(rows["recorded"], local, times.recorded)
    np.maximum.at(rows["known"], local, times.highest)
    version = np.uint64(version_of(work.offset)) + at.astype(np.uint64)
    np.maximum.at(rows["applied"], local, version)
    valid_time = points.valid_time[at]
    rows["first"] = np.where(rows["first"] == ABSENT, LATEST, rows["first"])
    np.minimum.at(rows["first"], local, valid_time)
    rows["first"] = np.where(rows["first"] == LATEST, ABSENT, rows["first"])
    np.maximum.at(rows["last"], local, valid_time)
    return Slice(work.record, work.targets, at, event, local, times.recorded, times.known, version)


def _known_of(event: Event) -> int:
    known = getattr(event, "known_time", None) if event.type in ROW_TYPES else None
    return ABSENT if known is None else int(known)


def _outcome(work: _Work, number: int, status: str, reason: str) -> dict[str, object]:
    event = work.record.events[number]
    local = _single(work, number)
    series_version = 0 if local is None else int(work.rows["applied"][local])
    return outcome_row(event, version_of(work.offset, number), status, reason, series_version, int(work.stamps[number]))


def _tells(work: _Work, number: int) -> bool:
    """Keyed events tell their outcome; one whose series already holds this record told it before the crash."""
    event, local = work.record.events[number], _single(work, number)
    return event.event_id is not None and not (local is not None and bool(work.ahead[local]))


def _single(work: _Work, number: int) -> int | None:
    """The one series that the event is about, where it is one."""
    if work.event_local[number] >= 0:
        return work.event_local[number]
    if work.record.events[number].type not in ROW_TYPES:
        return None
    named = np.unique(work.row_local[work.record.points.event == number])
    return int(named[0]) if len(named) == 1 else None
