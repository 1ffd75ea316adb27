"""Whether Varve can serve now: broker, worker and store answer, the clock agrees, reads show what they should (GET /readyz).

Before: follows varve.progress for the workers' heartbeats, and the ends of the log. After: readyz and status name what is missing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from api.clock_guard import ClockGuard
from api.lag import Lag
from api.spool import Spool
from streams.log import Log
from streams.progress import Beat, not_folded, read_beat
from streams.topics import Topics
from varve.errors import Unavailable, VarveError

log = logging.getLogger(__name__)


class Health:
    """trouble: what ails the sink of this process, in words; empty where all is well or there is none."""

    def __init__(
        self,
        source: Log,
        topics: Topics,
        guard: ClockGuard,
        lag: Lag,
        spool: Spool,
        store_answers: Callable[[], Awaitable[None]],
        trouble: Callable[[], str],
    ) -> None:
        self._log, self._topics, self._guard, self._lag, self._spool = source, topics, guard, lag, spool
        self._store_answers, self._trouble = store_answers, trouble
        self.beats: dict[str, Beat] = {}

    async def run(self) -> None:
        """Until cancelled: the newest heartbeat of each worker, the ends of the log. A Fault where it lost its tail."""
        start: dict[int, int] = {}
        while True:
            try:
                start = start or dict(await self._log.starts(self._topics.progress))
                await self._follow(start)
            except Unavailable as error:
                log.warning("heartbeats: %s", error.message)
                await asyncio.sleep(0.5)

    async def complaints(self) -> list[str]:
        """Empty where all is well."""
        found = await asyncio.gather(self._broker(), self._store())
        return [one for one in (*found, *self._workers(), *self._recovery(), self._guard.complaint(), self._lag.complaint()) if one]

    async def _follow(self, start: dict[int, int]) -> None:
        reader = self._log.reader(self._topics.progress, start)
        try:
            while True:
                for record in await reader.poll(1.0):
                    start[record.partition] = record.offset + 1
                    beat = read_beat(record)
                    if beat is not None:
                        self.beats[beat.worker] = beat
                if self._lag.due:  # heartbeats and positions come much more often where much is written
                    with suppress(Unavailable):  # complaints() says so
                        await self._ends()
        finally:
            await reader.close()

    async def _ends(self) -> None:
        shown = self._lag.shown
        self._lag.heard(shown, await self._log.ends(self._topics.events))

    async def _broker(self) -> str:
        try:
            async with asyncio.timeout(4.0):
                await self._ends()
                await self._guard.beat_if_due(self._log, self._topics.progress)  # one whose disk is full still answers reads
        except (VarveError, TimeoutError) as error:
            return f"broker: {str(error) or 'does not answer'}"
        return ""

    async def _store(self) -> str:
        try:
            async with asyncio.timeout(4.0):
                await self._store_answers()
        except (VarveError, TimeoutError) as error:
            return f"store: {str(error) or 'does not answer'}"
        return f"sink: {self._trouble()}" if self._trouble() else ""

    def _workers(self) -> list[str]:
        here = {name: beat for name, beat in self.beats.items() if beat.generation == self._topics.generation}
        missing = not_folded(here, range(self._topics.partitions), self._guard.broker_now())
        if not missing:
            return []
        states = ", ".join(f"{beat.worker} is {beat.state}" for beat in self.beats.values()) or "none has reported"
        return [f"worker: partition(s) {sorted(missing)} are not folded ({states})"]

    def _recovery(self) -> list[str]:
        return ["spool: accepted uploads are being finished"] if self._spool.recovering else []
