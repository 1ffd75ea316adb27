"""Puts the parts of a server together, and tells which tasks must run beside it. Opened in order, closed in the opposite order.

Before: server.py, or a test with a log of its own. After: create_app takes the parts. Accepted uploads of a former process
are finished before the server is ready (I12).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from api.access.access import Access
from api.access.directory import Directory
from api.clock_guard import ClockGuard
from api.doors.datareservoir.apply import apply
from api.doors.datareservoir.uploads import Uploads
from api.generations import Generations
from api.health import Health
from api.lag import Lag
from api.outcomes import Outcomes
from api.parts import Parts
from api.reading import reading
from api.receipts import Receipts
from api.spool import Spool
from api.views import Views
from api.writer import Writer
from sink.consumer import Sink, follow_progress
from sink.positions import read_positions, refuse_lost_log
from sink.refresh import Refresh
from sink.store import Store
from sink.watermark import Watermarks
from streams.generations import VIEWS, another_served
from streams.log import Log
from streams.topics import Topics
from varve.clock import Clock
from varve.errors import Unavailable, VarveError
from varve.position import Token
from varve.settings import Settings
from varve.tokens import Signer, secret_of

log = logging.getLogger(__name__)
RECOVERY_RETRY_SECONDS = 1.0


@dataclass
class Assembly:
    """tasks: run them while serving. started(): returns when a request may come in."""

    parts: Parts
    tasks: dict[str, Coroutine[Any, Any, None]]
    receipts: Receipts
    guard: ClockGuard
    spool: Spool

    async def started(self) -> None:
        await self.receipts.following.wait()
        try:
            await self.guard.beat(self.parts.log, self.parts.topics.progress)
        except VarveError as error:
            log.warning("clock beat: %s", error.message)


@asynccontextmanager
async def assemble(settings: Settings, clock: Clock, *, with_sink: bool) -> AsyncIterator[Assembly]:
    """With a log on the broker of the settings."""
    from streams.log_kafka import log_of

    async with log_of(settings) as source:
        store = await asyncio.to_thread(Store.ready, settings, source.topics.label)
        try:
            async with assembled(settings, clock, source, source.topics, store, with_sink=with_sink, views=source.served.views) as assembly:
                yield assembly
        finally:
            await asyncio.to_thread(store.close)


@asynccontextmanager
async def assembled(
    settings: Settings, clock: Clock, source: Log, topics: Topics, store: Store, *, with_sink: bool, views: int = VIEWS
) -> AsyncIterator[Assembly]:
    """views: the version that built the store."""
    watermarks, guard = Watermarks(topics.partitions), ClockGuard(clock)
    if not with_sink:  # else the sink looks
        reached = await asyncio.to_thread(read_positions, store, source.log_id)
        await refuse_lost_log(source, topics, list(reached.values()), store.where, points_needed=False)
    read = reading(settings, source, store, watermarks, settings.store.readers)
    receipts, outcomes = Receipts(source, topics.receipts), Outcomes(read.lookups.outcomes)
    spool = Spool(settings.data / "spool", source, topics.events, guard.heard, settings.http.wait_seconds_max)
    sink = Sink(source, topics, store, watermarks, settings.store.batch_rows_max) if with_sink else None
    lag = Lag(read.views.vector, settings.http.wait_seconds_max, clock)
    health = Health(source, topics, guard, lag, spool, read.calls.ping, (lambda: sink.trouble) if sink else (lambda: ""))
    writer = Writer(source, topics, settings.http, clock, guard, receipts, outcomes, read.views, spool)
    secret = await asyncio.to_thread(secret_of, settings)
    uploads = Uploads(settings.data, secret, clock)
    generations = Generations(settings, source, topics, store, watermarks, views)
    directory = Directory(source, topics, read.calls, read.views, clock)
    access = Access(settings.access, Signer(secret), directory, clock)
    parts = Parts(
        settings, source, topics, clock, writer, read.views, read.catalog, read.runs, read.reads, health, generations, uploads, access
    )  # fmt: skip
    spool.recovering = bool(spool.accepted())
    tasks = {
        "receipts": receipts.run(),
        "clock": guard.run(source, topics.progress),
        "heartbeats": health.run(),
        "spool": _finish_uploads(source, topics, spool, outcomes, read.views),
        "uploads": uploads.run(partial(apply, parts), partial(_caught_up, source, topics, read.views)),
        "generations": _until_flipped(source, topics),
        "sink": sink.run() if sink else follow_progress(source, topics, watermarks),
    }
    if access.on:
        tasks["users"] = directory.run()
    if sink:
        tasks["refresh"] = Refresh(store, watermarks, clock, settings.store.refresh_seconds).run()
    try:
        yield Assembly(parts, tasks, receipts, guard, spool)
    finally:
        for task in tasks.values():
            task.close()
        await generations.close()
        await uploads.close()
        access.close()
        await spool.settle()
        read.calls.close()


async def _until_flipped(source: Log, topics: Topics) -> None:
    served = await another_served(source, topics)
    raise Unavailable("generation-flipped", f"generation {served} of the views is served now: this server starts again with it")


async def _finish_uploads(source: Log, topics: Topics, spool: Spool, outcomes: Outcomes, views: Views) -> None:
    """Pieces that are on the log already are told by their outcomes, once the store has all that the log had at start."""
    while spool.recovering:
        try:
            await _visible(source, topics, views)
            for event_id in spool.accepted():
                log.info("finishing the accepted upload %s", event_id)
                await spool.finish(event_id, outcomes)
            spool.recovering = False
        except Unavailable as error:
            log.warning("accepted uploads: %s; trying again", error.message)
            await asyncio.sleep(RECOVERY_RETRY_SECONDS)
    await asyncio.Event().wait()


async def _caught_up(source: Log, topics: Topics, views: Views) -> None:
    while True:
        try:
            return await _visible(source, topics, views)
        except Unavailable as error:
            log.warning("uploaded files: %s; trying again", error.message)
            await asyncio.sleep(RECOVERY_RETRY_SECONDS)


async def _visible(source: Log, topics: Topics, views: Views) -> None:
    """Returns when the store has all that the log has now."""
    ends = await source.ends(topics.events)
    await views.reached(Token(source.log_id, {partition: end - 1 for partition, end in ends.items() if end}))
