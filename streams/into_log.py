"""Fills a log of another partition count from one that is there: what the fold applied, in its order within each series, and nothing else
(I2). What was decided stays decided: refused and repeated events are left out, conditions and event ids are taken off, since the new
log's versions are others.

Before: `varve replay --into-log`. After: whoever folds the new log. Each part carries the former position as its intake position, so
that what is copied twice is folded once (I3).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from streams.fold import fold, pass_over
from streams.log import Appended, Headers, Log, LogRecord
from streams.lost_records import refuse_headless
from streams.read_whole import read_between, read_whole
from streams.router import kept
from streams.shell import intake_of
from streams.state import Change, PartitionState
from streams.together import together
from streams.topics import Topics
from varve.codec import ARROW, decode, encode
from varve.errors import Conflict, Fault
from varve.record import Record, split, stamped

COPIED = 2_000_000  # added to the former partition's number: no intake partition has such a one
_FROM = "copied-from"  # header: the id of the former log
_IN_FLIGHT_RECORDS, _IN_FLIGHT_BYTES_MAX = 64, 32 << 20
_RECORDS_AT_ONCE = 50
Told = Callable[[int], None]  # so many records more


@dataclass(frozen=True)
class Place:
    log: Log
    topics: Topics


async def copied(source: Log, target: Place) -> dict[int, int]:
    """By partition of the former log, the highest offset of which the new one holds a part; refuses a log that holds anything else."""
    found: dict[int, int] = {}
    async for record in read_whole(target.log, target.topics.events):
        partition, _, offset = (record.header("intake") or "").partition("-")
        if record.header(_FROM) != source.log_id or not partition.isdigit() or int(partition) < COPIED:
            words = f"{target.topics.events} holds records that were not copied from this log: choose another name, or serve what is there"
            raise Conflict("log-not-empty", words)
        found[int(partition) - COPIED] = max(int(offset), found.get(int(partition) - COPIED, -1))
    return found


async def copy(source: Place, target: Place, before: Mapping[int, int], until: Mapping[int, int], told: Told) -> int:
    """Everything below `until`; `before` as copied() tells it. Cut short, it goes on when called again. How many records were copied that
    had not been before: what the fold did not apply is none."""
    await refuse_headless(source.log, source.topics.events)
    lanes = [_Lane(source, target, partition, before.get(partition, -1), told) for partition in range(source.topics.partitions)]
    await together(lane.run(until[lane.partition]) for lane in lanes)
    return sum(lane.new for lane in lanes)


@dataclass
class _Lane:
    """One partition of the former log, folded from its start: the state decides what was applied. before: nothing that lies further
    below it than what can have been in flight is appended again."""

    source: Place
    target: Place
    partition: int
    before: int
    told: Told
    in_flight: deque[tuple[Awaitable[object], int, int]] = field(default_factory=deque)  # with its bytes and offset
    size: int = 0
    new: int = 0

    async def run(self, until: int) -> None:
        state, topic = PartitionState(self.partition), self.source.topics.events
        async for batch in read_between(self.source.log, topic, {self.partition: 0}, {self.partition: until}, _RECORDS_AT_ONCE):
            for record in batch:
                if record.offset > state.applied + 1:
                    raise Fault("log-gap", f"{record.topic} partition {self.partition} lacks record {state.applied + 1}: it is damaged")
                parts = await asyncio.to_thread(self._parts, state, record)
                for partition, value in parts.items():
                    await self._append(partition, value, record.offset)
                self.new += bool(parts) and record.offset > self.before
            self.told(len(batch))
        while self.in_flight:
            await self._settled()

    def _parts(self, state: PartitionState, record: LogRecord) -> dict[int, bytes]:
        """By partition of the new log."""
        change, applied = _applied(state, record)
        state.take(change)
        if applied is None or record.offset <= self.before - _IN_FLIGHT_RECORDS:
            return {}
        return {partition: encode(part) for partition, part in split(applied, self.target.topics.partitions).items()}

    async def _append(self, partition: int, value: bytes, offset: int) -> None:
        while self.in_flight and (self.in_flight[0][2] <= offset - _IN_FLIGHT_RECORDS or self.size > _IN_FLIGHT_BYTES_MAX):
            await self._settled()
        position = b"%d-%d" % (self.partition + COPIED, offset)
        headers: Headers = (("content-type", ARROW.encode()), ("intake", position), (_FROM, self.source.log.log_id.encode()))
        appending: asyncio.Future[Appended] = asyncio.ensure_future(
            self.target.log.append(self.target.topics.events, partition, value, headers=headers)
        )
        self.in_flight.append((appending, len(value), offset))
        self.size += len(value)

    async def _settled(self) -> None:
        appending, size, _ = self.in_flight.popleft()
        await appending
        self.size -= size


def _applied(state: PartitionState, record: LogRecord) -> tuple[Change, Record | None]:
    """None where nothing was: poison, repetitions, refusals. What was not stamped has its record's time (I4)."""
    try:
        decoded = decode(record.value, record.header("content-type"))
        change, folded, _ = fold(state, decoded, record.offset, record.stored, intake_of(record))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a dead letter, as it was when it was folded first (I6)
        return pass_over(state, record.offset)[0], None
    if not folded.applied:
        return change, None
    return change, _decided(kept(stamped(decoded, record.stored), list(folded.applied)))


def _decided(record: Record) -> Record:
    """Two parts of one event, which may come to lie in one partition, would be taken for repetitions by its id."""
    free = {"event_id": None, "body_hash": None, "if_series_version": None, "expected_version": None, "if_absent": False}
    events = tuple(one.model_copy(update={name: free[name] for name in free if hasattr(one, name)}) for one in record.events)
    return Record(events, record.points)
