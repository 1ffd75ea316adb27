"""Producers straight to the log of a real server: ours, its synchronous form, and one that knows nothing of us."""

import asyncio
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import VarveUp, wait_until
from varve import Client, Producer, SyncProducer
from varve.columns import Target, make_points
from varve.errors import NotFound, Unavailable
from varve.events import PointsWritten
from varve.instants import parse_instants
from varve.ports import choose_free
from varve.producer import Delivered, Linger
from varve.series import series_id

pytestmark = pytest.mark.slow
TIMES = ["2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z"]
EXAMPLES = Path(__file__).parents[2] / "examples"


def reader(running: VarveUp, tenant: uuid.UUID) -> Client:
    return Client(running.url, tenant=tenant)


def test_events_of_one_partition_go_to_the_log_and_are_read_by_their_token(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()

    async def produce() -> list[Delivered]:
        async with Producer(running_varve.note.brokers, tenant=tenant) as producer:
            reports = [await producer.write(f"p/{number}", TIMES, [float(number), None]) for number in range(50)]
            return [await report for report in reports]

    delivered = asyncio.run(produce())
    assert {one.topic for one in delivered} == {"varve.events"}
    assert len({one.position for one in delivered}) < 50, "small events share records"
    client = reader(running_varve, tenant)
    for number, one in enumerate(delivered):
        found = client.flat(f"p/{number}", after=str(one.token))
        assert found.iloc[0] == number and found.isna().iloc[1]


def test_an_event_over_several_partitions_goes_to_intake_and_is_applied_whole_and_once(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()
    keys = [f"wide/{number}" for number in range(40)]
    targets = [Target(tenant, series_id(tenant, key), key) for key in keys]
    points = make_points(targets, np.arange(40, dtype=np.int32), parse_instants(TIMES[:1] * 40), np.arange(40.0))

    async def produce() -> list[Delivered]:
        async with Producer(running_varve.note.brokers, tenant=tenant) as producer:
            event = PointsWritten(tenant=tenant, value_type="number", event_id="the same twice")
            return [await (await producer.send(event, points)) for _ in range(2)]

    delivered = asyncio.run(produce())
    assert {one.topic for one in delivered} == {"varve.intake"} and len({one.position.partition for one in delivered}) == 1
    client = reader(running_varve, tenant)
    wait_until(lambda: len(client.find(prefix="wide/")) == 40, 30, "40 series")
    assert client.flat(keys).iloc[0].tolist() == list(range(40))
    assert len(client.history(keys)) == 40


def test_bytes_in_flight_are_bounded_and_everything_arrives(running_varve: VarveUp) -> None:
    tenant = uuid.uuid4()
    with SyncProducer(running_varve.note.brokers, tenant=tenant, linger=Linger(in_flight_bytes_max=2_000)) as producer:
        reports = [producer.write("narrow", [f"2025-01-01T00:{minute:02}:00Z"], [float(minute)]) for minute in range(60)]
    last = reports[-1].result()
    assert reader(running_varve, tenant).flat("narrow", after=str(last.token)).tolist() == list(range(60))


def test_a_broker_without_varve_and_no_broker_are_told_apart(running_varve: VarveUp) -> None:
    with pytest.raises(NotFound, match="varve topics"), SyncProducer(running_varve.note.brokers, prefix="elsewhere"):
        pass
    with pytest.raises(Unavailable, match="127.0.0.1"), SyncProducer(f"127.0.0.1:{choose_free()}"):
        pass


@pytest.mark.parametrize(
    ("program", "key", "values"),
    [("producer_confluent.py", "plant-7/power", [12.5, 13.25]), ("producer_aiokafka.py", "plant-8/power", [4.5])],
)
def test_a_foreign_producer_that_sends_twice_counts_once(running_varve: VarveUp, program: str, key: str, values: list[float]) -> None:
    for _ in range(2):
        said = subprocess.run(
            [sys.executable, str(EXAMPLES / program), running_varve.note.brokers], capture_output=True, text=True, check=True, timeout=60
        )
        assert "on varve.intake" in said.stdout
    client = Client(running_varve.url)
    wait_until(lambda: client.find(prefix=key), 30, key)
    assert client.flat(key).dropna().tolist() == values
    assert len(client.history(key)) == 2
