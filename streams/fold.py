"""The fold: (state of one partition, record, offset) -> (change of the state, layers and rows for the store, refusals).

Pure and vectorized over the rows of a record. The shell decodes before it and emits, remembers and acks after it. Keeps
I3 (positions and event ids guard repetitions), I4 (the log decides order and time), I7 (version = offset << 20 | row).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from streams.event_ids import RecordGuard, SeenId
from streams.fold_tables import layers_table, outcome_row, rollups_table, rows_table, run_row, series_table, stale_table
from streams.points import DELETIONS, ENTITIES, OUTCOMES, PURGES, RUNS, Folded
from streams.segments import Made, Work, apply, entity_refusal, latest_refusal
from streams.state import Change, PartitionState, fresh_rows
from varve.codec import ROW_TYPES, event_key
from varve.columns import Target
from varve.events import EntityDeleted, EntityPut, Event, LatestIncremented, RunOpened, RunSealed
from varve.position import version_of
from varve.record import SLOTTED, Record, Refusal, home_of, refusals


def fold(
    state: PartitionState, record: Record, offset: int, timestamp: int, intake: tuple[int, int] | None = None
) -> tuple[Change, Folded, tuple[Refusal, ...]]:
    """timestamp: the record's own in the log, UTC ns. intake: where the route agent took the record from; repeated ones are passed over."""
    if intake is not None and intake[1] <= state.intake.get(intake[0], -1):
        return *pass_over(state, offset), ()
    refused = refusals(record, timestamp)
    work = _work(state, record, offset, timestamp)
    newest = max(state.newest, min(int(work.stamps.max()), timestamp))  # a producer's clock that is ahead makes no id old
    statuses, seen = _guard(work, {refusal.event: refusal.reason for refusal in refused}, newest)
    made, versions = Made(), dict[int, int]()
    for segment in _segments(record.events):
        _condition(work, segment, statuses, versions)
        apply(work, [number for number in segment if statuses[number][0] == "applied"], made)
    refused += [Refusal(n, "event-id-reused", reason) for n, (status, reason) in enumerate(statuses) if status == "conflict"]
    outcomes = [
        _outcome(work, number, status, reason, versions) for number, (status, reason) in enumerate(statuses) if _tells(work, number)
    ]
    runs = [
        run_row(event, version_of(offset, number), int(work.stamps[number]))
        for number, event in enumerate(record.events)
        if isinstance(event, RunOpened | RunSealed) and statuses[number][0] == "applied"
    ]
    partition, targets = state.partition, work.targets
    tables = {
        "layers": layers_table(made.layers, partition),
        "deletions": rows_table(made.deletions, DELETIONS, partition),
        "stale": stale_table(made.marks, targets, partition),
        "rollups": rollups_table(made.closed, targets, partition),
        "series": series_table(made.series, made.born, partition),
        "runs": rows_table(runs, RUNS, partition),
        "outcomes": rows_table(outcomes, OUTCOMES, partition),
        "purges": rows_table(made.purges, PURGES, partition),
        "entities": rows_table(made.entities, ENTITIES, partition),
    }
    kept = [target for target, ahead in zip(targets, work.ahead.tolist(), strict=True) if not ahead]
    change = Change(offset, tuple(kept), work.rows[~work.ahead], seen, intake, newest)
    applied = tuple(number for number, (status, _) in enumerate(statuses) if status == "applied")
    return change, Folded(offset, {name: table for name, table in tables.items() if table is not None}, applied), tuple(refused)


def pass_over(state: PartitionState, offset: int) -> tuple[Change, Folded]:
    """A record that changes nothing but the position: poison, or a repetition."""
    return Change(offset, newest=state.newest), Folded(offset)


def _work(state: PartitionState, record: Record, offset: int, timestamp: int) -> Work:
    homes = [_home(event) for event in record.events]
    named = [*record.points.targets, *(home for home in homes if home is not None)]
    index: dict[bytes, int] = {}
    local = [index.setdefault(target.ident, len(index)) for target in named]
    targets = tuple(named) if len(index) == len(named) else _each_once(named, index)
    renumber, rest = np.array(local[: len(record.points.targets)], np.int32), iter(local[len(record.points.targets) :])
    event_local = [-1 if home is None else next(rest) for home in homes]
    slots = state.lookup(targets)
    rows = fresh_rows(targets)
    rows[slots >= 0] = state.rows(slots[slots >= 0])
    stamps = np.array([timestamp if event.recorded_time is None else event.recorded_time for event in record.events], np.int64)
    row_local = renumber[record.points.target] if len(record.points) else np.empty(0, np.int32)
    return Work(state, record, offset, stamps, targets, rows, state.ahead(targets, offset), row_local, event_local)


def _home(event: Event) -> Target | None:
    """The series, or the document, that an event is about by itself: a document is folded as a series without points."""
    home = home_of(event) if hasattr(event, "series_id") or isinstance(event, EntityPut | EntityDeleted) else None
    return None if home is None else Target(event.tenant, home, getattr(event, "series", None) or "")


def _each_once(named: Sequence[Target], index: Iterable[bytes]) -> tuple[Target, ...]:
    """In order of the index; by the first name that has a key."""
    first = {target.ident: target for target in reversed(named)}
    keyed = {target.ident: target for target in reversed(named) if target.key}
    return tuple(keyed.get(ident, first[ident]) for ident in index)


def _guard(work: Work, refused: dict[int, str], newest: int) -> tuple[list[tuple[str, str]], tuple[SeenId, ...]]:
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
    """Runs of events that can be applied together; one that looks at what came before, or takes it away, stands alone."""
    segments: list[list[int]] = [[]]
    for number, event in enumerate(events):
        if getattr(event, "if_series_version", None) is None and event.type not in SLOTTED:
            segments[-1].append(number)
        else:
            segments += [[number], []]
    return [segment for segment in segments if segment]


def _condition(work: Work, segment: list[int], statuses: list[tuple[str, str]], versions: dict[int, int]) -> None:
    number = segment[0]
    event = work.record.events[number]
    if statuses[number][0] != "applied":
        return
    reason = ""
    if isinstance(event, LatestIncremented):
        reason = latest_refusal(work, number)
    elif isinstance(event, EntityPut | EntityDeleted):
        reason = entity_refusal(work, number)
    if reason:
        statuses[number], versions[number] = ("refused", reason), int(work.rows["applied"][work.event_local[number]])
        return
    expected = getattr(event, "if_series_version", None)
    if expected is None:
        return
    found = int(work.rows["applied"][work.row_local[work.record.points.event == number][0]])
    if found != expected:
        statuses[number] = ("refused", f"if_series_version: the series is at version {found}, not {expected}")
        versions[number] = found


def _outcome(work: Work, number: int, status: str, reason: str, versions: dict[int, int]) -> dict[str, object]:
    """series_version: the event's own where it was applied, of the one series that it is about; else where that series stood."""
    event, local = work.record.events[number], _single(work, number)
    series_version = versions.get(number, 0 if local is None else int(work.rows["applied"][local]))
    if status == "applied" and local is not None:
        series_version = _own_highest(work, number) or series_version
    return outcome_row(event, version_of(work.offset, number), status, reason, series_version, int(work.stamps[number]))


def _own_highest(work: Work, number: int) -> int:
    """The version of the event's last row, or of the event itself; 0 for one that makes no layer."""
    event, points = work.record.events[number], work.record.points
    if event.type in ROW_TYPES:
        last = int(np.searchsorted(points.event, number, side="right")) - 1
        return version_of(work.offset, last + int(work.slots[number]))
    return work.own_version(number) if event.type in SLOTTED else 0


def _tells(work: Work, number: int) -> bool:
    """Keyed events tell their outcome; one whose series already holds this record told it before the crash."""
    event, local = work.record.events[number], _single(work, number)
    return event.event_id is not None and not (local is not None and bool(work.ahead[local]))


def _single(work: Work, number: int) -> int | None:
    """The one series that the event is about, where it is one."""
    if work.event_local[number] >= 0:
        return work.event_local[number]
    if work.record.events[number].type not in ROW_TYPES:
        return None
    named = np.unique(work.row_local[work.record.points.event == number])
    return int(named[0]) if len(named) == 1 else None
