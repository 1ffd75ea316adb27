"""The fold's shell: takes the records of one partition of varve.events in order, folds, emits, remembers (I3, I5, I6, I11).

Before: streams/agents.py hands over records and owns the acks. After: points on the log, state in the changelog.
It knows neither Faust nor Kafka: emit, remember and refuse are given, so that a simulation can crash between any two.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.dead_letters import Letter, letter_of
from streams.fold import fold, pass_over
from streams.log import LogRecord
from streams.points import PointsRecord, encode_points
from streams.state import Change, PartitionState
from varve.codec import decode
from varve.errors import Fault, VarveError
from varve.record import Refusal

Emit = Callable[[PointsRecord], Awaitable[object]]
Remember = Callable[[bytes, bytes], Awaitable[object]]
Refuse = Callable[[Letter], Awaitable[object]]

IN_FLIGHT_MAX = 512
INLINE_BYTES_MAX = 1 << 18
IN_FLIGHT_BYTES_MAX = 48 * 1024 * 1024
_say = logging.getLogger("varve.fold")


@dataclass(frozen=True)
class Jump:
    """Records from `expected` to before `got` were never handed over: a fault of the carrier, since offsets are contiguous."""

    expected: int
    got: int


Step = Literal["applied", "skipped"] | Jump


class FoldShell:
    """Order of work, for each record and then for each flush; every line is awaited before the next one that depends on it:

    1. an offset that is not above the applied one is skipped; one that jumps ahead changes nothing and is reported;
    2. decode; what cannot be decoded becomes a dead letter and is passed over;
    3. fold; refused events become dead letters, before the record's position is closed;
    4. emit the points: handed over in order, the last of them closes the position; the state takes the change;
    flush:
    5. all points handed over so far are stored;
    6. the touched shards are remembered, in any order;
    7. the partition's own record is remembered;
    8. the caller may ack up to the returned offset.
    """

    def __init__(self, state: PartitionState, emit: Emit, remember: Remember, refuse: Refuse) -> None:
        self.state = state
        self._emit, self._remember, self._refuse = emit, remember, refuse
        self._in_flight: deque[tuple[Awaitable[object], int]] = deque()
        self._bytes = 0
        self._stepping, self._flushing = asyncio.Lock(), asyncio.Lock()
        self._remembered = state.applied

    @property
    def applied(self) -> int:
        return self.state.applied

    @property
    def dirty(self) -> bool:
        return self.state.applied > self._remembered

    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step:
        """over_gap: the caller has looked and found nothing in between, which cannot be on a log that keeps every record."""
        async with self._stepping:
            if record.offset <= self.state.applied:
                return "skipped"
            if record.offset > self.state.applied + 1:
                if over_gap:
                    raise _hole(record, self.state.applied + 1)
                return Jump(self.state.applied + 1, record.offset)
            change, emitted = await self._fold(record)
            for points in emitted:
                await self._hand_over(points)
            self.state.take(change)
            return "applied"

    async def flush(self) -> int:
        """Offset up to which records may be acked."""
        async with self._flushing:
            async with self._stepping:  # what is written below is one moment of the state
                applied, handed_over = self.state.applied, [waiting for waiting, _ in self._in_flight]
                if applied == self._remembered:
                    return applied
                self._in_flight.clear()
                self._bytes = 0
                *shards, own = self.state.flush()
            for waiting in handed_over:
                await waiting
            await asyncio.gather(*(self._remember(key, value) for key, value in shards))
            await self._remember(*own)
            self._remembered = applied
            return applied

    async def _fold(self, record: LogRecord) -> tuple[Change, list[PointsRecord]]:
        try:
            if len(record.value) < INLINE_BYTES_MAX:
                change, emitted, refused = self._made_of(record)
            else:  # seconds, at worst: the loop must go on, or the stall guard takes the work for sleep
                change, emitted, refused = await asyncio.to_thread(self._made_of, record)
        except VarveError as error:
            await self._refuse(letter_of(record, error.code, error.message))
            return self._passed_over(record)
        except MemoryError:
            raise  # not the record's fault
        except Exception as error:  # noqa: BLE001 - one record must not stop the log (I6); it is kept, with what it caused
            _say.exception("record %s %d-%d could not be folded: now a dead letter", record.topic, record.partition, record.offset)
            await self._refuse(letter_of(record, "fold-failed", f"{type(error).__name__}: {error}"))
            return self._passed_over(record)
        for refusal in refused:
            await self._refuse(letter_of(record, refusal.code, _words(refusal)))
        return change, emitted

    def _made_of(self, record: LogRecord) -> tuple[Change, list[PointsRecord], Sequence[Refusal]]:
        decoded = decode(record.value, record.header("content-type"))
        change, folded, refused = fold(self.state, decoded, record.offset, record.stored, intake_of(record))
        return change, encode_points(folded), refused

    def _passed_over(self, record: LogRecord) -> tuple[Change, list[PointsRecord]]:
        change, folded = pass_over(self.state, record.offset)
        return change, encode_points(folded)

    async def _hand_over(self, points: PointsRecord) -> None:
        while len(self._in_flight) >= IN_FLIGHT_MAX or self._bytes > IN_FLIGHT_BYTES_MAX:
            waiting, size = self._in_flight.popleft()
            await waiting
            self._bytes -= size
        self._in_flight.append((self._emit(points), len(points.value)))
        self._bytes += len(points.value)


def _hole(record: LogRecord, expected: int) -> Fault:
    return Fault(
        "log-gap",
        f"{record.topic} partition {record.partition} lacks the records {expected} to {record.offset - 1}: the log is damaged; restore "
        "the broker's files from a copy",
    )


def intake_of(record: LogRecord) -> tuple[int, int] | None:
    """Where the route agent took the record from; a header that is not ours says nothing."""
    given = record.header("intake")
    if given is None:
        return None
    partition, _, offset = given.partition("-")
    return (int(partition), int(offset)) if partition.isdigit() and offset.isdigit() else None


def _words(refusal: Refusal) -> str:
    rows = "; ".join(f"row {bad.row}, {bad.column}: {bad.reason}" for bad in refusal.rows[:10])
    return f"event {refusal.event}: {refusal.reason}" + (f" ({rows})" if rows else "")
