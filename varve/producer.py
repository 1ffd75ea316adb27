"""Publishes events straight to the log: an event of one partition to varve.events, one that spans several to varve.intake.

Before: programs with many points, which need no HTTP. After: the fold, or the route agent. Small events of one partition
share a record; bytes in flight are bounded; each send is answered by its position (I2, I12: acks=all, idempotent).
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from varve import codec
from varve.columns import Points, Target, make_points, no_points
from varve.errors import Incorrect, NotFound, TooLarge, Unavailable
from varve.events import Event, PointsWritten
from varve.instants import parse_instants
from varve.position import ROWS_PER_RECORD_MAX, Position, Token
from varve.record import Record, home_of, joined, targets_of
from varve.series import DEFAULT_TENANT, partition_of, partitions_of, series_id

REQUEST_BYTES_MAX = 16 << 20
REQUEST_SECONDS_MAX = 10.0
ENVELOPE_BYTES = 400
ENCODE_IN_THREAD_ROWS = 5_000
HEADERS = [("content-type", codec.ARROW.encode())]


@dataclass(frozen=True)
class Linger:
    """When a record is closed: so many seconds after its first event, or at so many rows or bytes (before compression)."""

    seconds: float = 0.005
    rows_max: int = 100_000
    bytes_max: int = 4 << 20
    in_flight_bytes_max: int = 64 << 20


@dataclass(frozen=True)
class Delivered:
    """Where the event stands: on varve.events, or on varve.intake, from which the route agent carries it on."""

    topic: str
    position: Position
    token: Token | None  # for after= of a read; None for what went to varve.intake


Report = asyncio.Future[Delivered]


@dataclass(frozen=True)
class _Waiting:
    record: Record
    bytes: int
    report: Report


class Producer:
    """async with Producer("127.0.0.1:9092") as producer: report = await producer.write("key", times, values); await report"""

    def __init__(self, brokers: str, *, prefix: str = "varve", tenant: uuid.UUID = DEFAULT_TENANT, linger: Linger | None = None) -> None:
        self.tenant, self.log_id, self.partitions = tenant, "", 0
        self._brokers, self._prefix, self._linger = brokers, prefix, linger or Linger()
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._room = _Room(self._linger.in_flight_bytes_max)
        self._turn = 0

    async def __aenter__(self) -> Self:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            enable_idempotence=True,
            acks="all",
            max_request_size=REQUEST_BYTES_MAX,
            max_batch_size=1 << 20,
            request_timeout_ms=int(1000 * REQUEST_SECONDS_MAX),
        )
        try:
            self.log_id, self.partitions = await _found_log(self._brokers, self._prefix)
            await producer.start()
        except (TimeoutError, KafkaError, OSError) as reason:
            await producer.stop()
            raise _unavailable(self._brokers, reason) from reason
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Everything that was sent is delivered, or its report says why not."""
        await self.flush()
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def send(self, event: Event | Record, points: Points | None = None) -> Report:
        """Take one event (or a record of several); returns as soon as there is room. The report is awaited for its position."""
        if self._producer is None:
            raise Incorrect("producer-closed", "this producer is not open: use it inside `async with Producer(...) as producer`")
        record = event if isinstance(event, Record) else Record((event,), no_points() if points is None else points)
        size = _bytes_of(record)
        if len(record.points) > ROWS_PER_RECORD_MAX or size > REQUEST_BYTES_MAX // 2:
            raise TooLarge("event-too-large", f"{len(record.points)} rows ({size >> 20} MiB) do not fit one record: send less in one event")
        await self._room.take(size)
        waiting = _Waiting(record, size, asyncio.get_running_loop().create_future())
        if self._lane_of(record).add(waiting):
            await asyncio.sleep(0)  # a loop of sends that find room would keep the loop from sending
        return waiting.report

    async def write(
        self,
        series: str,
        valid_time: Any,
        value: Any,
        *,
        known_time: Any = None,
        event_id: str | None = None,
        run_id: uuid.UUID | None = None,
    ) -> Report:
        """Set cells of one series by its key. Times: a pandas index, ISO texts with an offset, UTC nanoseconds.
        A value None or NaN is written as null; infinite ones are refused (I10)."""
        times = parse_instants(valid_time)
        numbers = np.asarray(value, np.float64)  # None becomes NaN
        if len(numbers) != len(times):
            raise Incorrect("column-length", f"{series}: {len(times)} valid_time and {len(numbers)} value")
        if np.isinf(numbers).any():
            raise Incorrect("value-not-finite", f"{series}: row {int(np.flatnonzero(np.isinf(numbers))[0])} is infinite: send null")
        valued = ~np.isnan(numbers)
        known = None if known_time is None else parse_instants(_listed(known_time), column="known_time")
        points = make_points(
            (Target(self.tenant, series_id(self.tenant, series), series),),
            np.zeros(len(times), np.int32),
            times,
            np.where(valued, numbers, 0.0),
            valued=valued,
            known_time=None if known is None else np.broadcast_to(known, times.shape).copy(),
        )
        return await self.send(PointsWritten(tenant=self.tenant, value_type="number", event_id=event_id, run_id=run_id), points)

    async def flush(self) -> None:
        """Returns when every report so far is known."""
        for lane in self._lanes.values():
            lane.close_record()
        await asyncio.gather(*(lane.settle() for lane in self._lanes.values()))

    def _lane_of(self, record: Record) -> "_Lane":
        parts = partitions_of([target.series_id for target in targets_of(record)] + _runs_of(record), self.partitions)
        if len(np.unique(parts)) == 1:
            topic, partition = f"{self._prefix}.events", int(parts[0])
        else:
            topic, partition = f"{self._prefix}.intake", self._intake_partition(record)
        if (topic, partition) not in self._lanes:
            assert self._producer is not None
            log_id = self.log_id if topic.endswith(".events") else ""
            place = TopicPartition(topic, partition)
            self._lanes[(topic, partition)] = _Lane(self._producer, self._brokers, place, log_id, self._linger, self._room)
        return self._lanes[(topic, partition)]

    def _intake_partition(self, record: Record) -> int:
        """A keyed event always takes the same one, where its repetition is recognized (I3); others take turns."""
        first = record.events[0]
        if first.event_id is not None:
            return partition_of(uuid.UUID(bytes=codec.event_key(first.tenant, first.event_id)), self.partitions)
        self._turn += 1
        return self._turn % self.partitions


class _Room:
    """Bounds the bytes that are taken and not yet acknowledged; whoever finds no room waits, in order."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max, self._taken = bytes_max, 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        if not self._waiting and self._fits(size):
            self._taken += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        await turn

    def give(self, size: int) -> None:
        self._taken -= size
        while self._waiting and self._fits(self._waiting[0][0]):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._taken += wanted
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return self._taken == 0 or self._taken + size <= self._bytes_max


@dataclass
class _Lane:
    """One partition of one topic: events gather into a record, records are sent in order, several may be in flight."""

    producer: AIOKafkaProducer
    brokers: str
    place: TopicPartition
    log_id: str
    linger: Linger
    room: _Room
    waiting: deque[_Waiting] = field(default_factory=deque)
    rows: int = 0  # of those that wait
    bytes: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closing: bool = False
    sender: "asyncio.Task[None] | None" = None
    flying: "set[asyncio.Task[None]]" = field(default_factory=set)

    def add(self, waiting: _Waiting) -> bool:
        """Whether enough waits for a record."""
        self.waiting.append(waiting)
        self.rows, self.bytes = self.rows + len(waiting.record.points), self.bytes + waiting.bytes
        if self.sender is None:
            self.sender = asyncio.create_task(self._send())
        if self._is_full():
            self.wake.set()
        return self._is_full()

    def close_record(self) -> None:
        if self.sender is not None:
            self.closing = True
            self.wake.set()

    async def settle(self) -> None:
        while self.sender is not None or self.flying:
            await asyncio.wait([*self.flying, *([self.sender] if self.sender else [])])

    def _is_full(self) -> bool:
        return self.rows >= self.linger.rows_max or self.bytes >= self.linger.bytes_max

    async def _send(self) -> None:
        while self.waiting:
            everything = await self._time_is_up()
            while self.waiting and (everything or self._is_full()):
                await self._send_record(self._take())
        self.sender = None

    async def _time_is_up(self) -> bool:
        """Waits until a record is full (False), its time is up, or its end is asked for (True)."""
        try:
            await asyncio.wait_for(self.wake.wait(), self.linger.seconds)
        except TimeoutError:
            return True
        self.wake.clear()
        closing, self.closing = self.closing, False
        return closing

    def _take(self) -> list[_Waiting]:
        batch = [self.waiting.popleft()]
        rows, size, events = len(batch[0].record.points), batch[0].bytes, len(batch[0].record.events)
        while self.waiting:
            one = self.waiting[0]
            rows, size, events = rows + len(one.record.points), size + one.bytes, events + len(one.record.events)
            if rows > self.linger.rows_max or size > self.linger.bytes_max or events > ROWS_PER_RECORD_MAX:
                break
            batch.append(self.waiting.popleft())
        self.rows -= sum(len(one.record.points) for one in batch)
        self.bytes -= sum(one.bytes for one in batch)
        return batch

    async def _send_record(self, batch: Sequence[_Waiting]) -> None:
        try:
            value = await _encoded([one.record for one in batch])
            stored = await self.producer.send(self.place.topic, value, None, self.place.partition, headers=HEADERS)
        except Exception as reason:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits these reports
            self._failed(batch, reason)
            return
        flight = asyncio.create_task(self._land(batch, stored))
        self.flying.add(flight)
        flight.add_done_callback(self.flying.discard)

    async def _land(self, batch: Sequence[_Waiting], stored: "asyncio.Future[Any]") -> None:
        try:
            found = await stored
        except Exception as reason:  # noqa: BLE001 - as above
            self._failed(batch, reason)
            return
        token = Token(self.log_id, {found.partition: found.offset}) if self.log_id else None
        delivered = Delivered(self.place.topic, Position(found.partition, found.offset), token)
        for one in batch:
            self.room.give(one.bytes)
            if not one.report.done():
                one.report.set_result(delivered)

    def _failed(self, batch: Sequence[_Waiting], reason: Exception) -> None:
        match reason:
            case MessageSizeTooLargeError():
                words = f"a record for {self.place.topic} is over {REQUEST_BYTES_MAX} bytes: send less at once"
                said: Exception = TooLarge("record-too-large", words)
            case TimeoutError() | KafkaError() | OSError():
                said = _unavailable(self.brokers, reason)
            case _:
                said = reason
        for one in batch:
            self.room.give(one.bytes)
            if not one.report.done():
                one.report.set_exception(said)
                one.report.exception()  # seen: a report that nobody awaits is no unretrieved error


async def _encoded(records: Sequence[Record]) -> bytes:
    if sum(len(record.points) for record in records) <= ENCODE_IN_THREAD_ROWS:
        return codec.encode(joined(records))
    return await asyncio.to_thread(lambda: codec.encode(joined(records)))


def _bytes_of(record: Record) -> int:
    points = record.points
    numbers = (points.target, points.valid_time, points.valid_time_end, points.known_time, points.value)
    columns = (*numbers, points.text, points.annotation, points.tags)
    keys = sum(16 + len(target.key) for target in points.targets)
    return sum(int(column.nbytes) for column in columns if column is not None) + keys + ENVELOPE_BYTES * len(record.events)


def _runs_of(record: Record) -> list[uuid.UUID]:
    """Homes of events that name no series: runs and entities."""
    return [home for event in record.events if not hasattr(event, "series_id") and (home := home_of(event)) is not None]


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, str | int) else given


async def _found_log(brokers: str, prefix: str) -> tuple[str, int]:
    """The log's id and the partition count of its events, from the oldest log/ record of its progress topic (I2)."""
    progress = TopicPartition(f"{prefix}.progress", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None, enable_auto_commit=False, auto_offset_reset="none")
    await consumer.start()
    try:
        missing = sorted({progress.topic, f"{prefix}.events", f"{prefix}.intake"} - set(await consumer.topics()))
        if missing:
            words = f"the broker at {brokers} has no topic {missing[0]}: run `varve topics` against it, or correct the prefix"
            raise NotFound("log-unknown", words)
        consumer.assign([progress])
        consumer.seek(progress, (await consumer.beginning_offsets([progress]))[progress])
        end = (await consumer.end_offsets([progress]))[progress]
        async with asyncio.timeout(REQUEST_SECONDS_MAX):
            while await consumer.position(progress) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        if record.key is not None and record.key.startswith(b"log/"):
                            body = orjson.loads(record.value)
                            return str(body["log_id"]), int(body["partitions"])
    finally:
        await consumer.stop()
    raise NotFound("log-unknown", f"{progress.topic} at {brokers} does not name its log yet: start Varve there once, or run `varve topics`")


def _unavailable(brokers: str, reason: BaseException) -> Unavailable:
    said = str(reason) or type(reason).__name__
    return Unavailable(
        "broker-unreachable",
        f"the broker at {brokers} did not answer in time ({said}): whether the event was stored is not known; "
        "send it again with the same event_id, and it counts once",
    )
