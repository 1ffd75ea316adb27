"""How producers fill and close records, wait for room, and what they refuse before anything is sent."""

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.conftest import VarveUp
from varve import Client, Producer, SyncProducer
from varve.columns import Target, make_points
from varve.errors import Incorrect, TooLarge
from varve.events import PointsWritten
from varve.producer import Delivered, Linger
from varve.series import partition_of, series_id

pytestmark = pytest.mark.slow
HOURS = pd.date_range("2025-01-01", periods=4, freq="h", tz="UTC", unit="ns", name="valid_time")
FOR_EVER = 60.0


def nanoseconds(count: int) -> list[int]:
    return [HOURS[0].value + number for number in range(count)]


def test_a_full_record_goes_long_before_its_time_is_up_and_the_rest_waits_for_more(running_varve: VarveUp) -> None:
    async def produce() -> list[Delivered]:
        linger = Linger(seconds=FOR_EVER, rows_max=10)
        async with Producer(running_varve.note.brokers, tenant=uuid.uuid4(), linger=linger) as producer:
            reports = [await producer.write("s", HOURS, [1.0] * 4) for _ in range(3)]  # two fit, the third waits
            await asyncio.wait_for(reports[0], FOR_EVER / 2)
            reports += [await producer.write("s", HOURS, [1.0] * 4) for _ in range(3)]
            await asyncio.wait_for(producer.flush(), FOR_EVER / 2)
            return [await report for report in reports]

    offsets = [one.position.offset for one in asyncio.run(produce())]
    assert len(set(offsets)) == 3 and offsets == sorted(offsets)


def test_leaving_delivers_what_lingers_and_events_of_one_partition_share_its_record(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()

    async def produce() -> list[asyncio.Future[Delivered]]:
        async with Producer(running_varve.note.brokers, tenant=tenant, linger=Linger(seconds=FOR_EVER)) as producer:
            reports = [await producer.write(f"s{number}", HOURS[:1], [float(number)]) for number in range(40)]
            assert not any(report.done() for report in reports)
            leaving = asyncio.create_task(producer.flush())
            await asyncio.wait_for(leaving, FOR_EVER / 2)
            assert producer.partitions == len({(await report).position.partition for report in reports})
        return reports

    delivered = [report.result() for report in asyncio.run(produce())]
    assert len({one.position for one in delivered}) == len({one.position.partition for one in delivered})
    with Client(running_varve.url, tenant=tenant) as client:
        for one in {str(one.token): one for one in delivered}.values():
            client.wait_for(str(one.token))
        assert client.flat([f"s{number}" for number in range(40)]).iloc[0].tolist() == [float(number) for number in range(40)]


def test_who_finds_no_room_waits_until_what_is_before_is_stored(running_varve: VarveUp) -> None:
    async def second_waited(in_flight_bytes_max: int) -> bool:
        linger = Linger(seconds=0.2, in_flight_bytes_max=in_flight_bytes_max)
        async with Producer(running_varve.note.brokers, tenant=uuid.uuid4(), linger=linger) as producer:
            first = await producer.write("s", HOURS, [1.0] * 4)
            await producer.write("s", HOURS, [2.0] * 4)
            return first.done()

    assert asyncio.run(second_waited(1_000)) and not asyncio.run(second_waited(1_000_000))


def test_two_series_of_one_partition_go_to_the_log_at_once(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()

    async def produce() -> Delivered:
        async with Producer(running_varve.note.brokers, tenant=tenant) as producer:
            keys = [key for key in map(str, range(100)) if partition_of(series_id(tenant, key), producer.partitions) == 0][:2]
            targets = [Target(tenant, series_id(tenant, key), key) for key in keys]
            points = make_points(targets, np.arange(2, dtype=np.int32), np.array(nanoseconds(2)), np.arange(2.0))
            return await (await producer.send(PointsWritten(tenant=tenant, value_type="number"), points))

    delivered = asyncio.run(produce())
    assert (delivered.topic, delivered.position.partition) == ("varve.events", 0) and delivered.token is not None
    with Client(running_varve.url, tenant=tenant) as client:
        client.wait_for(str(delivered.token))
        assert [row["value_type"] for row in client.find()] == ["number"] * 2


def test_the_synchronous_producer_reports_where_its_event_is(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()
    with SyncProducer(running_varve.note.brokers, tenant=tenant) as producer:
        report = producer.write("s", HOURS, pd.Series([1.0, None, 3.0, 4.0]), known_time="2025-01-01T12:00:00Z")
        producer.flush()
        assert report.done()
        token = str(report.result().token)
        with Client(running_varve.url, tenant=tenant) as client:
            assert client.flat("s", after=token).fillna(-1).tolist() == [1.0, -1.0, 3.0, 4.0]
            assert client.overlapping("s").index[0] == (pd.Timestamp("2025-01-01T12:00:00Z"), HOURS[0])
    with pytest.raises(Incorrect, match="inside `with"):
        producer.write("s", HOURS[:1], [1.0])


def test_what_cannot_be_an_event_is_refused_in_words_and_nothing_is_sent(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()
    with SyncProducer(running_varve.note.brokers, tenant=tenant) as producer:
        with pytest.raises(Incorrect, match="row 1 is infinite"):
            producer.write("s", HOURS[:2], [1.0, float("inf")])
        with pytest.raises(Incorrect, match="4 valid_time and 1 value"):
            producer.write("s", HOURS, [1.0])
        with pytest.raises(Incorrect, match="offset"):
            producer.write("s", HOURS.tz_localize(None), [1.0] * 4)
        with pytest.raises(TooLarge, match="send less"):
            producer.write("s", nanoseconds(1 << 20), np.ones(1 << 20))
        token = producer.write("s", HOURS[:1], [1.0]).result().token
    with Client(running_varve.url, tenant=tenant) as client:
        assert client.flat("s", after=str(token)).tolist() == [1.0]


@pytest.mark.parametrize("example", ["producer_confluent.py", "producer_aiokafka.py"])
def test_the_foreign_examples_import_nothing_of_ours_and_publish_plain_json(running_varve: VarveUp, example: str) -> None:
    path = Path(__file__).parents[2] / "examples" / example
    assert "varve" not in path.read_text().replace("varve.intake", "").replace("Varve", "") and len(path.read_text().splitlines()) <= 40
    command = [sys.executable, str(path), running_varve.note.brokers]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    partition, offset = (int(word.strip(",\n")) for word in said.split() if word.strip(",\n").isdigit())
    value = asyncio.run(record_at(running_varve.note.brokers, TopicPartition("varve.intake", partition), offset))
    assert json.loads(value)["type"] == "points_written"


async def record_at(brokers: str, place: TopicPartition, offset: int) -> bytes:
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=None)
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, offset)
        async with asyncio.timeout(30):
            found = await consumer.getone(place)
        return bytes(found.value)
    finally:
        await consumer.stop()
