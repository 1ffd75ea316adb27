"""The log on a Kafka-compatible broker, through aiokafka: one idempotent producer, readers without a group (I12).

log_of() makes the topics that are missing, agrees on the log's id and asks which generation is served (log.topics, log.served);
another partition count is refused (I2). After: whoever appends or reads. Nothing is compressed here: large values are LZ4 Arrow already.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    OutOfOrderSequenceNumber,
    TopicAlreadyExistsError,
    UnknownError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.generations import Served, serving
from streams.log import Appended, Headers, LogReader, LogRecord
from streams.topics import RECORD_BYTES_MAX, Topic, Topics
from varve.clock import new_id
from varve.errors import Fault, TooLarge, Unavailable
from varve.settings import Settings

REQUEST_SECONDS_MAX = 3.0  # below the worker's session: a worker that lost its partitions has nothing left in flight
APPEND_SECONDS_MAX = 20.0
BATCH_BYTES_MAX = 1 << 20
FETCH_BYTES_MAX = 48 * 1024 * 1024
BROKER_ERRORS = (KafkaError, OSError)
_OUT_OF_STEP = (TimeoutError, OutOfOrderSequenceNumber, InvalidProducerEpoch, InvalidProducerIdMapping, UnknownError)
_OPEN_SECONDS_MAX = 20.0
_REMOVE_SECONDS_MAX = 60.0
_LOG_KEY = b"log/"  # the log's own record on varve.progress: its id and partition count; the lowest offset wins a race
_MS = 10**6


class KafkaLog:
    def __init__(self, brokers: str, topics: Topics, log_id: str, producer: AIOKafkaProducer, asker: AIOKafkaConsumer) -> None:
        self.brokers = brokers
        self.topics = topics
        self.served = Served()
        self.log_id = log_id
        self._producer = producer
        self._doubted: AIOKafkaProducer | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._asker = asker
        self._turns: dict[tuple[str, int], asyncio.Lock] = {}
        self._readers: set[KafkaReader] = set()

    async def append(self, topic: str, partition: int, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> Appended:
        turn = self._turns.setdefault((topic, partition), asyncio.Lock())
        producer = await self._sound()
        try:
            async with asyncio.timeout(APPEND_SECONDS_MAX):  # the producer itself may try for ever
                async with turn:  # FIFO: the producer's own buffer does not keep the order of those who wait for room
                    stored = await producer.send(topic, value, key, partition, headers=list(headers))
                found = await asyncio.shield(stored)
        except MessageSizeTooLargeError:
            words = f"a record of {len(value)} bytes for {topic} is over {RECORD_BYTES_MAX}: send less at once"
            raise TooLarge("record-too-large", words) from None
        except (TimeoutError, KafkaError, OSError) as reason:
            if isinstance(reason, _OUT_OF_STEP):
                self._doubted = producer
            raise unavailable(self.brokers, f"did not store a record on {topic}", reason) from reason
        return Appended(found.partition, found.offset, found.timestamp * _MS)

    async def _sound(self) -> AIOKafkaProducer:
        """A producer whose numbering the broker does not follow any more, as after a full disk, never stores again: another takes over."""
        if self._doubted is self._producer:
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(self._renew())
            await asyncio.shield(self._renewal)  # one attempt for all who wait
        return self._producer

    async def _renew(self) -> None:
        fresh = new_producer(self.brokers)
        try:
            await asyncio.wait_for(fresh.start(), 2 * REQUEST_SECONDS_MAX)
        except (TimeoutError, KafkaError, OSError) as reason:
            await fresh.stop()
            raise unavailable(self.brokers, "takes no new producer", reason) from reason
        before, self._producer = self._producer, fresh
        with suppress(TimeoutError, KafkaError, OSError):  # what it still had is refused to whoever waits for it
            await asyncio.wait_for(before.stop(), REQUEST_SECONDS_MAX)

    async def ends(self, topic: str) -> Mapping[int, int]:
        return await self._offsets(topic, self._asker.end_offsets)

    async def starts(self, topic: str) -> Mapping[int, int]:
        return await self._offsets(topic, self._asker.beginning_offsets)

    async def offsets_at(self, topic: str, time: int) -> Mapping[int, int]:
        """By partition, of the first record that was stored at this instant (UTC ns) or later; the end where there is none."""
        ends = await self.ends(topic)
        asked = {TopicPartition(topic, partition): -(-time // _MS) for partition in ends}
        found = await self._ask(self._asker.offsets_for_times(asked), f"did not tell the offsets of {topic} at a time")
        return dict(ends) | {tp.partition: int(there.offset) for tp, there in found.items() if there is not None}

    async def partitions(self, topic: str) -> int:
        return len(await self._ask(self._producer.partitions_for(topic), f"did not describe {topic}"))

    async def fetch(self, topic: str, partition: int, offset: int) -> LogRecord | None:
        """The record at this position; None where there is none (beyond the end, compacted away, or a marker)."""
        starts, ends = await self.starts(topic), await self.ends(topic)
        if not starts.get(partition, 0) <= offset < ends.get(partition, 0):
            return None
        reader = self.reader(topic, {partition: offset})
        try:
            found = await reader.poll(REQUEST_SECONDS_MAX, 1)
        finally:
            await reader.close()
        return found[0] if found and found[0].offset == offset else None

    def reader(self, topic: str, offsets: Mapping[int, int]) -> LogReader:
        reader = KafkaReader(self.brokers, topic, offsets)
        self._readers.add(reader)
        return reader

    async def close(self) -> None:
        for reader in self._readers:
            await reader.close()
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        await self._asker.stop()
        await self._producer.stop()

    async def _offsets(self, topic: str, ask: Any) -> Mapping[int, int]:
        partitions = await self._ask(self._producer.partitions_for(topic), f"did not describe {topic}")
        found = await self._ask(ask([TopicPartition(topic, partition) for partition in partitions]), f"did not tell the ends of {topic}")
        return {tp.partition: int(offset) for tp, offset in sorted(found.items())}

    async def _ask(self, answer: Awaitable[Any], what: str) -> Any:
        try:
            return await asyncio.wait_for(answer, 2 * REQUEST_SECONDS_MAX)
        except (TimeoutError, KafkaError, OSError) as reason:
            raise unavailable(self.brokers, what, reason) from reason


class KafkaReader:
    """Starts with its first poll."""

    def __init__(self, brokers: str, topic: str, offsets: Mapping[int, int]) -> None:
        self._brokers, self._topic, self._offsets = brokers, topic, dict(offsets)
        self._consumer: AIOKafkaConsumer | None = None

    async def poll(self, timeout_seconds: float, records_max: int = 500) -> Sequence[LogRecord]:
        try:
            consumer = self._consumer or await self._start()
            found = await consumer.getmany(timeout_ms=int(timeout_seconds * 1000), max_records=records_max)
        except OffsetOutOfRangeError as reason:
            words = f"{self._topic} does not hold the offsets asked for ({reason}): read from starts(), or run `varve rebuild`"
            raise Fault("offset-gone", words) from reason
        except (TimeoutError, KafkaError, OSError) as reason:
            raise unavailable(self._brokers, f"did not answer a read of {self._topic}", reason) from reason
        return [_record(one) for _, records in sorted(found.items()) for one in records]

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(TimeoutError):  # without a broker it may never end
                await asyncio.wait_for(consumer.stop(), REQUEST_SECONDS_MAX)

    async def _start(self) -> AIOKafkaConsumer:
        consumer = new_consumer(self._brokers)
        await consumer.start()
        self._consumer = consumer
        consumer.assign([TopicPartition(self._topic, partition) for partition in self._offsets])
        for partition, offset in self._offsets.items():
            consumer.seek(TopicPartition(self._topic, partition), offset)
        return consumer


@asynccontextmanager
async def log_of(settings: Settings) -> AsyncIterator[KafkaLog]:
    """The one that the settings name."""
    log = await open_log(settings.log.brokers, Topics(settings.log.prefix, settings.log.partitions), settings.log.replication)
    try:
        yield log
    finally:
        await log.close()


async def open_log(brokers: str, topics: Topics, replication: int) -> KafkaLog:
    producer, asker = new_producer(brokers), new_consumer(brokers)
    try:
        of_all = [one for one in topics.all() if one not in topics.of_generation()]
        await make_topics(brokers, of_all, replication)
        await asyncio.wait_for(asyncio.gather(producer.start(), asker.start()), _OPEN_SECONDS_MAX)
        log = KafkaLog(brokers, topics, "", producer, asker)
        await _refuse_other_count(log, topics)
        log.log_id = await _agree(log, topics)
        log.served = await serving(log, topics)
        log.topics = replace(topics, generation=log.served.generation)
        await make_topics(brokers, log.topics.of_generation(), replication)
    except (TimeoutError, KafkaError, OSError) as reason:
        await _stop(producer, asker)
        raise unavailable(brokers, "does not answer", reason) from reason
    except BaseException:
        await _stop(producer, asker)
        raise
    return log


async def make_topics(brokers: str, wanted: list[Topic], replication: int) -> None:
    """Topics that exist are left as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers, request_timeout_ms=int(3000 * REQUEST_SECONDS_MAX))
    try:
        await admin.start()
        there = set(await admin.list_topics())
        missing = [NewTopic(one.name, one.partitions, replication, topic_configs=one.config) for one in wanted if one.name not in there]
        if missing:
            answer = await admin.create_topics(missing)
            for name, code, *said in answer.topic_errors:
                if code not in (0, TopicAlreadyExistsError.errno):
                    words = next((word for word in said if word), for_code(code).__name__)
                    raise Fault("topic-refused", f"the broker at {brokers} refused to make topic {name}: {words}")
    except (TimeoutError, KafkaError, OSError) as reason:
        raise unavailable(brokers, "does not answer", reason) from reason
    finally:
        await admin.close()


async def remove_topics(brokers: str, names: Sequence[str]) -> None:
    """Returns when they are gone; those that are not there are no error."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers, request_timeout_ms=int(3000 * REQUEST_SECONDS_MAX))
    try:
        await admin.start()
        answer = await admin.delete_topics(list(names))
        for name, code in answer.topic_error_codes:
            if code not in (0, UnknownTopicOrPartitionError.errno):
                words = f"the broker at {brokers} refused to remove topic {name} ({for_code(code).__name__}): allow it there, and try again"
                raise Fault("topic-refused", words)
        async with asyncio.timeout(_REMOVE_SECONDS_MAX):
            while set(names) & set(await admin.list_topics()):  # noqa: ASYNC110 - a broker tells nobody when it is done
                await asyncio.sleep(0.1)
    except (TimeoutError, KafkaError, OSError) as reason:
        raise unavailable(brokers, "did not remove its topics in time", reason) from reason
    finally:
        await admin.close()


async def _refuse_other_count(log: KafkaLog, topics: Topics) -> None:
    found = await log.partitions(topics.events)
    if found != topics.partitions:
        raise _other_count(topics, found)


async def _agree(log: KafkaLog, topics: Topics) -> str:
    found = await _first_record(log, topics)
    if found is None:
        own = new_id().hex
        body = {"log_id": own, "partitions": topics.partitions}
        await log.append(topics.progress, 0, orjson.dumps(body), key=_LOG_KEY + own.encode())
        found = await _first_record(log, topics)
    if found is None:
        raise Fault("log-unnamed", f"the log's own record on {topics.progress} cannot be read back: see the broker's log")
    log_id, partitions = found
    if partitions != topics.partitions:
        raise _other_count(topics, partitions)
    return log_id


async def _first_record(log: KafkaLog, topics: Topics) -> tuple[str, int] | None:
    """The oldest log/ record. It is written before anything else, so the first poll nearly always has it."""
    at, end = (await log.starts(topics.progress))[0], (await log.ends(topics.progress))[0]
    reader = log.reader(topics.progress, {0: at})
    try:
        async with asyncio.timeout(_OPEN_SECONDS_MAX):
            while at < end:
                for record in await reader.poll(0.2):
                    at = record.offset + 1
                    if record.key is not None and record.key.startswith(_LOG_KEY):
                        body = orjson.loads(record.value)
                        return str(body["log_id"]), int(body["partitions"])
    finally:
        await reader.close()
    return None


def _other_count(topics: Topics, found: int) -> Fault:
    return Fault(
        "partition-count-differs",
        f"{topics.events} was made with {found} partitions and the settings say {topics.partitions}: set VARVE_LOG__PARTITIONS={found}. "
        "A log's partition count never changes; a bigger log is a new one, empty, under another VARVE_LOG__PREFIX",
    )


async def _stop(producer: AIOKafkaProducer, asker: AIOKafkaConsumer) -> None:
    await asker.stop()
    await producer.stop()


def new_consumer(brokers: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=brokers,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=RECORD_BYTES_MAX + (1 << 20),
        fetch_max_bytes=FETCH_BYTES_MAX,
        request_timeout_ms=int(2000 * REQUEST_SECONDS_MAX),
        isolation_level="read_committed",
    )


def new_producer(brokers: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=brokers,
        enable_idempotence=True,
        acks="all",
        max_request_size=RECORD_BYTES_MAX,
        max_batch_size=BATCH_BYTES_MAX,
        request_timeout_ms=int(1000 * REQUEST_SECONDS_MAX),
    )


def unavailable(brokers: str, what: str, reason: BaseException) -> Unavailable:
    said = str(reason) or type(reason).__name__
    words = f"the broker at {brokers} {what} ({said}): see that it runs and that VARVE_LOG__BROKERS names it"
    return Unavailable("broker-unreachable", words)


def _record(one: Any) -> LogRecord:
    headers = tuple((str(name), bytes(value or b"")) for name, value in one.headers or ())
    return LogRecord(one.topic, one.partition, one.offset, one.timestamp * _MS, one.key, one.value or b"", headers)
