"""Which way writes go, on the log in memory: what lies in several partitions, and how it gathers while the route agent is at work."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from api.clock_guard import ClockGuard
from api.outcomes import Outcomes
from api.receipts import Receipts
from api.spool import Spool
from api.verdict import OutcomeRow
from api.views import Views
from api.writer import Writer
from sink.watermark import Watermarks
from streams.log_memory import MemoryLog
from streams.receipts import Receipt
from streams.topics import Topics
from varve import codec
from varve.clock import SystemClock
from varve.columns import Target, make_points
from varve.events import PointsIncremented
from varve.record import Record, single
from varve.series import partition_of, series_id
from varve.settings import HttpSettings

TOPICS, TENANT = Topics("varve", 2), uuid.UUID(int=1)
KEYS = [f"s{number}" for number in range(20)]  # in both partitions


class Room:
    """A writer, and in our hands the route agent's receipts."""

    def __init__(self, spool: Path) -> None:
        clock = SystemClock()
        self.log = MemoryLog(TOPICS.all(), clock)
        guard, views, outcomes = ClockGuard(clock), Views(Watermarks(2), self.log.log_id, HttpSettings()), Outcomes(_nothing)
        self.receipts = Receipts(self.log, TOPICS.receipts)
        uploads = Spool(spool, self.log, TOPICS.events, guard.heard, 1.0)
        self.writer = Writer(self.log, TOPICS, HttpSettings(), clock, guard, self.receipts, outcomes, views, uploads)

    def routed(self) -> list[list[float]]:
        """The first amount of each event of each intake record; records of a partition in order."""
        records = [one for partition in range(2) for one in self.log.records(TOPICS.intake, partition)]
        decoded = [codec.decode(one.value, codec.ARROW) for one in records]
        return [[one.points.value[one.points.event == number][0] for number in range(len(one.events))] for one in decoded]

    async def tell(self) -> None:
        """A receipt of every record that is there."""
        for partition in range(2):
            for one in self.log.records(TOPICS.intake, partition):
                key, value = Receipt(partition, one.offset, {0: 7}).encode()
                await self.log.append(TOPICS.receipts, 0, value, key=key)


def test_small_writes_that_come_while_one_is_routed_share_the_next_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.writer.GATHER_SECONDS_MAX", 60.0)

    async def run() -> None:
        room = Room(tmp_path)
        following = asyncio.create_task(room.receipts.run())
        await room.receipts.following.wait()
        writes = [asyncio.create_task(room.writer.write(_record(0), "log"))]
        await _until(lambda: room.routed() == [[0]])
        writes += [asyncio.create_task(room.writer.write(_record(value), "log")) for value in range(1, 6)]
        await asyncio.sleep(0)
        assert room.routed() == [[0]]
        await room.tell()
        await _until(lambda: len(room.routed()) == 2)
        await room.tell()
        assert [(await write).token.offsets for write in writes] == [{0: 7}] * 6
        assert sorted(room.routed()) == [[0], [1, 2, 3, 4, 5]]
        following.cancel()

    asyncio.run(run())


def test_a_route_agent_that_does_not_answer_holds_no_write_back_from_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.writer.GATHER_SECONDS_MAX", 0.0)

    async def run() -> None:
        room = Room(tmp_path)
        writes = [asyncio.create_task(room.writer.write(_record(0), "log"))]
        await _until(lambda: room.routed() == [[0]])
        writes += [asyncio.create_task(room.writer.write(_record(value), "log")) for value in (1, 2)]
        await _until(lambda: sum(map(len, room.routed())) == 3)
        for write in writes:
            write.cancel()
        assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*writes, return_exceptions=True))

    asyncio.run(run())


@pytest.mark.parametrize(("stranger", "topic"), [(None, TOPICS.events), (1, TOPICS.intake), (199, TOPICS.intake)])
def test_one_row_in_another_partition_sends_a_record_of_many_series_to_the_route_agent(
    tmp_path: Path, stranger: int | None, topic: str
) -> None:
    keys = [f"k{number}" for number in range(600)]
    here, there = ([key for key in keys if partition_of(series_id(TENANT, key), 2) == partition] for partition in range(2))
    named = [there[0] if number == stranger else here[number] for number in range(200)]

    async def run() -> None:
        room = Room(tmp_path)
        write = asyncio.create_task(room.writer.write(_record(1, named), "log"))
        await _until(lambda: any(room.log.records(name, partition) for name in (TOPICS.events, TOPICS.intake) for partition in range(2)))
        assert any(room.log.records(topic, partition) for partition in range(2))
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)

    asyncio.run(run())


def _record(value: float, keys: Sequence[str] = KEYS) -> Record:
    """One row of each series."""
    targets, count = [Target(TENANT, series_id(TENANT, key), key) for key in keys], len(keys)
    points = make_points(targets, np.arange(count, dtype=np.int32), np.zeros(count, np.int64), np.full(count, float(value)))
    return single(PointsIncremented(tenant=TENANT, value_type="number"), points)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - the log in memory tells nobody
            await asyncio.sleep(0)


async def _nothing(_events: object) -> list[OutcomeRow]:
    return []
