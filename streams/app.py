"""The worker process: a Faust app with two agents, the fold's and the route's, each over its own table of state (I3, I5, I12).

Before: `varve worker`, or the supervisor. After: points, receipts and state on the log. It reads from where its own state
ends, keeps the newest state on recovery, leaves without writing when it has stalled, and drains on SIGTERM.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import faust
from faust.types import TP

from streams.agents import EXIT_FAULT, EXIT_FLIPPED, EXIT_LOG_LOST, EXIT_OUTAGE, EXIT_STALLED, add_agent, guarded, leave
from streams.changelogs import changelogs, group_of
from streams.dead_letters import write_letter
from streams.generations import another_served
from streams.lanes import Lane, Lanes
from streams.log_kafka import BROKER_ERRORS, REQUEST_SECONDS_MAX, KafkaLog, log_of, make_topics, unavailable
from streams.lost_records import LogLost, TailWatch, refuse_lost_head, refuse_lost_tail
from streams.points import PointsRecord
from streams.progress import BEAT_SECONDS, Beat, WorkerState, write_beat
from streams.recovery import keep_highest
from streams.route_agent import route_lane, route_states
from streams.shell import FoldShell
from streams.state import Damaged, PartitionState
from streams.topics import RECORD_BYTES_MAX, Topic, Topics
from varve.clock import Clock, SystemClock
from varve.errors import Unavailable
from varve.settings import Settings
from varve.watch import sign_of_life, touch

TICK_SECONDS = 0.2
DRAIN_SECONDS_MAX = 10.0
FLIP_SECONDS = 3.0
FLUSH_SHARE = 4.0  # a flush that took t seconds is followed by at least 4 t of other work
_say = logging.getLogger("varve.worker")


def run_worker(settings: Settings) -> None:
    """Blocks until SIGTERM or SIGINT, then drains and returns; every other end is an exit code of streams/agents.py."""
    import uvloop

    speak()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for Faust's consumer thread too, which makes its own loop
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    async with log_of(settings) as log:
        await make_topics(log.brokers, changelogs(log.topics), settings.log.replication)
        await Worker(settings, log.topics, log, SystemClock()).run()


def speak() -> None:
    """Plain lines on stderr: our own words, and others' only from warnings on."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("varve").setLevel(logging.INFO)


class HighestPositionWins(faust.Table[bytes, bytes]):
    """On recovery a record with a lower position never replaces a higher one, whatever the changelog's order."""

    kept_in: str  # Faust would call it after the app, which has another name in each generation

    def _changelog_topic_name(self) -> str:
        return self.kept_in

    def apply_changelog_batch(self, batch: Any) -> None:
        events = {(event.message.key, event.message.value): event for event in batch}
        kept = keep_highest(self.data, ((event.message.key, event.message.value) for event in batch))
        super().apply_changelog_batch([events[pair] for pair in kept.items()])


class Worker:
    """States: recovering (partitions are being moved, no lanes) and ready."""

    def __init__(self, settings: Settings, topics: Topics, log: KafkaLog, clock: Clock) -> None:
        self._settings, self._topics, self._log, self._clock = settings, topics, log, clock
        self._lanes = Lanes()
        self._tails = TailWatch(log, self._lanes)
        self._doing: WorkerState = "recovering"
        self._changed = asyncio.Event()
        self._draining = False
        self._ticked = clock.monotonic()
        self._heard: float | None = None  # when the group last answered; none before it has given us partitions
        self._app = build_app(settings, topics)
        self._state, self._routes = (self._table(*one) for one in zip(("state", "routes"), changelogs(topics), strict=True))
        for topic in (topics.events, topics.intake):
            add_agent(self._app, topic, topics.partitions, self._lanes, lambda: self._draining)

    async def run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._connect()
        self._app.conf.datadir.mkdir(parents=True, exist_ok=True)
        self._app.finalize()
        self._ticked = self._clock.monotonic()
        tasks = [asyncio.create_task(one) for one in (self._tick(), self._flush_often(), self._beat())]
        await self._app.start()
        tasks.append(asyncio.create_task(self._watch()))
        flipped = asyncio.create_task(another_served(self._log, self._topics))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((flipped, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():  # requests that wait for the old view may end; the new one is folded by the replay meanwhile
            await asyncio.wait((stopped,), timeout=FLIP_SECONDS)
        await self._drain()
        if not stop.is_set():
            leave(EXIT_FLIPPED, f"generation {flipped.result()} of the views is served now: this worker starts again with it")
        for task in tasks:
            task.cancel()
        leave_quietly()

    def _table(self, name: str, changelog: Topic) -> Any:
        table = HighestPositionWins(self._app, name=name, partitions=changelog.partitions, key_type=bytes, value_type=bytes)
        table.kept_in = changelog.name
        return self._app.tables.add(table)

    def _connect(self) -> None:
        """Hook into Faust: lanes live from the end of recovery to the next revocation; reading starts at the state's own position."""
        app: Any = self._app
        consumer: Any = app.consumer
        from_group = consumer.seek_to_committed
        create = consumer._thread._create_worker_consumer  # noqa: SLF001 - Faust offers no setting for any of these four

        async def seek_to_state() -> Mapping[TP, int]:
            positions = dict(await from_group())  # the group's offset is only a hint
            for lane in self._lanes.all():
                tp = TP(lane.topic, lane.partition)
                positions[tp] = lane.first
                await consumer._seek(tp, lane.first)  # noqa: SLF001
            self._heard = self._clock.monotonic()  # it has just given us partitions
            self._say("ready")
            return positions

        def read_committed(transport: Any) -> Any:
            made = create(transport)
            made._isolation_level = "read_committed"  # noqa: SLF001 - aborted transactions of foreign producers do not count
            self._listen(made)
            return made

        async def recovered(_app: Any, **_: Any) -> None:
            await guarded(self._make_lanes())

        async def revoked(_app: Any, _partitions: Any, **_: Any) -> None:
            self._say("recovering")
            await self._hand_over()

        consumer.seek_to_committed = seek_to_state
        consumer.on_buffer_full = lambda _tp: None  # a full buffer already holds the fetcher back; this would make it sleep for a second
        consumer._thread._create_worker_consumer = read_committed  # noqa: SLF001
        self._kept = (recovered, revoked)  # Faust holds its receivers weakly
        app.on_rebalance_complete.connect(recovered)
        app.on_partitions_revoked.connect(revoked)

    def _listen(self, consumer: Any) -> None:
        """Notes when the group's coordinator answered last: after a broker's death aiokafka may look for it once and never again."""
        start = consumer.start

        async def started() -> None:
            await start()
            coordinator = consumer._coordinator  # noqa: SLF001 - as above
            beat = coordinator._do_heartbeat  # noqa: SLF001

            async def heard() -> bool:
                answered = bool(await beat())
                if answered:
                    self._heard = self._clock.monotonic()
                return answered

            coordinator._do_heartbeat = heard  # noqa: SLF001

        consumer.start = started

    async def _make_lanes(self) -> None:
        self._lanes.drop()
        assigned = self._app.consumer.assignment()
        events, intake = self._topics.events, self._topics.intake
        ends = {topic: await self._log.ends(topic) for topic in (events, intake)}
        starts = {topic: await self._log.starts(topic) for topic in (events, intake)}
        mine = {topic: sorted(tp.partition for tp in assigned if tp.topic == topic) for topic in (events, intake)}
        for partition in mine[events]:
            lane = self._fold_lane(partition)
            refuse_lost_head(events, partition, lane.first, starts[events][partition])
            self._put(lane, ends[events][partition])
        for state in await route_states(self._log, self._topics, mine[intake], dict(self._routes.data)):
            lane = route_lane(self._settings, self._topics, self._log, state, self._remember(self._routes, state.partition))
            lane.first = max(lane.first, starts[intake][state.partition])
            self._put(lane, ends[intake][state.partition])

    def _put(self, lane: Lane, end: int) -> None:
        refuse_lost_tail(lane.topic, lane.partition, lane.first, end)
        self._lanes.put(lane)

    def _fold_lane(self, partition: int) -> Lane:
        try:
            state = PartitionState.recover(partition, dict(self._state.data))
        except Damaged as error:  # folding twice is folding once (I3), and what is remembered anew replaces what is damaged
            _say.warning("%s; folding the partition anew from its first record", error.message)
            state = PartitionState.anew(partition, dict(self._state.data))

        def emit(points: PointsRecord) -> Awaitable[object]:
            self._leave_if_stalled()
            stored = asyncio.ensure_future(self._log.append(self._topics.points, partition, points.value, headers=points.headers))
            stored.add_done_callback(_leave_if_failed)
            return stored

        shell = FoldShell(state, emit, self._remember(self._state, partition), lambda letter: write_letter(self._log, self._topics, letter))
        return Lane(self._log, self._topics.events, partition, shell, state.applied, self._settings.worker.flush_records)

    def _remember(self, table: Any, partition: int) -> Callable[[bytes, bytes], Awaitable[object]]:
        async def remember(key: bytes, value: bytes) -> None:
            self._leave_if_stalled()
            try:
                async with asyncio.timeout(2 * REQUEST_SECONDS_MAX):
                    await table.send_changelog(partition, key, value, key_serializer="raw", value_serializer="raw")
            except BROKER_ERRORS as reason:
                raise unavailable(self._settings.log.brokers, "did not store the worker's state", reason) from reason

        return remember

    async def _hand_over(self) -> None:
        """Partitions are about to move: write what we have, so that the next owner starts there. Best effort."""
        try:
            async with asyncio.timeout(self._settings.worker.stall_seconds / 2):
                await self._lanes.flush()
        except (Unavailable, TimeoutError):
            _say.warning("state was not written before the partitions moved; the next owner folds the last records again")
        self._lanes.drop()

    async def _drain(self) -> None:
        """SIGTERM: take nothing more, emit, remember, ack, leave."""
        self._draining = True
        try:
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                await self._lanes.flush()
                await self._app.consumer.commit()
                self._lanes.drop()
                await self._tell("stopped")
        except (Unavailable, TimeoutError) as error:
            leave(EXIT_OUTAGE, f"stopped before everything was written ({error}); nothing is lost, the last records will be folded again")

    def _leave_if_stalled(self) -> None:
        if self._clock.monotonic() - self._ticked > self._settings.worker.stall_seconds:
            leave(EXIT_STALLED, "this worker slept through its session: another may own its partitions, so nothing is written")

    def _leave_if_forgotten(self) -> None:
        silent = 0.0 if self._heard is None else self._clock.monotonic() - self._heard
        worker = self._settings.worker
        if silent > max(worker.forgotten_seconds, 2 * worker.session_seconds):  # a rebalance may wait for another's session to end
            leave(EXIT_OUTAGE, f"the group has not answered for {silent:.0f} s: a worker that starts anew joins it again")

    async def _tick(self) -> None:
        sign = sign_of_life(self._settings.data, self._settings.worker.name)
        while True:
            await asyncio.sleep(TICK_SECONDS)
            touch(sign)
            self._leave_if_forgotten()
            if self._lanes.all():  # without partitions there is nothing that it could write
                self._leave_if_stalled()
            self._ticked = self._clock.monotonic()

    async def _flush_often(self) -> None:
        """Idle or busy."""
        pause = self._settings.worker.flush_seconds
        while True:
            await asyncio.sleep(pause)
            began = self._clock.monotonic()
            await guarded(self._lanes.flush())
            pause = max(self._settings.worker.flush_seconds, FLUSH_SHARE * (self._clock.monotonic() - began))

    async def _beat(self) -> None:
        while True:
            try:
                await self._tell(self._doing)
                await self._tails.look()
            except Unavailable as error:
                _say.warning("no heartbeat: %s", error.message)
            except LogLost as error:
                leave(EXIT_LOG_LOST, error.message)
            self._changed.clear()
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _tell(self, state: WorkerState) -> None:
        partitions = self._lanes.partitions(self._topics.events)
        beat = Beat(self._settings.worker.name, state, partitions, self._clock.now(), generation=self._topics.generation)
        await write_beat(self._log, self._topics, beat)

    async def _watch(self) -> None:
        await self._app.wait_until_stopped()
        leave(EXIT_FAULT, f"Faust stopped: {self._app.crash_reason!r}")

    def _say(self, doing: WorkerState) -> None:
        if doing != self._doing:
            _say.info("%s", doing)
        self._doing = doing
        self._changed.set()


def build_app(settings: Settings, topics: Topics) -> faust.App:
    worker = settings.worker
    return faust.App(
        group_of(topics),
        broker=";".join(f"kafka://{address.strip()}" for address in settings.log.brokers.split(",")),
        store="memory://",
        datadir=settings.data / "faust" / worker.name,
        autodiscover=False,
        web_enabled=False,
        topic_partitions=topics.partitions,
        topic_replication_factor=settings.log.replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_group_instance_id=worker.name,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=RECORD_BYTES_MAX + (1 << 20),
        broker_session_timeout=worker.session_seconds,
        broker_heartbeat_interval=worker.session_seconds / 8,
        broker_commit_interval=1.0,
        producer_request_timeout=min(REQUEST_SECONDS_MAX, worker.session_seconds / 2),
        producer_max_request_size=RECORD_BYTES_MAX,
        producer_max_batch_size=1 << 20,
        producer_linger=0.0,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_buffer_maxsize=64,
        worker_redirect_stdouts=False,
    )


def _leave_if_failed(stored: "asyncio.Future[Any]") -> None:
    """At once: a later record of the same position must not be stored after one that was not."""
    if not stored.cancelled() and (error := stored.exception()) is not None:
        leave(EXIT_OUTAGE if isinstance(error, Unavailable) else EXIT_FAULT, str(error))


def leave_quietly() -> None:
    """Everything is written and committed; Faust's own shutdown would only wait."""
    import os

    _say.info("stopped")
    logging.shutdown()
    os._exit(0)
