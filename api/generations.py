"""The generation after the one that is served: its tables are filled beside, compared, and served by one record; or dropped. And
those of some past position, which are filled alike and then kept under a name.

Before: `varve replay` folds varve.events into its points. After: streams/generations.py tells everybody, this server too, which
then starts again with it. What is built lives in this process: ask one server from the first question to the last.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sink.consumer import Sink
from sink.differences import Difference, differences
from sink.queries.differences import counted
from sink.store import Store
from sink.watermark import Watermarks
from streams.changelogs import following
from streams.generations import VIEWS, Named, forget, keep, name_taken, named, refuse_name, serve
from streams.log import Log
from streams.topics import Topics
from varve.errors import Conflict, Incorrect, NotFound
from varve.settings import Settings


@dataclass(frozen=True)
class Built:
    """vector: the next offset that it lacks, by partition; points: rows so far. trouble: what ails its sink, in words; failed:
    the same where the sink has given up."""

    generation: str
    vector: tuple[int, ...]
    points: int
    trouble: str
    failed: bool


@dataclass(frozen=True)
class Kept:
    named: Named
    store: Store
    watermarks: Watermarks


@dataclass
class _Building:
    """until: where one that is to be kept ends."""

    until: tuple[int, ...]
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
        self.store, self._watermarks = served, watermarks
        self._kept: dict[str, Kept] = {}
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

    async def build(self, name: str = "", until: Mapping[int, int] | None = None) -> str:
        """Begin, or go on where an earlier attempt was cut short. name, until: of one to be kept, the next offsets that it leaves out."""
        topics = replace(self._topics, name=name) if name else following(self._topics)
        end = tuple((until or {}).get(one, 0) for one in range(topics.partitions))
        if name:
            await self._refuse(name, end)
        async with self._opening:
            if self._building is None:
                watermarks = Watermarks(topics.partitions)
                store = await asyncio.to_thread(Store.ready, self._settings, topics.label)
                sink = Sink(self._log, topics, store, watermarks, self._settings.store.batch_rows_max)
                self._building = _Building(end, topics, store, watermarks, sink, asyncio.create_task(sink.run(), name="building"))
        built = self._building
        if (built.topics, built.until) != (topics, end):
            words = f"generation {built.topics.label} is being built here: let `varve replay` finish it, or DELETE it"
            raise Conflict("generation-building", words)
        return topics.label

    async def _refuse(self, name: str, until: tuple[int, ...]) -> None:
        refuse_name(name)
        if name in await named(self._log, self._topics):
            raise name_taken(name)
        missing = {partition: end for partition, end in (await self._log.ends(self._topics.events)).items() if end < until[partition]}
        if missing:
            words = f"until: partition {min(missing)} ends at {min(missing.values())}: give the token of a read of this log, or a time"
            raise Incorrect("position-unknown", words)

    async def built(self) -> Built | None:
        one = self._building
        if one is None:
            return None
        rows = await asyncio.to_thread(one.store.rows, counted("points", one.store.database))
        failed = one.task.exception() if one.task.done() and not one.task.cancelled() else None
        trouble = one.sink.trouble if failed is None else str(failed)
        return Built(one.topics.label, one.watermarks.current, int(rows[0]["rows"]), trouble, failed is not None)

    async def differences(self, generation: str) -> list[Difference]:
        """At the watermark vector of the served one, once the other has reached it."""
        one, vector = self._under_way(generation), self._watermarks.current
        await self._reached(one, vector)
        return await asyncio.to_thread(differences, self.store, one.store, vector)

    async def serve(self, generation: str) -> None:
        """Or keep it, under its name."""
        one = self._under_way(generation)
        if not one.topics.name:
            await self._reached(one, self._watermarks.current)
            await serve(self._log, self._topics, one.topics.generation)
            return
        await self._reached(one, one.until)
        await keep(self._log, self._topics, one.topics.name, one.until)
        await self._end_building()

    async def names(self) -> dict[str, Named]:
        """Those that are kept."""
        return await named(self._log, self._topics)

    async def kept(self, name: str) -> Kept:
        """NotFound where there is none. One that another server removed is told so once its tables are asked."""
        async with self._opening:
            if name not in self._kept:
                found = (await self.names()).get(name)
                if found is None:
                    raise NotFound("generation-unknown", f"there is no generation {name[:60]}: `varve generations` lists those kept")
                self._kept[name] = await asyncio.to_thread(self._opened, found)
            return self._kept[name]

    async def drop(self, generation: str) -> None:
        """Its tables, and its name; its topics are the replay's to remove."""
        if generation == self._topics.label:
            raise Conflict("generation-served", f"generation {generation} is served: serve another one first")
        if self._building is not None and self._building.topics.label == generation:
            await self._end_building()
        async with self._opening:
            if generation in await self.names():
                await forget(self._log, self._topics, generation)
            kept = self._kept.pop(generation, None)
            if kept is not None:
                await asyncio.to_thread(kept.store.close)
        await asyncio.to_thread(self._dropped, generation)

    async def close(self) -> None:
        await self._end_building()
        kept, self._kept = self._kept, {}
        for one in kept.values():
            await asyncio.to_thread(one.store.close)

    async def _end_building(self) -> None:
        one, self._building = self._building, None
        if one is not None:
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)
            await asyncio.to_thread(one.store.close)

    def _under_way(self, generation: str) -> _Building:
        one = self._building
        if one is None or one.topics.label != generation:
            raise NotFound(
                "generation-unknown", f"generation {generation} is not being built here: POST /api/v1/generations begins the next"
            )
        return one

    async def _reached(self, one: _Building, vector: tuple[int, ...]) -> None:
        offsets = {partition: end - 1 for partition, end in enumerate(vector)}
        if not await one.watermarks.reached(offsets, self._settings.http.wait_seconds_max):
            missing = sum(max(0, there - here) for there, here in zip(vector, one.watermarks.current, strict=True))
            words = f"generation {one.topics.label} lacks {missing} event record(s): wait until it has caught up"
            raise Conflict("generation-behind", words)

    def _opened(self, named_: Named) -> Kept:
        watermarks = Watermarks(self._topics.partitions)
        for partition, until in enumerate(named_.until):
            watermarks.advance(partition, until)
        return Kept(named_, Store.ready(self._settings, named_.name), watermarks)

    def _dropped(self, generation: str) -> None:
        store = Store.open(self._settings, generation)
        store.drop()
        store.close()
