"""The loader's process: a Faust app of its own group, one agent on the loads topic, and the scheduler where it holds partition 0.

Before: `varve loader`, or the supervisor. After: the API, whose client it is, and other people's sources. A wake is taken when the agent
has it: what must not be forgotten is a document, and the scheduler wakes again. Arrow is imported with the first run: one that waits stays
small.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import faust
import orjson
from faust.types import TP

from streams.loading.known import Patience
from streams.loading.mail import Mailer, server_of
from streams.loading.runner import Runner
from streams.loading.scheduler import Scheduler
from streams.loading.service import Wake
from streams.loading.service_http import HttpService
from streams.loading.sources import HttpSources
from streams.loading.wakes import read_wake, said_wake
from streams.topics import RECORD_BYTES_MAX, Topics
from varve.clock import Clock, SystemClock, new_id
from varve.errors import VarveError
from varve.settings import Settings
from varve.tokens import operator_token, secret_of
from varve.watch import sign_of_life, touch

PARTITIONS_OF_SCHEDULER = 0
STEP_SECONDS, TICK_SECONDS = 0.2, 0.5
TOKEN_SECONDS = 3600.0
STOP_SECONDS_MAX = 8.0
SECOND = 10**9
WAKE_AGAIN_SECONDS = 10.0
AT_ONCE = 32  # puts of a scheduler, each of which waits to be seen
_say = logging.getLogger("varve.loader")


def run_loader(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    import uvloop

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("varve").setLevel(logging.INFO)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(Loader(settings, SystemClock()).run())


def loader_name(settings: Settings) -> str:
    """Of its membership in the group, and of the sign that it lives."""
    return f"loader-{settings.worker.name or socket.gethostname()}"


class Loader:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._topic = Topics(settings.log.prefix, settings.log.partitions).loads
        self._me = f"{loader_name(settings)}/{new_id().hex[:12]}"
        self._app = build_app(settings)
        self._channel = self._app.topic(self._topic, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes)
        self._pool: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(settings.loading.runs_at_once)
        self._draining = False
        loading = settings.loading
        self._service = HttpService(base_url(settings), self._key_of(), self._opened, clock, loading.lease_seconds)
        if loading.mail:
            server_of(loading.mail)  # refused at start, in words
        self._mailer = Mailer(loading, self._service, public_url(settings))
        self._runner = Runner(self._service, HttpSources(settings), clock, self._me, loading.lease_seconds)

    async def run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._app.agent(self._channel, name=f"varve.{self._topic}", concurrency=1)(self._take)
        self._app.conf.datadir.mkdir(parents=True, exist_ok=True)
        self._app.finalize()
        await self._app.start()
        loops = [asyncio.create_task(one) for one in (self._tick(), self._beat(), self._schedule())]
        _say.info("ready as %s", self._me)
        stopped = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait((stopped, *loops), return_when=asyncio.FIRST_COMPLETED)
        if stopped not in done:
            _leave(5, "a part of the loader ended by itself")
        await self._drain()
        _leave(0, "stopped")

    async def _take(self, stream: Any) -> None:
        async for event in stream.events():
            wake = read_wake(event.value)
            if wake is not None and not self._draining and wake.run not in self._pool:
                self._pool[wake.run] = task = asyncio.create_task(self._work(wake))
                task.add_done_callback(partial(self._done, wake.run))

    def _done(self, run: str, _task: object) -> None:
        del self._pool[run]

    async def _work(self, wake: Wake) -> None:
        async with self._room:
            if not self._draining:
                await guarded(self._runner.work(wake), f"run {wake.run}")

    async def _schedule(self) -> None:
        """While this process holds the partition; nothing of a former time is believed."""
        scheduler: Scheduler | None = None
        mailing: asyncio.Task[None] | None = None
        while True:
            if not self._scheduling():
                scheduler = None
                await asyncio.sleep(TICK_SECONDS)
                continue
            if scheduler is None:
                _say.info("scheduling")
                loading = self._settings.loading
                patience = Patience(int(loading.lease_seconds * SECOND), int(WAKE_AGAIN_SECONDS * SECOND))
                scheduler = Scheduler(self._service, self._wake, self._me, patience, together)
            now = await guarded(scheduler.step(), "the scheduler")
            if now is not None and (mailing is None or mailing.done()):
                mailing = asyncio.create_task(guarded(self._mailer.step(scheduler.known, now), "e-mail"))
            await asyncio.sleep(STEP_SECONDS)

    def _scheduling(self) -> bool:
        return not self._draining and TP(self._topic, PARTITIONS_OF_SCHEDULER) in self._app.consumer.assignment()

    async def _wake(self, wake: Wake) -> None:
        stored = await self._channel.send(key=wake.task.encode(), value=orjson.dumps(said_wake(wake)))
        await stored

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for ident in await guarded(self._runner.beat(), "the beat") or ():
                if (task := self._pool.get(ident)) is not None:
                    _say.warning("run %s was ended by another: it is let be", ident)
                    task.cancel()

    async def _tick(self) -> None:
        sign = sign_of_life(self._settings.data, loader_name(self._settings))
        while True:
            touch(sign)
            await asyncio.sleep(TICK_SECONDS)

    async def _drain(self) -> None:
        """Runs that end soon may; the others are found lost, and tried again."""
        self._draining = True
        if self._runner.active:
            _say.info("stopping; %d run(s) may end", len(self._runner.active))
        waiting = [task for run, task in self._pool.items() if run in self._runner.active]
        if waiting:
            await asyncio.wait(waiting, timeout=STOP_SECONDS_MAX)
        with suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._app.consumer.commit()

    def _key_of(self) -> Callable[[], str | None]:
        made: tuple[float, str] | None = None

        def key() -> str | None:
            nonlocal made
            if self._settings.access.key:
                return self._settings.access.key
            now = self._clock.now() / SECOND
            if made is None or now - made[0] > TOKEN_SECONDS:
                made = now, operator_token(self._settings, now)
            return made[1]

        return key

    def _opened(self, sealed: str) -> str:
        from varve.sealed import opened

        return opened(secret_of(self._settings), sealed)


async def guarded(work: Awaitable[Any], what: str) -> Any:
    """What goes wrong is said; it is tried again by whoever asks next."""
    try:
        return await work
    except VarveError as error:
        _say.warning("%s: %s", what, error.message)
    except Exception:  # noqa: BLE001 - a defect: the others' runs go on
        _say.exception("%s failed", what)
    return None


async def together(works: Iterable[Awaitable[Any]]) -> None:
    """Some at once; the first that failed is told when all have ended."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[Any]) -> None:
        async with room:
            await work

    for ended in await asyncio.gather(*(one(work) for work in works), return_exceptions=True):
        if ended is not None:
            raise ended


def base_url(settings: Settings) -> str:
    host = settings.http.host
    own = f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{settings.http.port}"
    return settings.loading.url or own


def public_url(settings: Settings) -> str:
    """For links: the first by which clients know the server."""
    return settings.access.public_url.split(",")[0].strip().rstrip("/") or base_url(settings)


def build_app(settings: Settings) -> faust.App:
    name, worker = loader_name(settings), settings.worker
    return faust.App(
        f"{settings.log.prefix}-loader",
        broker=";".join(f"kafka://{address.strip()}" for address in settings.log.brokers.split(",")),
        store="memory://",
        datadir=settings.data / "faust" / name,
        autodiscover=False,
        web_enabled=False,
        topic_replication_factor=settings.log.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_group_instance_id=name,
        consumer_auto_offset_reset="latest",
        broker_session_timeout=worker.session_seconds,
        broker_heartbeat_interval=worker.session_seconds / 8,
        broker_commit_interval=1.0,
        producer_max_request_size=RECORD_BYTES_MAX,
        producer_linger=0.0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        worker_redirect_stdouts=False,
    )


def _leave(code: int, words: str) -> None:
    """Nothing is kept here, so Faust's own shutdown would only wait."""
    (_say.info if code == 0 else _say.error)("%s", words if code == 0 else f"leaving with code {code}: {words}")
    logging.shutdown()
    os._exit(code)
