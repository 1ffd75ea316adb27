"""What every log keeps, shown over the memory log and a real broker: the simulation is worth as much as this suite."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from streams.log import Log
from streams.log_kafka import open_log
from streams.log_memory import MemoryLog
from streams.topics import RECORD_BYTES_MAX, Topics
from varve.clock import SystemClock
from varve.errors import Fault, TooLarge, Unavailable

KINDS = ["memory", pytest.param("kafka", marks=pytest.mark.slow)]
Body = Callable[[Log, Topics], Awaitable[None]]


@asynccontextmanager
async def opened(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Log, Topics]]:
    topics = Topics(f"contract{time.time_ns()}", 3)
    log: Log = MemoryLog(topics.all(), SystemClock()) if kind == "memory" else await open_log(request.getfixturevalue("broker"), topics, 1)
    try:
        yield log, topics
    finally:
        await log.close()


def shown(kind: str, request: pytest.FixtureRequest, body: Body) -> None:
    if kind == "kafka":
        request.getfixturevalue("broker")  # started before the event loop is

    async def run() -> None:
        async with opened(kind, request) as (log, topics):
            await body(log, topics)

    asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_comes_back_as_it_was_appended(kind: str, request: pytest.FixtureRequest) -> None:
    async def body(log: Log, topics: Topics) -> None:
        before = time.time_ns() - 2 * 10**9
        stored = await log.append(topics.events, 1, b"\x00value", key=b"key", headers=(("a", b"1"), ("a", b"2")))
        found = await log.fetch(topics.events, 1, 0)
        assert found is not None
        assert (stored.partition, stored.offset) == (found.partition, found.offset) == (1, 0)
        assert (found.topic, found.key, found.value, found.headers) == (topics.events, b"key", b"\x00value", (("a", b"1"), ("a", b"2")))
        assert found.timestamp == stored.timestamp
        assert before < found.timestamp < time.time_ns() + 2 * 10**9
        assert found.header("a") == "1"
        assert found.header("b") is None

    shown(kind, request, body)


@pytest.mark.parametrize("kind", KINDS)
def test_concurrent_appends_to_a_partition_keep_the_order_of_their_calls(kind: str, request: pytest.FixtureRequest) -> None:
    async def body(log: Log, topics: Topics) -> None:
        stored = await asyncio.gather(*(log.append(topics.events, 0, b"%d" % number * 2000) for number in range(2000)))
        assert [one.offset for one in stored] == list(range(2000))
        assert dict(await log.ends(topics.events)) == {0: 2000, 1: 0, 2: 0}
        assert dict(await log.starts(topics.events)) == {0: 0, 1: 0, 2: 0}

    shown(kind, request, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_starts_where_it_is_told_and_goes_on_with_what_comes(kind: str, request: pytest.FixtureRequest) -> None:
    async def body(log: Log, topics: Topics) -> None:
        for number in range(10):
            await log.append(topics.events, number % 2, b"%d" % number)
        reader = log.reader(topics.events, {0: 3, 1: 0})
        found: dict[int, list[int]] = {0: [], 1: []}
        async with asyncio.timeout(20):
            while sum(map(len, found.values())) < 7:
                for record in await reader.poll(1.0, 2):
                    found[record.partition].append(record.offset)
        assert found == {0: [3, 4], 1: [0, 1, 2, 3, 4]}
        assert not await reader.poll(0.05)
        waiting = asyncio.create_task(reader.poll(20.0))
        await log.append(topics.events, 2, b"of another partition")
        await log.append(topics.events, 0, b"late")
        assert [(record.partition, record.offset, record.value) for record in await waiting] == [(0, 5, b"late")]
        await reader.close()

    shown(kind, request, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_the_largest_size_passes_and_a_larger_one_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    async def body(log: Log, topics: Topics) -> None:
        large = bytes(RECORD_BYTES_MAX - 4096)
        await log.append(topics.events, 0, large)
        found = await log.fetch(topics.events, 0, 0)
        assert found is not None
        assert found.value == large
        with pytest.raises(TooLarge, match="send less at once"):
            await log.append(topics.events, 0, bytes(RECORD_BYTES_MAX + 1))
        assert (await log.append(topics.events, 0, b"next")).offset == 1

    shown(kind, request, body)


@pytest.mark.parametrize("kind", KINDS)
def test_a_position_without_a_record_is_none_and_reading_beyond_the_end_is_refused(kind: str, request: pytest.FixtureRequest) -> None:
    async def body(log: Log, topics: Topics) -> None:
        await log.append(topics.events, 0, b"only")
        assert await log.fetch(topics.events, 0, 1) is None
        assert await log.fetch(topics.events, 1, 0) is None
        reader = log.reader(topics.events, {0: 9})
        with pytest.raises(Fault, match="rebuild"):
            await reader.poll(5.0)
        await reader.close()

    shown(kind, request, body)


@pytest.mark.slow
def test_two_who_open_a_new_log_at_once_agree_on_its_id(broker: str) -> None:
    topics = Topics(f"agree{time.time_ns()}", 3)

    async def body() -> None:
        logs = await asyncio.gather(*(open_log(broker, topics, 1) for _ in range(3)))
        later = await open_log(broker, topics, 1)
        assert {log.log_id for log in logs} == {later.log_id}
        assert len(later.log_id) == 32
        for log in (*logs, later):
            await log.close()

    asyncio.run(body())


@pytest.mark.slow
def test_another_partition_count_is_refused_with_the_right_setting_named(broker: str) -> None:
    prefix = f"count{time.time_ns()}"

    async def body() -> None:
        await (await open_log(broker, Topics(prefix, 3), 1)).close()
        with pytest.raises(Fault, match="VARVE_LOG__PARTITIONS=3"):
            await open_log(broker, Topics(prefix, 4), 1)

    asyncio.run(body())


def test_a_broker_that_is_not_there_is_named(unused_tcp_address: str) -> None:
    with pytest.raises(Unavailable, match=unused_tcp_address):
        asyncio.run(open_log(unused_tcp_address, Topics("nowhere", 1), 1))


@pytest.fixture
def unused_tcp_address() -> str:
    from varve.ports import choose_free

    return f"127.0.0.1:{choose_free()}"
