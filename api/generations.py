"""The generation after the one that is served: its tables are filled beside, compared, and served by one record; or dropped.

Before: `varve replay` folds varve.events into its points. After: streams/generations.py tells everybody, this server too, which
then starts again with it. What is built lives in this process: ask one server from the first question to the last.
"""

import asyncio
from dataclasses import dataclass

from sink.consumer import Sink
from sink.differences import Difference, differences
from sink.queries.differences import counted
from sink.store import Store
from sink.watermark import Watermarks
from streams.generations import VIEWS, serve
from streams.log import Log
from streams.replay import following
from streams.topics import Topics
from varve.errors import Conflict, NotFound
from varve.settings import Settings


@dataclass(frozen=True)
class Built:
    """vector: the next offset that it lacks, by partition; points: rows so far. trouble: what ails its sink, in words; failed:
    the same where the sink has given up."""

    generation: int
    vector: tuple[int, ...]
    points: int
    trouble: str
    failed: bool


@dataclass
class _Building:
    topics: Topics
    store: Store
    watermarks: Watermarks
    sink: Sink
    task: asyncio.Task[None]


class Generations:
    """served, watermarks: the store that reads are answered from, and how far it is. views: the version that built it."""

    def __init__(self, settings: Settings, log: Log, topics: Topics, served: Store, watermarks: Watermarks, views: int) -> None:
        self.views = views
        self._settings, self._log, self._topics = settings, log, topics
        self._served, self._watermarks = served, watermarks
        self._building: _Building | None = None
        self._opening = asyncio.Lock()

    @property
    def outdated(self) -> str:
        """In words, where the views were built by another version of the fold and the tables than this one; empty where not."""
        if self.views == VIEWS:
            return ""
        return f"the views were built by version {self.views} of the fold and the tables, this is {VIEWS}: `varve replay` builds them anew"

    @property
    def served(self) -> tuple[int, tuple[int, ...]]:
        return self._topics.generation, self._watermarks.current

    async def build(self) -> int:
        """Begin, or go on where an earlier attempt was cut short."""
        async with self._opening:
            if self._building is None:
                topics, watermarks = following(self._topics), Watermarks(self._topics.partitions)
                store = await asyncio.to_thread(Store.ready, self._settings, topics.generation)
                sink = Sink(self._log, topics, store, watermarks, self._settings.store.batch_rows_max)
                self._building = _Building(topics, store, watermarks, sink, asyncio.create_task(sink.run(), name="building"))
        return self._building.topics.generation

    async def built(self) -> Built | None:
        one = self._building
        if one is None:
            return None
        rows = await asyncio.to_thread(one.store.rows, counted("points", one.store.database))
        failed = one.task.exception() if one.task.done() and not one.task.cancelled() else None
        trouble = one.sink.trouble if failed is None else str(failed)
        return Built(one.topics.generation, one.watermarks.current, int(rows[0]["rows"]), trouble, failed is not None)

    async def differences(self, generation: int) -> list[Difference]:
        """At the watermark vector of the served one, once the other has reached it."""
        one, vector = self._named(generation), self._watermarks.current
        await self._reached(one, vector)
        return await asyncio.to_thread(differences, self._served, one.store, vector)

    async def serve(self, generation: int) -> None:
        await self._reached(self._named(generation), self._watermarks.current)
        await serve(self._log, self._topics, generation)

    async def drop(self, generation: int) -> None:
        """Its tables; its topics are the replay's to remove."""
        if generation == self._topics.generation:
            raise Conflict("generation-served", f"generation {generation} is served: serve another one first")
        if self._building is not None and self._building.topics.generation == generation:
            await self.close()
        await asyncio.to_thread(self._dropped, generation)

    async def close(self) -> None:
        one, self._building = self._building, None
        if one is not None:
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)
            await asyncio.to_thread(one.store.close)

    def _named(self, generation: int) -> _Building:
        one = self._building
        if one is None or one.topics.generation != generation:
            raise NotFound(
                "generation-unknown", f"generation {generation} is not being built here: POST /api/v1/generations begins the next"
            )
        return one

    async def _reached(self, one: _Building, vector: tuple[int, ...]) -> None:
        offsets = {partition: end - 1 for partition, end in enumerate(vector)}
        if not await one.watermarks.reached(offsets, self._settings.http.wait_seconds_max):
            missing = sum(max(0, there - here) for there, here in zip(vector, one.watermarks.current, strict=True))
            words = f"generation {one.topics.generation} lacks {missing} event record(s) that are served: wait until it has caught up"
            raise Conflict("generation-behind", words)

    def _dropped(self, generation: int) -> None:
        store = Store.open(self._settings, generation)
        store.drop()
        store.close()
