"""The log in memory, for tests and simulations: keeps the contract of streams/log.py as a broker does (one suite shows both).

Beyond the contract it can do what goes wrong: be out of reach, take offsets for transaction markers, lose its tail or head.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from streams.log import Appended, Headers, LogReader, LogRecord
from streams.topics import RECORD_BYTES_MAX, Topic
from varve.clock import Clock
from varve.errors import Fault, TooLarge, Unavailable

_MS = 10**6


@dataclass
class _Partition:
    """records: by offset, in order; offsets between them are markers, or were deleted."""

    start: int = 0
    end: int = 0
    records: list[LogRecord] = field(default_factory=list)


class MemoryLog:
    def __init__(self, topics: Iterable[Topic], clock: Clock, log_id: str = "0" * 32) -> None:
        self.log_id = log_id
        self.reachable = True
        self._clock = clock
        self._partitions = {topic.name: [_Partition() for _ in range(topic.partitions)] for topic in topics}
        self._appended = asyncio.Condition()

    async def append(self, topic: str, partition: int, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> Appended:
        at = self._partition(topic, partition)
        if len(value) > RECORD_BYTES_MAX:
            raise TooLarge("record-too-large", f"a record of {len(value)} bytes is over {RECORD_BYTES_MAX}: send less at once")
        stored = LogRecord(topic, partition, at.end, self._clock.now() // _MS * _MS, key, value, headers)
        at.records.append(stored)
        at.end += 1
        async with self._appended:
            self._appended.notify_all()
        return Appended(partition, stored.offset, stored.timestamp)

    async def ends(self, topic: str) -> Mapping[int, int]:
        return {number: at.end for number, at in enumerate(self._topic(topic))}

    async def starts(self, topic: str) -> Mapping[int, int]:
        return {number: at.start for number, at in enumerate(self._topic(topic))}

    async def fetch(self, topic: str, partition: int, offset: int) -> LogRecord | None:
        return next((one for one in self._partition(topic, partition).records if one.offset == offset), None)

    def reader(self, topic: str, offsets: Mapping[int, int]) -> LogReader:
        return MemoryReader(self, topic, offsets)

    async def close(self) -> None:
        self.reachable = False

    def mark(self, topic: str, partition: int) -> None:
        """A transaction ends here: its marker takes an offset and is never handed to a reader."""
        self._partition(topic, partition).end += 1

    def lose_tail(self, topic: str, partition: int, end: int) -> None:
        """As a disk that was brought back from an older copy."""
        at = self._partition(topic, partition)
        at.end, at.records = end, [one for one in at.records if one.offset < end]

    def lose_head(self, topic: str, partition: int, start: int) -> None:
        """As retention does."""
        at = self._partition(topic, partition)
        at.start, at.records = start, [one for one in at.records if one.offset >= start]

    def records(self, topic: str, partition: int) -> Sequence[LogRecord]:
        return self._partition(topic, partition).records

    def read(self, topic: str, partition: int, offset: int, records_max: int) -> Sequence[LogRecord]:
        at = self._partition(topic, partition)
        if not at.start <= offset <= at.end:
            words = f"{topic} partition {partition} holds {at.start} to {at.end}, not {offset}: read from starts(), or rebuild"
            raise Fault("offset-gone", words)
        first = len(at.records)
        while first > 0 and at.records[first - 1].offset >= offset:
            first -= 1
        return at.records[first : first + records_max]

    async def changed(self, timeout_seconds: float) -> None:
        """Returns when something was appended, or in vain after the time."""
        try:
            async with asyncio.timeout(timeout_seconds), self._appended:
                await self._appended.wait()
        except TimeoutError:
            return

    def _topic(self, topic: str) -> list[_Partition]:
        if not self.reachable:
            raise Unavailable("broker-unreachable", "the log in memory is out of reach: wait until it is back")
        if topic not in self._partitions:
            raise Unavailable("broker-unreachable", f"the log in memory has no topic {topic}: name one of {', '.join(self._partitions)}")
        return self._partitions[topic]

    def _partition(self, topic: str, partition: int) -> _Partition:
        found = self._topic(topic)
        if not 0 <= partition < len(found):
            raise Unavailable("broker-unreachable", f"{topic} has {len(found)} partitions, there is no partition {partition}")
        return found[partition]


class MemoryReader:
    def __init__(self, log: MemoryLog, topic: str, offsets: Mapping[int, int]) -> None:
        self._log, self._topic, self._next = log, topic, dict(offsets)

    async def poll(self, timeout_seconds: float, records_max: int = 500) -> Sequence[LogRecord]:
        found = self._take(records_max)
        if not found:
            await self._log.changed(timeout_seconds)
            found = self._take(records_max)
        return found

    async def close(self) -> None:
        self._next.clear()

    def _take(self, records_max: int) -> list[LogRecord]:
        found: list[LogRecord] = []
        for partition in sorted(self._next):
            records = self._log.read(self._topic, partition, self._next[partition], records_max - len(found))
            if records:
                found += records
                self._next[partition] = records[-1].offset + 1
        return found
