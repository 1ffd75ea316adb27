"""The worker process on a real broker: it remembers when idle, drains when asked to stop, steps over foreign transactions'
markers, leaves a group that does not answer, and refuses a log that lost its tail (I5, I6, I12).
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer

from streams.agents import EXIT_OUTAGE
from streams.changelogs import changelogs
from streams.dead_letters import list_letters
from streams.log_kafka import KafkaLog, make_topics, open_log
from streams.progress import Beat, read_beat
from streams.receipts import Receipt
from streams.state import Change, PartitionState, position_of
from streams.topics import Topics
from tests.integration.crew import Crew, compare, read_all, remembered_records, settled
from varve.broker import EmbeddedBroker
from varve.settings import java_home

pytestmark = pytest.mark.slow
KEYS = [f"key-{number}" for number in range(16)]
Body = Callable[[KafkaLog, Topics, Crew], Awaitable[None]]


def run(broker: str, directory: Path, body: Body) -> None:
    async def started() -> None:
        topics = Topics(f"worker{time.time_ns()}", 4)
        log = await open_log(broker, topics, 1)
        crew = Crew(broker, topics, directory, session_seconds=20.0, stall_seconds=10.0)
        try:
            await body(log, topics, crew)
        finally:
            crew.stop()
            await log.close()

    asyncio.run(started())


def event(number: int) -> bytes:
    rows = len(KEYS)
    return orjson.dumps({"type": "points_written", "series": KEYS, "valid_time": [number * 10**9] * rows, "value": [number] * rows})


async def receipts(log: KafkaLog, topics: Topics, count: int) -> list[Receipt]:
    found: list[Receipt] = []
    reader = log.reader(topics.receipts, {0: 0})
    try:
        async with asyncio.timeout(40):
            while len(found) < count:
                found += [Receipt.decode(one.key or b"", one.value) for one in await reader.poll(1.0)]
    finally:
        await reader.close()
    return found


async def newest_beat(log: KafkaLog, topics: Topics) -> Beat | None:
    beats = [beat for record in await read_all(log, topics.progress, 0) if (beat := read_beat(record)) is not None]
    return beats[-1] if beats else None


def test_an_idle_worker_remembers_and_one_that_is_asked_to_stop_drains(broker: str, tmp_path: Path) -> None:
    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        crew.start("a")
        await log.append(topics.intake, 0, event(1))
        await settled(log, topics, crew, 40)  # no other record comes: the timer alone has written the state
        for number in range(2, 60):
            await log.append(topics.intake, number % 4, event(number))
        await receipts(log, topics, 59)
        assert crew.leave("a") == 0
        route_log = changelogs(topics)[1].name
        for partition, end in (await log.ends(topics.intake)).items():
            own = (await remembered_records(log, route_log, partition))[b"%d/partition" % partition]
            assert position_of(own) == end - 1, "what was taken was remembered before it left"
        beat = await newest_beat(log, topics)
        assert beat is not None
        assert beat.state == "stopped"
        crew.start("a")
        await settled(log, topics, crew, 40)
        assert (await compare(log, topics, 59 * len(KEYS))).complaints == []
        assert crew.ends == []

    run(broker, tmp_path, body)


def test_poison_is_a_dead_letter_and_the_next_record_is_processed(broker: str, tmp_path: Path) -> None:
    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        crew.start("a")
        await log.append(topics.intake, 2, b"nonsense")
        await log.append(topics.events, 1, b"more nonsense")
        await log.append(topics.intake, 2, event(1))
        told = await receipts(log, topics, 2)
        assert [bool(one.refused) for one in told] == [True, False]
        await settled(log, topics, crew, 40)
        letters = [one.letter for one in await list_letters(log, topics)]
        assert {(one.topic, one.partition, one.offset, one.value) for one in letters} == {
            (topics.intake, 2, 0, b"nonsense"),
            (topics.events, 1, 0, b"more nonsense"),
        }
        assert (await compare(log, topics, len(KEYS))).complaints == []

    run(broker, tmp_path, body)


def test_foreign_transactions_are_read_when_committed_and_their_markers_stepped_over(broker: str, tmp_path: Path) -> None:
    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        crew.start("a")
        await asyncio.to_thread(transactions, broker, topics.intake)
        stored = await log.append(topics.intake, 0, event(9))
        told = await receipts(log, topics, 3)
        assert [one.intake_offset for one in told] == [0, 4, stored.offset]  # 1 and 3 are markers, 2 was aborted
        await settled(log, topics, crew, 40)
        assert (await compare(log, topics, 3 * len(KEYS))).complaints == []

    run(broker, tmp_path, body)


def test_a_worker_whose_group_does_not_answer_ends_and_a_new_one_goes_on(tmp_path: Path, jar_cache: Path) -> None:
    own = EmbeddedBroker(tmp_path / "broker", jar_cache, 256, java_home())

    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        crew.session_seconds, crew.stall_seconds, crew.forgotten_seconds = 4.0, 2.0, 8.0
        crew.start("a")
        await log.append(topics.intake, 0, event(1))
        await settled(log, topics, crew, 40)
        os.kill(own.pid, signal.SIGSTOP)
        try:
            code = await asyncio.to_thread(crew.processes["a"].wait, 40)
        finally:
            os.kill(own.pid, signal.SIGCONT)
        assert code == EXIT_OUTAGE
        assert "the group has not answered" in (tmp_path / "a.log").read_text()
        await log.append(topics.intake, 0, event(2))
        await settled(log, topics, crew, 40)
        assert (await compare(log, topics, 2 * len(KEYS))).complaints == []

    try:
        run(own.start(), tmp_path, body)
    finally:
        own.stop()


def transactions(broker: str, topic: str) -> None:
    """Committed, aborted, committed."""
    producer = Producer({"bootstrap.servers": broker, "transactional.id": f"foreign-{topic}"})
    producer.init_transactions(30)
    for number, commit in enumerate([True, False, True]):
        producer.begin_transaction()
        producer.produce(topic, event(number), partition=0)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)


def test_a_log_that_lost_its_tail_is_refused_with_the_repair_named(broker: str, tmp_path: Path) -> None:
    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        await make_topics(broker, changelogs(topics), 1)
        state = PartitionState(3)
        for offset in range(50):
            state.take(Change(offset))
        for key, value in state.flush():
            await log.append(changelogs(topics)[0].name, 3, value, key=key)
        crew.start("a")
        assert await asyncio.to_thread(crew.processes["a"].wait, 40) == 78
        said = (tmp_path / "a.log").read_text()
        assert "the log lost its tail" in said
        assert f"{topics.events} partition 3 ends at 0" in said
        assert "varve rebuild" in said

    run(broker, tmp_path, body)
