"""The writer's rooms on the log in memory, with faults injected: lanes, receipts, the clock guard, waiting, the spool."""

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from api.clock_guard import ClockGuard
from api.cut import plan
from api.errors import StillWaiting
from api.lanes import Lane, Limits
from api.outcomes import Outcomes
from api.receipts import Receipts
from api.spool import Spool
from api.verdict import OutcomeRow
from api.views import Views
from api.writer import Writer, touched
from streams.log import Appended, Headers
from streams.log_memory import MemoryLog
from streams.receipts import Receipt
from streams.topics import RECORD_BYTES_MAX, Topics
from tests.conftest import wait_until
from varve import codec
from varve.codec import event_key
from varve.columns import Target, make_points
from varve.errors import Conflict, TooLarge, Unavailable
from varve.events import EntityPut, PointsWritten
from varve.position import Token, version_of
from varve.record import Record, refusals, single
from varve.series import series_id
from varve.settings import HttpSettings

TOPICS = Topics("varve", 2)
TENANT = uuid.UUID(int=1)
SECOND = 10**9


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = 1_700_000_000 * SECOND

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.time / SECOND


class SlowLog(MemoryLog):
    """Appends wait for the gate, so that writes gather."""

    gate: asyncio.Event

    async def append(self, topic: str, partition: int, value: bytes, *, key: bytes | None = None, headers: Headers = ()) -> Appended:
        await self.gate.wait()
        return await super().append(topic, partition, value, key=key, headers=headers)


def record_of(value: float, rows: int = 1) -> Record:
    points = make_points(
        [Target(TENANT, series_id(TENANT, "s"), "s")], np.zeros(rows, np.int32), np.arange(rows, dtype=np.int64), np.full(rows, value)
    )
    return single(PointsWritten(tenant=TENANT, recorded_time=5, value_type="number"), points)


def memory() -> MemoryLog:
    return MemoryLog(TOPICS.all(), Hands())


def test_writes_that_come_while_one_flies_share_a_record_in_order() -> None:
    async def run() -> None:
        log = SlowLog(TOPICS.all(), Hands())
        log.gate = asyncio.Event()
        lane = Lane(log, TOPICS.events, 0, Limits(1000, 1 << 20, 0.01), lambda _: None)
        writes = [asyncio.create_task(lane.append(record_of(0)))]
        await asyncio.sleep(0)
        writes += [asyncio.create_task(lane.append(record_of(value))) for value in range(1, 20)]
        await asyncio.sleep(0)
        log.gate.set()
        await asyncio.gather(*writes)
        await lane.settle()
        decoded = [codec.decode(one.value, one.header("content-type")) for one in log.records(TOPICS.events, 0)]
        assert [value for one in decoded for value in one.points.value.tolist()] == list(range(20))
        assert len(decoded) < 20

    asyncio.run(run())


def test_a_record_never_holds_more_rows_than_it_may() -> None:
    async def run() -> None:
        log = memory()
        lane = Lane(log, TOPICS.events, 0, Limits(10, 1 << 20, 0.01), lambda _: None)
        await asyncio.gather(*(lane.append(record_of(value, rows=4)) for value in range(9)))
        sizes = [len(codec.decode(one.value, codec.ARROW).points) for one in log.records(TOPICS.events, 0)]
        assert sum(sizes) == 36
        assert max(sizes) <= 10

    asyncio.run(run())


def test_an_append_that_fails_is_told_to_each_who_waits_and_the_lane_lives_on() -> None:
    async def run() -> None:
        log = memory()
        lane = Lane(log, TOPICS.events, 0, Limits(1000, 1 << 20, 0), lambda _: None)
        log.reachable = False
        found = await asyncio.gather(*(lane.append(record_of(value)) for value in range(3)), return_exceptions=True)
        assert all(isinstance(one, Unavailable) for one in found)
        log.reachable = True
        assert (await lane.append(record_of(1))).offset == 0

    asyncio.run(run())


def test_a_receipt_wakes_its_request_whether_it_comes_before_or_after() -> None:
    async def run() -> None:
        log = memory()
        receipts = Receipts(log, TOPICS.receipts)
        following = asyncio.create_task(receipts.run())
        await receipts.following.wait()

        async def tell(offset: int) -> None:
            key, value = Receipt(1, offset, {0: 7}).encode()
            await log.append(TOPICS.receipts, 0, value, key=key)

        await log.append(TOPICS.receipts, 0, b"nonsense", key=b"nonsense")
        waiting = asyncio.create_task(receipts.of(1, 4, 5.0))
        await tell(4)
        assert (await waiting).offsets == {0: 7}
        await tell(5)
        await tell(6)
        assert (await receipts.of(1, 6, 5.0)).intake_offset == 6
        assert (await receipts.of(1, 5, 5.0)).intake_offset == 5
        with pytest.raises(Unavailable, match="not confirmed"):
            await receipts.of(1, 99, 0.01)
        following.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(("seconds", "served"), [(29, True), (-29, True), (31, False), (-31, False)])
def test_writes_are_refused_while_the_clock_is_far_from_the_brokers(seconds: int, served: bool) -> None:
    clock = Hands()
    guard = ClockGuard(clock)
    guard.heard(clock.now() - seconds * SECOND)
    if served:
        guard.check()
    else:
        with pytest.raises(Unavailable, match="clock"):
            guard.check()
        guard.heard(clock.now())
        guard.check()


class Marks:
    """Watermarks that stand still."""

    def vector(self) -> Mapping[int, int]:
        return {0: 3, 1: 0}

    async def reached(self, offsets: Mapping[int, int], seconds_max: float) -> bool:
        await asyncio.sleep(0)
        return False

    async def moved(self, vector: Mapping[int, int], seconds_max: float) -> bool:
        return await self.reached(vector, seconds_max)


def test_a_wait_that_is_given_up_says_its_token_and_held_requests_are_bounded() -> None:
    async def run() -> None:
        views = Views(Marks(), "1" * 32, HttpSettings(held_requests_max=1, wait_seconds_max=0.01))
        await views.reached(Token("1" * 32, {0: 2}))
        token = Token("1" * 32, {0: 3})
        found = await asyncio.gather(views.reached(token), views.reached(token), return_exceptions=True)
        assert [one.code for one in found if isinstance(one, StillWaiting)] == ["view-late", "too-many-waiting"]
        assert all(str(one.token) == str(token) for one in found if isinstance(one, StillWaiting))
        with pytest.raises(Conflict, match="this is log"):
            await views.after("2" * 32 + ".0-1")

    asyncio.run(run())


def test_a_repeated_request_waits_for_the_view_too(tmp_path: Path) -> None:
    """The store holds outcomes before the watermark tells of them, longest where a server was killed between the two."""

    async def run() -> None:
        log, views = memory(), Views(Marks(), "1" * 32, HttpSettings(wait_seconds_max=0.01))
        put = single(EntityPut(tenant=TENANT, kind="k", id="i", document={}, event_id="e" * 32, body_hash="b"))
        partition = next(iter(touched(put, TOPICS.partitions, 1)))

        async def find(_events: object) -> list[OutcomeRow]:
            return [OutcomeRow(event_key(TENANT, "e" * 32), partition, version_of(7, 0), "applied", "b", "")]

        spool = Spool(tmp_path, log, TOPICS.events, lambda _: None, 1.0)
        receipts = Receipts(log, TOPICS.receipts)
        writer = Writer(log, TOPICS, HttpSettings(), Hands(), ClockGuard(Hands()), receipts, Outcomes(find), views, spool)
        assert (await writer.write(put, "log")).repeated
        with pytest.raises(StillWaiting) as late:
            await writer.write(put, "view")
        assert late.value.token.offsets == {partition: 7}
        assert not log.records(TOPICS.events, partition)

    asyncio.run(run())


def test_an_accepted_upload_is_finished_by_the_next_process_and_an_unaccepted_one_is_swept_away(tmp_path: Path) -> None:
    async def run() -> None:
        log, record, event_id = memory(), record_of(1, rows=100), "e" * 32
        pieces = plan(record, TOPICS.partitions, 20 * 30, 2000)
        assert len(pieces) > 2
        log.reachable = False
        spool = Spool(tmp_path / "spool", log, TOPICS.events, lambda _: None, 0.01)
        putting = asyncio.create_task(spool.put(record, event_id, pieces))
        manifest = tmp_path / "spool" / event_id / "manifest.json"
        await asyncio.to_thread(wait_until, manifest.exists, 10, "the upload is accepted")
        await spool.settle()
        assert isinstance((await asyncio.gather(putting, return_exceptions=True))[0], BaseException)
        (tmp_path / "spool" / ("f" * 32)).mkdir()
        log.reachable = True
        later = Spool(tmp_path / "spool", log, TOPICS.events, lambda _: None, 10.0)
        assert later.accepted() == [event_id]
        await later.finish(event_id, Outcomes(_nothing))
        partition = pieces[0].partition
        decoded = [codec.decode(one.value, codec.ARROW) for one in log.records(TOPICS.events, partition)]
        assert [time for one in decoded for time in one.points.valid_time.tolist()] == list(range(100))
        assert len({event.event_id for one in decoded for event in one.events}) == len(pieces)
        assert later.accepted() == []

    asyncio.run(run())


def test_a_document_that_no_record_holds_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        record = single(EntityPut(tenant=TENANT, kind="k", id="i", document={"text": "a" * (RECORD_BYTES_MAX + 1)}))
        spool = Spool(tmp_path / "spool", memory(), TOPICS.events, lambda _: None, 10.0)
        with pytest.raises(TooLarge, match="over what one record holds"):
            await spool.put(record, "e" * 32, plan(record, TOPICS.partitions, 1 << 20, RECORD_BYTES_MAX))
        assert spool.accepted() == []

    asyncio.run(run())


def test_a_record_that_cannot_be_written_down_fails_and_the_lane_lives_on() -> None:
    async def run() -> None:
        deep: dict[str, object] = {}
        for _ in range(300):
            deep = {"a": deep}
        lane = Lane(memory(), TOPICS.events, 0, Limits(1000, 1 << 20, 0), lambda _: None)
        with pytest.raises(ValueError, match="depth"):
            await lane.append(single(EntityPut(tenant=TENANT, kind="k", id="i", document=deep)))
        assert (await lane.append(record_of(1))).offset == 0

    asyncio.run(run())


@pytest.mark.parametrize(("levels", "refused"), [(200, []), (201, ["too-deep"])])
def test_documents_are_bounded_in_depth(levels: int, refused: list[str]) -> None:
    deep: object = 1
    for _ in range(levels):
        deep = {"a": deep}
    found = refusals(single(EntityPut(tenant=TENANT, kind="k", id="i", document=cast(dict[str, object], deep))), 5)
    assert [one.code for one in found] == refused


async def _nothing(_events: object) -> list[OutcomeRow]:
    return []
