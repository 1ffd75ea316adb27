"""Cuts a record that is too large into pieces of one partition each. Pure and deterministic: the same upload is cut the
same way again, so that its pieces keep their event ids (I3).

Before: the writer found the record too large. After: spool.py writes and appends the pieces.
"""

import uuid
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from varve.errors import Incorrect
from varve.position import ROWS_PER_RECORD_MAX
from varve.record import Record, home_of
from varve.series import derived_id, partition_of, partitions_of


@dataclass(frozen=True)
class Piece:
    """events: numbers of the record's events that have a part here; first: how many event parts the pieces before hold."""

    partition: int
    rows: NDArray[np.intp]
    events: tuple[int, ...]
    first: int

    def ids(self, event_id: str) -> list[str]:
        return [derived_id(event_id, self.first + at) for at in range(len(self.events))]


def plan(record: Record, partitions: int, bytes_max: int, bytes_all: int) -> list[Piece]:
    if any(getattr(event, "if_series_version", None) is not None for event in record.events):
        raise Incorrect("condition-too-large", "if_series_version holds for one record: this upload is larger than one; send less at once")
    if any(event.type == "series_rewritten" for event in record.events):
        words = "a rewrite clears and writes in one record, and this is larger than one: delete the points, then write in parts"
        raise Incorrect("rewrite-too-large", words)
    points = record.points
    rows_max = max(1, min(ROWS_PER_RECORD_MAX, len(points) * bytes_max // max(1, bytes_all)))
    of_target = partitions_of([target.series_id for target in points.targets], partitions)
    of_row = of_target[points.target]
    homes: dict[int, set[int]] = {}
    for number, event in enumerate(record.events):
        if (home := home_of(event)) is not None:
            homes.setdefault(partition_of(home, partitions), set()).add(number)
    pieces: list[Piece] = []
    first = 0
    for partition in sorted({*np.unique(of_row).tolist(), *homes}):
        rows = np.flatnonzero(of_row == partition)
        alone = homes.get(partition, set())
        for at in range(0, max(1, len(rows)), rows_max):
            chosen = rows[at : at + rows_max]
            events = tuple(sorted({*np.unique(points.event[chosen]).tolist(), *alone}))
            pieces.append(Piece(partition, chosen, events, first))
            first, alone = first + len(events), set()
    return pieces


def piece_record(record: Record, piece: Piece, event_id: str) -> Record:
    events = tuple(
        record.events[number].model_copy(update={"event_id": ident})
        for number, ident in zip(piece.events, piece.ids(event_id), strict=True)
    )
    points = record.points.take(piece.rows).compact()
    renumber = np.zeros(len(record.events), np.int32)
    renumber[list(piece.events)] = np.arange(len(piece.events), dtype=np.int32)
    return Record(events, replace(points, event=renumber[points.event]))


def expected_of(record: Record, pieces: list[Piece], event_id: str) -> dict[tuple[uuid.UUID, str], set[int]]:
    """The event parts and the partition in which each has an outcome once it was applied."""
    return {
        (record.events[number].tenant, ident): {piece.partition}
        for piece in pieces
        for number, ident in zip(piece.events, piece.ids(event_id), strict=True)
    }
