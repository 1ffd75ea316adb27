"""Compares our clock with the broker's (I4): a door whose clock is far off stops taking writes, and says so.

Before: every acknowledged append tells the broker's time. After: the writer asks before it appends; when no append came
for a while, run() appends a small beat to varve.progress (compacted, one key).
"""

import asyncio
import logging

from streams.log import Log
from varve.clock import Clock
from varve.errors import Unavailable, VarveError

log = logging.getLogger(__name__)
APART_NS_MAX = 30 * 10**9
BEAT_SECONDS = 10.0
BEAT_KEY = b"beat"


class ClockGuard:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart_ns = 0
        self._heard = -BEAT_SECONDS

    def heard(self, broker_timestamp: int) -> None:
        self._apart_ns = self._clock.now() - broker_timestamp
        self._heard = self._clock.monotonic()

    def check(self) -> None:
        if abs(self._apart_ns) > APART_NS_MAX:
            seconds = self._apart_ns / 10**9
            raise Unavailable(
                "clock-off",
                f"writes are refused: this server's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the broker's;"
                " set the clocks by NTP, then writes are served again by themselves",
            )

    def broker_now(self) -> int:
        """UTC nanoseconds as the broker's clock has them."""
        return self._clock.now() - self._apart_ns

    async def beat(self, source: Log, topic: str) -> None:
        self.heard((await source.append(topic, 0, b"{}", key=BEAT_KEY)).timestamp)

    async def run(self, source: Log, topic: str) -> None:
        while True:
            idle = self._clock.monotonic() - self._heard
            try:
                if idle >= BEAT_SECONDS:
                    await self.beat(source, topic)
                    idle = 0.0
            except VarveError as error:
                log.warning("clock beat: %s", error.message)
                idle = BEAT_SECONDS - 1.0
            await asyncio.sleep(BEAT_SECONDS - idle)
