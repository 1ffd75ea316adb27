"""What the rows of `outcomes` say about a keyed request. Pure.

Before: outcomes.py read the rows. After: the writer answers as the first time, or refuses (I3).
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from varve.codec import event_key
from varve.errors import Conflict
from varve.position import offset_of

EventKey = tuple[uuid.UUID, str]  # tenant, event_id


@dataclass(frozen=True)
class OutcomeRow:
    key: bytes
    partition: int
    version: int
    status: str
    body_hash: str
    reason: str
    series_version: int = 0


@dataclass(frozen=True)
class Verdict:
    """first_offset: where the event was applied; -1 where it never was. Set aside: visible without an outcome, so a dead letter.
    series_version: of the event's series right after it was applied; 0 where it has several or none."""

    status: str
    first_offset: int
    reason: str
    series_version: int = 0


def answered(rows: Iterable[OutcomeRow], expected: Mapping[EventKey, set[int]], body_hash: str | None) -> dict[int, int] | None:
    """Offsets at which every part was applied before; None where some part was not (it is safe to append again).
    Conflict where the same key came with another body."""
    applied = {(row.key, row.partition): row for row in rows if row.status == "applied"}
    offsets: dict[int, int] = {}
    complete = True
    for (tenant, event_id), partitions in expected.items():
        for partition in partitions:
            row = applied.get((event_key(tenant, event_id), partition))
            if row is None:
                complete = False
            elif body_hash and row.body_hash and row.body_hash != body_hash:
                raise Conflict(
                    "idempotency-key-reused", "this Idempotency-Key was used for another body: send a new key with a new request"
                )
            else:
                offsets[partition] = max(offset_of(row.version), offsets.get(partition, -1))
    return offsets if complete else None


def applied_places(applied: Iterable[OutcomeRow]) -> dict[int, int]:
    """By partition, where the last of these was applied."""
    return {row.partition: offset_of(row.version) for row in sorted(applied, key=lambda row: (row.partition, row.version))}


def verdict_of(rows: Iterable[OutcomeRow], event: EventKey, partition: int, offset: int) -> Verdict:
    """What became of the attempt at this offset."""
    key = event_key(*event)
    ours = [row for row in rows if row.key == key and row.partition == partition]
    applied = min((row for row in ours if row.status == "applied"), key=lambda row: row.version, default=None)
    first, after = (-1, 0) if applied is None else (offset_of(applied.version), applied.series_version)
    attempt = [row for row in ours if offset_of(row.version) == offset]
    # one record may hold the same key twice: what failed counts before what was repeated
    order = ("applied", "conflict", "refused", "duplicate")
    chosen = min(attempt, key=lambda row: order.index(row.status) if row.status in order else len(order), default=None)
    if chosen is None:
        return Verdict("duplicate", first, "", after) if first >= 0 else Verdict("set aside", -1, "")
    if chosen.status == "duplicate" and first < 0:
        # of an event that was refused: a repetition gets the answer of the first time
        chosen = min((row for row in ours if row.status == "refused"), key=lambda row: row.version, default=chosen)
    return Verdict(chosen.status, first if first >= 0 else offset, chosen.reason, after)


def version_after(rows: Iterable[OutcomeRow], expected: Mapping[EventKey, set[int]]) -> int:
    """The version of the series right after the applied events; 0 where they are of several series."""
    keys = {event_key(*event) for event in expected}
    found = {row.series_version for row in rows if row.status == "applied" and row.key in keys}
    return found.pop() if len(found) == 1 else 0
