"""The contract of a log: append, read, ends. streams/log_kafka.py and streams/log_memory.py keep it, shown by one suite
in tests/contract. Everything that needs the log takes it as an argument; nothing below knows which one it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from varve.instants import LATEST

Headers = tuple[tuple[str, bytes], ...]
STORED = "stored"
_DIGITS_MAX = 19


@dataclass(frozen=True)
class LogRecord:
    """timestamp: UTC nanoseconds, the broker's append time on topics that stamp."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes
    headers: Headers = ()

    def header(self, name: str) -> str | None:
        return next((value.decode("utf-8", "replace") for key, value in self.headers if key == name), None)

    @property
    def stored(self) -> int:
        """The timestamp; of a record that was restored, the one that it had on its first log (I4)."""
        told = self.header(STORED)
        if told is None or not told.isdecimal() or len(told) > _DIGITS_MAX or int(told) > LATEST:
            return self.timestamp
        return int(told)


@dataclass(frozen=True)
class Appended:
    partition: int
    offset: int
    timestamp: int


class Log(Protocol):
    """Unavailable is raised where the broker does not answer in time; the caller cannot know whether the record was written."""

    log_id: str

    async def append(self, topic: str, partition: int, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> Appended:
        """Returns when the record is on all replicas (acks=all); appends to one partition keep the order of their calls."""

    async def ends(self, topic: str) -> Mapping[int, int]:
        """Next offset of each partition."""

    async def starts(self, topic: str) -> Mapping[int, int]:
        """First kept offset of each partition."""

    async def fetch(self, topic: str, partition: int, offset: int) -> LogRecord | None:
        """The record at this position; None where there is none (beyond the end, compacted away, or a marker)."""

    def reader(self, topic: str, offsets: Mapping[int, int]) -> "LogReader":
        """Reads the given partitions from the given offsets, without a group."""

    async def close(self) -> None: ...


class LogReader(Protocol):
    async def poll(self, timeout_seconds: float, records_max: int = 500) -> Sequence[LogRecord]:
        """Records in order of offset within each partition; empty when none came in time."""

    async def close(self) -> None: ...
