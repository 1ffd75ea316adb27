"""Lanes: one partition's shell with the events that it has yet to ack, and what to do when the carrier skips records (I5).

Before: streams/app.py makes lanes when partitions are assigned and drops them when they are revoked; agents hand over
events. After: acks. Knows Faust's events only by what they offer: a message, and ack().
"""

import asyncio
import logging
from collections import deque
from typing import Any, Protocol

from streams.log import Log, LogRecord
from streams.shell import Jump, Step
from varve.errors import Unavailable

GAP_SECONDS_MAX = 10.0
_say = logging.getLogger("varve.worker")


class Shell(Protocol):
    @property
    def applied(self) -> int: ...

    @property
    def dirty(self) -> bool: ...

    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step: ...

    async def flush(self) -> int: ...


class Lane:
    """Belongs to one assignment of one partition; after a rebalance there is another one."""

    def __init__(self, log: Log, topic: str, partition: int, shell: Shell, applied: int, flush_records: int) -> None:
        self.topic, self.partition, self.first = topic, partition, applied + 1
        self._log, self._shell, self._flush_records = log, shell, flush_records
        self._unacked: deque[Any] = deque()
        self._acking = asyncio.Lock()
        self.closed = False

    @property
    def dirty(self) -> bool:
        return not self.closed and (self._shell.dirty or bool(self._unacked))

    @property
    def next(self) -> int:
        """The offset that it expects."""
        return self._shell.applied + 1

    async def take(self, event: Any) -> None:
        record = log_record(event.message)
        match await self._shell.step(record):
            case Jump(expected, got):
                _say.warning("%s %d: records %d to %d were not handed over; reading them", self.topic, self.partition, expected, got - 1)
                for missed in await self._between(expected, got):
                    await self._shell.step(missed, over_gap=True)
                await self._shell.step(record, over_gap=True)
            case _:
                pass
        self._unacked.append(event)
        if len(self._unacked) >= self._flush_records:
            await self.flush()

    async def flush(self) -> None:
        """Remember, then ack in order."""
        async with self._acking:
            if self.closed:
                return
            applied = await self._shell.flush()
            while self._unacked and self._unacked[0].message.offset <= applied:
                self._unacked.popleft().ack()

    async def _between(self, expected: int, got: int) -> list[LogRecord]:
        """What the log itself holds in the gap: nothing where a foreign transaction's marker stands."""
        reader = self._log.reader(self.topic, {self.partition: expected})
        found: list[LogRecord] = []
        try:
            async with asyncio.timeout(GAP_SECONDS_MAX):
                while not found or found[-1].offset < got:
                    found += await reader.poll(0.2)
        except TimeoutError:
            words = f"{self.topic} {self.partition}: records {expected} to {got - 1} could not be read again in time"
            raise Unavailable("gap-unread", words) from None
        finally:
            await reader.close()
        return [record for record in found if record.offset < got]


class Lanes:
    """The lanes of this worker by topic and partition; empty while partitions are being moved."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, int], Lane] = {}

    def put(self, lane: Lane) -> None:
        self._lanes[lane.topic, lane.partition] = lane

    def get(self, topic: str, partition: int) -> Lane | None:
        return self._lanes.get((topic, partition))

    def all(self) -> list[Lane]:
        return list(self._lanes.values())

    def partitions(self, topic: str) -> tuple[int, ...]:
        return tuple(sorted(lane.partition for lane in self._lanes.values() if lane.topic == topic))

    async def flush(self) -> None:
        await asyncio.gather(*(lane.flush() for lane in self._lanes.values() if lane.dirty))

    def drop(self) -> None:
        for lane in self._lanes.values():
            lane.closed = True
        self._lanes.clear()


def log_record(message: Any) -> LogRecord:
    headers = message.headers or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    words = tuple((str(name), bytes(value or b"")) for name, value in pairs)
    return LogRecord(
        message.topic, message.partition, message.offset, round(message.timestamp * 1000) * 10**6, message.key, message.value or b"", words
    )
