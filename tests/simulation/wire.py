"""Time, the log, and what goes wrong on the way to a server: a process is killed between two effects, or an effect fails, done or
not. Before: world.py chooses what goes wrong. After: every process of the world has one Faults, and reaches the log by a Wire.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from streams.log import Appended, Headers, LogReader, LogRecord
from streams.log_memory import MemoryLog
from varve.errors import Unavailable

NEVER = 1 << 30
START_NS = 1_700_000_000 * 10**9
T = TypeVar("T")


class CrashError(Exception):
    """The process is gone."""


class SteppedClock:
    """Each look is a millisecond later."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now(self) -> int:
        self.ns += 10**6
        return self.ns

    def monotonic(self) -> float:
        return self.ns / 1e9


class WorldLog(MemoryLog):
    """Nobody waits: what is not there now does not come while one looks."""

    async def changed(self, timeout_seconds: float) -> None:
        return


@dataclass
class Faults:
    """Of one process. left: effects until it is killed. failing: the chance that an effect fails; half of those are done all the same."""

    chosen: random.Random
    left: int = NEVER
    failing: float = 0.0
    dead: bool = False

    def act(self, effect: Callable[[], T], where: str) -> T:
        fate = self._fate()
        self._before(fate, where)
        made = effect()
        self._after(fate, where)
        return made

    async def await_(self, effect: Callable[[], Awaitable[T]], where: str) -> T:
        fate = self._fate()
        self._before(fate, where)
        made = await effect()
        self._after(fate, where)
        return made

    def _fate(self) -> Literal["done", "not done", "unknown"]:
        if self.dead:
            raise CrashError
        self.left -= 1
        if self.left >= 0 and self.chosen.random() >= self.failing:
            return "done"
        return self.chosen.choice(("not done", "unknown"))

    def _before(self, fate: str, where: str) -> None:
        if fate == "not done":
            self._fail(where)

    def _after(self, fate: str, where: str) -> None:
        if fate == "unknown":
            self._fail(where)

    def _fail(self, where: str) -> None:
        if self.left < 0:
            self.dead = True
            raise CrashError
        raise Unavailable("out-of-reach", f"{where} does not answer in this history")


class Wire:
    """The log as one process reaches it."""

    def __init__(self, log: MemoryLog, faults: Faults) -> None:
        self.log_id = log.log_id
        self._log, self._faults = log, faults

    async def append(self, topic: str, partition: int, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> Appended:
        return await self._faults.await_(lambda: self._log.append(topic, partition, value, key=key, headers=headers), "the log")

    async def ends(self, topic: str) -> Mapping[int, int]:
        return await self._log.ends(topic)

    async def starts(self, topic: str) -> Mapping[int, int]:
        return await self._log.starts(topic)

    async def fetch(self, topic: str, partition: int, offset: int) -> LogRecord | None:
        return await self._log.fetch(topic, partition, offset)

    def reader(self, topic: str, offsets: Mapping[int, int]) -> LogReader:
        return self._log.reader(topic, offsets)

    async def close(self) -> None:
        return
