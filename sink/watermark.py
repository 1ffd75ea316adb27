"""The watermark vector of one process: per partition, the next offset that the store lacks (I9), and who waits for it.

Before: the sink, or follow_progress() where there is none, advances it. After: reads take `current`; requests wait. Any
thread may advance; waiters wake on their own loop.
"""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class _Waiter:
    offsets: Mapping[int, int]
    any: bool
    loop: asyncio.AbstractEventLoop
    arrived: asyncio.Future[bool]

    def wake(self) -> None:
        if not self.arrived.done():
            self.arrived.set_result(True)


class Watermarks:
    def __init__(self, partitions: int) -> None:
        self._vector = [0] * partitions
        self._waiters: set[_Waiter] = set()
        self._lock = threading.Lock()

    @property
    def current(self) -> tuple[int, ...]:
        with self._lock:
            return tuple(self._vector)

    def vector(self) -> Mapping[int, int]:
        return dict(enumerate(self.current))

    def advance(self, partition: int, next_offset: int) -> None:
        """Never goes back: a lower offset is an older word about the same partition."""
        with self._lock:
            if next_offset <= self._vector[partition]:
                return
            self._vector[partition] = next_offset
            woken = [waiter for waiter in self._waiters if self._holds(waiter)]
            self._waiters.difference_update(woken)
        for waiter in woken:
            waiter.loop.call_soon_threadsafe(waiter.wake)

    async def reached(self, offsets: Mapping[int, int], seconds_max: float) -> bool:
        """Whether the records at these offsets, by partition, became visible in time."""
        return await self._came(offsets, False, seconds_max)

    async def moved(self, vector: Mapping[int, int], seconds_max: float) -> bool:
        """Whether any partition went beyond the vector in time."""
        return await self._came(vector, True, seconds_max)

    async def _came(self, offsets: Mapping[int, int], any_: bool, seconds_max: float) -> bool:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(offsets, any_, loop, loop.create_future())
        with self._lock:
            if self._holds(waiter):
                return True
            self._waiters.add(waiter)
        try:
            return await asyncio.wait_for(waiter.arrived, seconds_max)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _holds(self, waiter: _Waiter) -> bool:
        beyond = (self._vector[partition] > offset for partition, offset in waiter.offsets.items())
        return any(beyond) if waiter.any else all(beyond)
