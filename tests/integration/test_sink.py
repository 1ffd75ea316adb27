"""The sink over the log in memory and a real store: what it read is readable, once, whatever stops it in between (I5, I6, I12)."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sink.consumer import Sink, follow_progress
from sink.positions import read_positions
from sink.queries.flat import FLAT
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.reads import page_of
from sink.store import Refused, Store
from sink.watermark import Watermarks
from streams.dead_letters import list_letters
from streams.log_memory import MemoryLog
from streams.points import OUTCOMES, Folded, encode_points
from streams.shell import IN_FLIGHT_MAX
from streams.topics import Topics
from tests.conftest import wait_until
from tests.store_rows import NO_RUN, layers_table, opened, rows_of
from varve.clock import SystemClock, new_id
from varve.errors import Fault, Unavailable
from varve.position import version_of
from varve.series import partitions_of

PARTITIONS = 2
STEPS_MAX = 200


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sink")


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    """A database of its own in the module's one directory."""
    yield from opened(root, prefix=f"t{new_id().hex}")


class Bench:
    """A log, a sink over it, and what was written to the log."""

    def __init__(self, store: Any) -> None:
        self.topics = Topics("varve", PARTITIONS)
        self.log = MemoryLog(self.topics.all(), SystemClock())
        self.store = store
        self.tenant = new_id()
        self.offsets = [0] * PARTITIONS
        self.rows: dict[tuple[uuid.UUID, int], float] = {}
        self.sink = self.new_sink()

    def new_sink(self, poll_records_max: int = 16) -> Sink:
        self.watermarks = Watermarks(PARTITIONS)
        self.sink = Sink(self.log, self.topics, self.store, self.watermarks, poll_records_max, poll_records_max=poll_records_max)
        return self.sink

    async def write(self, series: uuid.UUID, times: list[int], value: float) -> int:
        """One record of events and what the fold makes of it; returns its offset."""
        partition = int(partitions_of([series], PARTITIONS)[0])
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        await self.log.append(self.topics.events, partition, b"{}")
        rows = [layer(self.tenant, series, partition, version_of(offset, row), time, value) for row, time in enumerate(times)]
        await self.emit(partition, offset, rows)
        self.rows |= {(series, time): value for time in times}
        return offset

    async def emit(self, partition: int, offset: int, rows: list[dict[str, Any]]) -> None:
        outcome = pa.table({"tenant": [self.tenant.bytes], "event_id": [new_id().bytes], "version": [version_of(offset)]})
        tables = {
            "layers": layers_table(rows),
            "outcomes": outcome.cast(pa.schema([OUTCOMES.field(name) for name in outcome.column_names])),
        }
        for record in encode_points(Folded(offset, tables if rows else {}), rows_max=2):
            await self.log.append(self.topics.points, partition, record.value, headers=record.headers)

    async def settle(self) -> None:
        """Steps until the watermarks and the stored positions are at the end of the log."""
        for _ in range(STEPS_MAX):
            await self.sink.step()
            kept = await asyncio.to_thread(read_positions, self.store, self.log.log_id)
            if [kept[partition].next_offset if partition in kept else 0 for partition in range(PARTITIONS)] == self.offsets:
                return
        raise AssertionError(f"{self.watermarks.current} after {STEPS_MAX} steps, not {self.offsets}")

    def flat(self) -> dict[tuple[uuid.UUID, int], float]:
        selection = Selection(self.tenant, self.watermarks.current)
        rows = rows_of(self.store.arrow(page_of(self.store, FLAT, selection).query))
        assert len(rows) == len({(row["series_id"], row["valid_time"]) for row in rows})
        return {(row["series_id"], row["valid_time"]): row["value"] for row in rows}


def layer(tenant: uuid.UUID, series: uuid.UUID, partition: int, version: int, time: int, value: float) -> dict[str, Any]:
    times = {"valid_time": time, "known_time": version, "recorded_time": version}
    ids = {"tenant": tenant, "series_id": series, "partition": partition, "version": version, "run_id": NO_RUN}
    return ids | times | {"op": 0, "mask": 15, "value": value, "changed_by": "", "tags": []}


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


@asynccontextmanager
async def bench_over(store: Any) -> AsyncIterator[Bench]:
    bench = Bench(store)
    try:
        yield bench
    finally:
        await bench.sink.close()


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_until, condition)


def two_series() -> tuple[uuid.UUID, uuid.UUID]:
    """One in each partition."""
    found: dict[int, uuid.UUID] = {}
    while len(found) < PARTITIONS:
        ident = new_id()
        found[int(partitions_of([ident], PARTITIONS)[0])] = ident
    return found[0], found[1]


def test_what_the_fold_emitted_is_readable_and_waiters_wake(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, second = two_series()
            await bench.write(first, [1, 2, 3], 1.0)
            await bench.write(first, [2], 5.0)
            offset = await bench.write(second, [7], 2.0)
            waiting = asyncio.create_task(bench.watermarks.reached({1: offset}, 20))
            await bench.settle()
            assert await waiting
            assert bench.flat() == bench.rows
            assert not await bench.watermarks.reached({1: offset + 1}, 0.01)

    run(scenario)


def test_what_was_lost_on_its_way_is_waited_for_though_later_records_came(store: Store) -> None:
    """The worker that lost it leaves, and the next one tells it and all behind it again."""

    async def scenario() -> None:
        async with bench_over(store) as bench:
            one, _ = two_series()
            for time in range(3):
                await bench.write(one, [time], float(time))
            lost = [record for record in bench.log.records(bench.topics.points, 0) if record.header("position") == "1"]
            later = [record for record in bench.log.records(bench.topics.points, 0) if record.header("position") == "2"]
            bench.log.lose_tail(bench.topics.points, 0, lost[0].offset)
            for record in later:
                await bench.log.append(bench.topics.points, 0, record.value, headers=record.headers)
            for _ in range(9):
                await bench.sink.step()
            assert bench.watermarks.current == (1, 0) and bench.sink.healthy
            for record in (*lost, *later):
                await bench.log.append(bench.topics.points, 0, record.value, headers=record.headers)
            await bench.settle()
            assert bench.flat() == bench.rows

    run(scenario)


def test_a_position_that_nobody_can_have_in_flight_is_a_fault(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            await bench.emit(0, IN_FLIGHT_MAX + 1, [])
            await bench.sink.step()
            with pytest.raises(Fault, match="positions between are missing"):
                await bench.sink.step()

    run(scenario)


def test_a_crash_after_any_step_loses_and_doubles_nothing(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, second = two_series()
            for steps in range(1, 7):
                await bench.write(first, [steps, 100], float(steps))
                await bench.write(second, [steps, 100], -float(steps))
                for _ in range(steps):
                    await bench.sink.step()
                await bench.sink.close()
                bench.new_sink()
            await bench.settle()
            assert bench.flat() == bench.rows

    run(scenario)


def test_a_reader_at_the_watermark_never_sees_part_of_a_record(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, _ = two_series()
            bench.new_sink(poll_records_max=1)  # and so batches end in the middle of a record
            await bench.write(first, list(range(9)), 1.0)
            await bench.sink.step()
            for _ in range(12):
                assert bench.flat() == {}
                await bench.sink.step()
            await bench.settle()
            assert bench.flat() == bench.rows

    run(scenario)


def test_a_refused_record_is_a_dead_letter_and_all_others_are_stored(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, second = two_series()
            for number in range(5):
                await bench.write(first, [number], 1.0)
            partition = 0
            rows = layers_table([layer(bench.tenant, first, partition, version_of(5, 0), 99, 1.0)]).append_column("odd", pa.array([1]))
            await bench.log.append(bench.topics.events, partition, b"{}")
            (record,) = encode_points(Folded(5, {"layers": rows}))
            culprit = await bench.log.append(bench.topics.points, partition, record.value, headers=record.headers)
            bench.offsets[partition] = 6
            await bench.log.append(bench.topics.points, partition, b"not Arrow", headers=(("table", b"layers"),))
            await bench.write(first, [6], 1.0)
            await bench.write(second, [6], 1.0)
            await bench.settle()
            assert bench.flat() == bench.rows
            letters = await list_letters(bench.log, bench.topics)
            assert [one.letter.code for one in letters] == ["points-malformed", "store-refused"]
            assert "odd" in letters[1].letter.reason
            assert (letters[1].letter.topic, letters[1].letter.offset) == (bench.topics.points, culprit.offset)

    run(scenario)


class Failing:
    """The store, out of reach for the next `failures` inserts into `table`."""

    def __init__(self, store: Store, table: str, failures: int) -> None:
        self.store, self.table, self.failures, self.inserts = store, table, failures, 0
        self.where = store.where

    def insert(self, table: str, rows: pa.Table) -> None:
        if table == self.table and self.failures:
            self.failures -= 1
            raise Unavailable("store-unavailable", "the store does not answer (injected)")
        self.inserts += table == "points"
        self.store.insert(table, rows)

    def rows(self, query: Query) -> list[dict[str, Any]]:
        return self.store.rows(query)

    def change(self, query: Query) -> None:
        self.store.change(query)

    def arrow(self, query: Query) -> pa.Table:
        return self.store.arrow(query)


@pytest.mark.parametrize("table", ["points", "outcomes", "watermarks"])
def test_an_outage_is_waited_out_without_a_dead_letter_or_a_second_insert(store: Store, table: str) -> None:
    async def scenario() -> None:
        failing = Failing(store, table, failures=2)
        async with bench_over(failing) as bench:
            first, _ = two_series()
            offset = await bench.write(first, [1, 2], 1.0)
            running = asyncio.create_task(bench.sink.run())
            assert await bench.watermarks.reached({0: offset}, 20)
            await until(lambda: bench.sink.healthy and not failing.failures)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert bench.flat() == bench.rows
            assert failing.inserts == 1
            assert not await list_letters(bench.log, bench.topics)

    run(scenario)


def test_while_the_store_is_out_of_reach_the_sink_says_so_in_words(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(Failing(store, "points", failures=10**6)) as bench:
            first, _ = two_series()
            offset = await bench.write(first, [1], 1.0)
            running = asyncio.create_task(bench.sink.run())
            await until(lambda: "injected" in bench.sink.trouble)
            assert not bench.sink.healthy
            assert bench.watermarks.current == (0, 0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert not await bench.watermarks.reached({0: offset}, 0)

    run(scenario)


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda bench: bench.log.lose_tail(bench.topics.points, 0, 1), "log-lost-tail"),
        (lambda bench: bench.log.lose_tail(bench.topics.events, 0, 1), "log-lost-tail"),
        (lambda bench: setattr(bench.log, "log_id", "f" * 32), "store-of-other-log"),
    ],
    ids=["points", "events", "other-log"],
)
def test_start_refuses_a_log_that_lost_its_tail_or_is_another(store: Store, harm: Callable[[Bench], None], code: str) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, _ = two_series()
            for number in range(3):
                await bench.write(first, [number], 1.0)
            await bench.settle()
            await bench.sink.close()
            harm(bench)
            with pytest.raises(Fault) as refused:
                await bench.new_sink().run()
            assert refused.value.code == code
            assert "varve rebuild" in refused.value.message

    run(scenario)


def test_start_refuses_a_points_topic_that_no_longer_holds_what_the_store_lacks(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, _ = two_series()
            for number in range(3):
                await bench.write(first, [number], 1.0)
            bench.log.lose_head(bench.topics.points, 0, 2)
            with pytest.raises(Fault, match="varve rebuild"):
                await bench.sink.run()

    run(scenario)


def test_points_that_a_restarted_fold_emits_again_change_nothing(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, _ = two_series()
            for number in range(3):
                await bench.write(first, [1], float(number))
            await bench.settle()
            await bench.emit(0, 1, [layer(bench.tenant, first, 0, version_of(1, 0), 1, 1.0)])
            await bench.write(first, [2], 9.0)
            await bench.settle()
            assert bench.flat() == bench.rows

    run(scenario)


def test_a_process_without_a_sink_follows_the_progress_topic(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, second = two_series()
            await bench.write(first, [1], 1.0)
            offset = await bench.write(second, [1], 1.0)
            elsewhere = Watermarks(PARTITIONS)
            following = asyncio.create_task(follow_progress(bench.log, bench.topics, elsewhere))
            await bench.settle()
            assert await elsewhere.reached({0: 0, 1: offset}, 20)
            assert elsewhere.current == bench.watermarks.current
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    run(scenario)


def test_a_refusal_is_told_apart_from_an_outage(store: Store) -> None:
    with pytest.raises(Refused):
        store.insert("points", pa.table({"nothing": [1]}))
