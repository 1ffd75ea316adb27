"""Who is known: the index of users, kept fresh from the store as their documents become visible.

Before: sink/queries/arrived.py tells what came between two watermark vectors. After: access.py asks the index; tails wait for its changes.
Until all is seen that the log held when this server started, nobody is let in: a rebuild shows a user before it shows the revocation.
"""

import asyncio
import logging
from contextlib import suppress

import orjson

from api.store_calls import StoreCalls
from api.views import Views
from sink.queries.arrived import documents
from streams.log import Log
from streams.topics import Topics
from varve.access import ACCESS_TENANT, Index
from varve.clock import Clock
from varve.errors import Unavailable, VarveError

log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.3  # between two looks: many writes move the watermarks all the time
IDLE_SECONDS = 60.0


class Directory:
    def __init__(self, source: Log, topics: Topics, calls: StoreCalls, views: Views, clock: Clock) -> None:
        self._log, self._topics, self._calls, self._views, self._clock = source, topics, calls, views, clock
        self.index = Index()
        self.complete = False
        self._seen = dict.fromkeys(range(topics.partitions), 0)
        self._ends: dict[int, int] | None = None
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.refresh()
            except VarveError as error:
                log.warning("users: %s; looking again", error.message)
            await asyncio.sleep(PAUSE_SECONDS)
            await self._views.moved(self._seen, IDLE_SECONDS if self.complete else 1.0)

    async def refresh(self) -> None:
        """Returns when the index knows what reads show now."""
        async with self._looking:
            if self._ends is None:
                self._ends = dict(await self._log.ends(self._topics.events))
            now = self._views.vector()
            if now != self._seen:
                await self._look(now)
            self.complete = self.complete or all(now.get(partition, 0) >= end for partition, end in self._ends.items())

    def refuse_unread(self) -> None:
        if not self.complete:
            raise Unavailable("users-unread", "the users are being read from the log: try again soon (/readyz tells what is missing)")

    async def changed(self, seconds: float) -> None:
        """Returns when users changed, or in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _look(self, now: dict[int, int]) -> None:
        partitions = range(self._topics.partitions)
        since, until = (tuple(vector.get(partition, 0) for partition in partitions) for vector in (self._seen, now))
        rows = await self._calls.objects(documents(ACCESS_TENANT, since, until))
        for row in rows:
            self.index.take(row["kind"], row["id"], int(row["version"]), None if int(row["deleted"]) else orjson.loads(row["document"]))
        self._seen = now
        if rows:
            self.index.forget_past(self._clock.now() / 1e9)
            self._changed.set()
            self._changed = asyncio.Event()
