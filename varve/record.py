"""A decoded record: its events and the rows of all of them. Doors and producers make it, the route agent splits it by
partition, the fold applies it. Pure; refusals happen here, before a record is split (all or nothing).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from varve.columns import Points, Target, concat_points, no_points
from varve.errors import ROWS_LISTED_MAX, BadRow
from varve.events import (
    KNOWN_AHEAD_NS_MAX,
    EntityDeleted,
    EntityPut,
    Event,
    PointsDeleted,
    PointsIncremented,
    PointsUpdated,
    PointsWritten,
    PurgeRequested,
    RunOpened,
    RunSealed,
    SeriesRewritten,
)
from varve.series import entity_id, partitions_of, series_id

# Events that make a layer, a deletion or a document's version of their own.
SLOTTED = frozenset(
    {"latest_incremented", "points_deleted", "series_rewritten", "series_deleted", "purge_requested", "entity_put", "entity_deleted"}
)


DEPTH_MAX = 200  # of a document: what writes JSON gives up somewhat later


@dataclass(frozen=True)
class Record:
    events: tuple[Event, ...]
    points: Points


@dataclass(frozen=True)
class Refusal:
    """Why one event of a record cannot be applied; rows where single rows are at fault."""

    event: int
    code: str
    reason: str
    rows: tuple[BadRow, ...] = ()


def single(event: Event, points: Points | None = None) -> Record:
    return Record((event,), no_points() if points is None else points)


def joined(records: Sequence[Record]) -> Record:
    """One record that holds the events of all, in order: how concurrent small writes share a record."""
    bases = np.cumsum([0, *(len(record.events) for record in records)]).tolist()
    events = tuple(event for record in records for event in record.events)
    return Record(events, concat_points([record.points for record in records], bases[:-1]))


def home_of(event: Event) -> uuid.UUID | None:
    """The id whose partition an event without rows belongs to; None for events that live where their rows do."""
    match event:
        case RunOpened() | RunSealed():
            return event.run_id
        case EntityPut() | EntityDeleted():
            return entity_id(event.tenant, event.kind, event.id)
        case PointsWritten() | PointsIncremented() | PointsUpdated() | SeriesRewritten():
            return None
        case _:
            return event.series_id or (series_id(event.tenant, event.series) if event.series else None)


def refusals(record: Record, timestamp: int) -> list[Refusal]:
    """What doors, the route agent and the fold all refuse. timestamp: nanoseconds, the stamp of events that carry none."""
    found = []
    for number, event in enumerate(record.events):
        if hasattr(event, "series_id") and home_of(event) is None:
            found.append(Refusal(number, "series-missing", f"{event.type} names no series: give series (its key) or series_id"))
        elif (known := getattr(event, "known_time", None)) is not None and known > _latest_known(event, timestamp):
            reason = "known_time lies more than 60 s in the future: send when the values were known"
            found.append(Refusal(number, "known-time-ahead", reason))
        elif isinstance(event, PointsDeleted | PurgeRequested) and not _forwards(event):
            found.append(Refusal(number, "range-backwards", f"{event.type}: until does not lie after from: nothing lies between them"))
        elif nests_deeper(getattr(event, "document", getattr(event, "params", None)), DEPTH_MAX):
            found.append(Refusal(number, "too-deep", f"{event.type}: the JSON is nested deeper than {DEPTH_MAX} levels"))
    return found + _rows_ahead(record, timestamp) + _conditions_spread(record) + _not_numbers(record)


def split(record: Record, partitions: int) -> dict[int, Record]:
    """The record's part for each partition that it touches; events keep their order, each part holds those that matter to it."""
    points = record.points
    of_target = partitions_of([target.series_id for target in points.targets], partitions)
    row_partition = of_target[points.target] if len(points) else of_target
    homes = [home_of(event) for event in record.events]
    found = partitions_of([home for home in homes if home is not None], partitions).tolist()
    home_partition = [found.pop(0) if home is not None else None for home in homes]
    touched = sorted({*np.unique(row_partition).tolist(), *(home for home in home_partition if home is not None)})
    if len(touched) == 1:
        return {touched[0]: record}
    return {partition: _part(record, row_partition == partition, home_partition, partition) for partition in touched}


def _part(record: Record, rows: np.ndarray[tuple[int], np.dtype[np.bool_]], homes: list[int | None], partition: int) -> Record:
    points = record.points.take(rows).compact()
    kept = sorted({*np.unique(points.event).tolist(), *(number for number, home in enumerate(homes) if home == partition)})
    renumber = np.zeros(len(record.events), np.int32)
    renumber[kept] = np.arange(len(kept), dtype=np.int32)
    events = tuple(record.events[number] for number in kept)
    renumbered = Points(**{**vars(points), "event": renumber[points.event]})
    return Record(events, renumbered)


def stamped(record: Record, timestamp: int) -> Record:
    """The record with recorded_time filled in where no door has stamped it."""
    events = tuple(e if e.recorded_time is not None else e.model_copy(update={"recorded_time": timestamp}) for e in record.events)
    return Record(events, record.points)


def targets_of(record: Record) -> tuple[Target, ...]:
    """Every series that the record names, by rows or by events."""
    named = [event for event in record.events if hasattr(event, "series_id")]
    targets = [Target(event.tenant, home, getattr(event, "series", None) or "") for event in named if (home := home_of(event))]
    return (*record.points.targets, *targets)


def slots_before(record: Record) -> NDArray[np.int64]:
    """int64[events]: how many numbers events up to here take beside the rows', so that a deletion's or a latest increment's own version
    lies between those of the rows before and after it; an event's own slot comes before its rows."""
    return np.cumsum([event.type in SLOTTED for event in record.events]).astype(np.int64)


def nests_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner for one in level for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()) if inner
        ]  # fmt: skip
        if not level:
            return False
    return True


def _forwards(event: PointsDeleted | PurgeRequested) -> bool:
    return event.from_ is None or event.until is None or event.from_ < event.until


def _not_numbers(record: Record) -> list[Refusal]:
    """Increments add numbers; a null amount means nothing."""
    found, points = [], record.points
    for number, event in enumerate(record.events):
        if isinstance(event, PointsIncremented):
            rows = np.flatnonzero(points.event == number)
            nulls = rows[~points.valued[rows]]
            if len(nulls) or event.value_type not in (None, "number"):
                bad = tuple(BadRow(int(row - rows[0]), "value", "is not a number to add") for row in nulls[:ROWS_LISTED_MAX])
                found.append(Refusal(number, "increment-not-number", "an increment adds a number to each of its cells", bad))
    return found


def _latest_known(event: Event, timestamp: int) -> int:
    return int(event.recorded_time if event.recorded_time is not None else timestamp) + KNOWN_AHEAD_NS_MAX


def _rows_ahead(record: Record, timestamp: int) -> list[Refusal]:
    points = record.points
    if not len(points) or int(points.known_time.max()) <= min(_latest_known(event, timestamp) for event in record.events):
        return []
    latest = np.array([_latest_known(event, timestamp) for event in record.events], np.int64)
    ahead = np.flatnonzero(points.known_time > latest[points.event])
    found = []
    for number in np.unique(points.event[ahead]).tolist():
        first = int(np.flatnonzero(points.event == number)[0])
        rows = ahead[points.event[ahead] == number][:ROWS_LISTED_MAX]
        bad = tuple(BadRow(int(row) - first, "known_time", "lies more than 60 s in the future") for row in rows)
        found.append(Refusal(number, "known-time-ahead", f"{len(bad)} row(s) have a known_time more than 60 s in the future", bad))
    return found


def _conditions_spread(record: Record) -> list[Refusal]:
    found = []
    for number, event in enumerate(record.events):
        if getattr(event, "if_series_version", None) is not None:
            of_rows = np.unique(record.points.target[record.points.event == number]).tolist()
            named = {record.points.targets[at].series_id for at in of_rows}
            if len(named) != 1:
                found.append(Refusal(number, "condition-spread", f"if_series_version holds for one series; this event has {len(named)}"))
    return found
