"""Compares our clock with the broker's (I4): a door whose clock is far off stops taking writes, and says so.

Before: every acknowledged append tells the broker's time, which goes on here by the monotonic clock: ours is noticed when it is
set, at once. After: the writer asks before it appends; when no append came for a while, run() appends a small beat to
varve.progress (compacted, one key).
"""

import asyncio
import logging

from streams.log import Log
from varve.clock import Clock
from varve.errors import Unavailable, VarveError

log = logging.getLogger(__name__)
APART_SECONDS_MAX = 30.0
BEAT_SECONDS = 10.0
ASKED_SECONDS = 1.0
BEAT_KEY = b"beat"


class ClockGuard:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard = clock.monotonic() - BEAT_SECONDS
        self._told = clock.now() - round(BEAT_SECONDS * 10**9)  # the broker's time then; nothing was heard yet

    def heard(self, broker_timestamp: int) -> None:
        self._told, self._heard = broker_timestamp, self._clock.monotonic()

    def complaint(self) -> str:
        """Empty where the clocks agree."""
        seconds = (self._clock.now() - self.broker_now()) / 10**9
        if abs(seconds) <= APART_SECONDS_MAX:
            return ""
        way = "ahead of" if seconds > 0 else "behind"
        return (
            f"clock: writes are refused: this server's clock is {abs(seconds):.0f} s {way} the broker's;"
            " set the clocks by NTP, then writes are served again by themselves"
        )

    def check(self) -> None:
        if complaint := self.complaint():
            raise Unavailable("clock-off", complaint.removeprefix("clock: "))

    def broker_now(self) -> int:
        """UTC nanoseconds as the broker's clock has them."""
        return self._told + round((self._clock.monotonic() - self._heard) * 10**9)

    async def beat(self, source: Log, topic: str) -> None:
        self.heard((await source.append(topic, 0, b"{}", key=BEAT_KEY)).timestamp)

    async def beat_if_due(self, source: Log, topic: str) -> None:
        """An append, where none was acknowledged for a moment: who asks whether the broker stores learns it."""
        if self._clock.monotonic() - self._heard > ASKED_SECONDS:
            await self.beat(source, topic)

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
