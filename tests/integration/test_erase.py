"""A purge erases, through the sink over a real store: its rows are gone from the parts when the watermark tells of it, other
rows stay, and what a redelivery brings back goes again (I1, I5)."""

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sink.queries.purge import Purge, erasures, purged_count
from sink.queries.query import Query
from sink.store import Refused, Store
from streams.dead_letters import list_letters
from streams.points import PURGES, ROLLUPS, Folded, encode_points
from tests.integration.test_sink import Bench, bench_over, layer, run, two_series, until
from tests.store_rows import layers_table, opened, table_of
from varve.clock import new_id
from varve.errors import Unavailable
from varve.instants import EARLIEST, LATEST
from varve.position import version_of

STEP_NS = 900 * 10**9


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("erase")


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    yield from opened(root, prefix=f"t{new_id().hex}")


async def purge(bench: Bench, series: uuid.UUID, from_: int, until_: int) -> int:
    """One record that purges, as the fold makes it; of partition 0. Returns its offset."""
    offset, bench.offsets[0] = bench.offsets[0], bench.offsets[0] + 1
    row = {"tenant": bench.tenant, "series_id": series, "version": version_of(offset), "partition": 0, "from": from_, "until": until_}
    await bench.log.append(bench.topics.events, 0, b"{}")
    for record in encode_points(Folded(offset, {"purges": table_of(PURGES, [row | {"recorded_time": 1}])})):
        await bench.log.append(bench.topics.points, 0, record.value, headers=record.headers)
    return offset


def kept(store: Store) -> list[int]:
    """valid_times of all layers that the parts still hold."""
    rows = store.rows(Query("SELECT toUnixTimestamp64Nano(valid_time) AS at FROM points ORDER BY at"))
    return [row["at"] for row in rows]


def test_purged_rows_are_gone_from_the_parts_when_the_watermark_tells_of_it(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, second = two_series()
            await bench.write(first, [1, 2, 3], 1.0)
            await bench.write(second, [2], 2.0)
            offset = await purge(bench, first, 2, 3)
            await bench.write(first, [2], 5.0)
            running = asyncio.create_task(bench.sink.run())
            assert await bench.watermarks.reached({0: offset + 1, 1: 0}, 20)
            assert kept(store) == [1, 2, 2, 3]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert bench.flat() == {(first, 1): 1.0, (first, 2): 5.0, (first, 3): 1.0, (second, 2): 2.0}

    run(scenario)


def test_what_a_redelivery_brings_back_is_erased_again(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, _ = two_series()
            await bench.write(first, [1, 2], 1.0)
            await bench.settle()
            await purge(bench, first, EARLIEST, LATEST)
            await bench.settle()
            assert kept(store) == []
            store.change(Query("TRUNCATE TABLE watermarks"))
            bench.new_sink()
            await bench.settle()
            assert kept(store) == []

    run(scenario)


def test_what_a_worker_that_slept_brings_back_is_erased_again(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(store) as bench:
            first, _ = two_series()
            await bench.write(first, [1, 2], 1.0)
            first_records = list(bench.log.records(bench.topics.points, 0))
            await purge(bench, first, 2, LATEST)
            await bench.settle()
            assert set(kept(store)) == {1}
            for record in first_records:
                await bench.log.append(bench.topics.points, 0, record.value, headers=record.headers)
            await bench.write(first, [3], 2.0)
            await bench.settle()
            assert set(kept(store)) == {1, 3}

    run(scenario)


class Mending:
    """The store; its first `failures` mutations are refused with `error`."""

    def __init__(self, store: Store, error: Exception, failures: int) -> None:
        self.store, self.error, self.failures, self.where = store, error, failures, store.where

    def insert(self, table: str, rows: pa.Table) -> None:
        self.store.insert(table, rows)

    def rows(self, query: Query) -> list[dict[str, Any]]:
        return self.store.rows(query)

    def arrow(self, query: Query) -> pa.Table:
        return self.store.arrow(query)

    def change(self, query: Query) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error
        self.store.change(query)


def test_an_outage_while_erasing_is_waited_out_and_the_watermark_waits_with_it(store: Store) -> None:
    async def scenario() -> None:
        mending = Mending(store, Unavailable("store-unavailable", "the store does not answer (injected)"), failures=1)
        async with bench_over(mending) as bench:
            first, _ = two_series()
            await bench.write(first, [1], 1.0)
            offset = await purge(bench, first, EARLIEST, LATEST)
            running = asyncio.create_task(bench.sink.run())
            await until(lambda: "injected" in bench.sink.trouble)
            assert bench.watermarks.current == (0, 0)
            assert await bench.watermarks.reached({0: offset}, 20)
            assert kept(store) == [] and not await list_letters(bench.log, bench.topics)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run(scenario)


def test_a_purge_that_the_store_refuses_becomes_a_dead_letter_and_the_sink_goes_on(store: Store) -> None:
    async def scenario() -> None:
        async with bench_over(Mending(store, Refused("store-refused", "not this (injected)"), failures=1)) as bench:
            first, _ = two_series()
            await bench.write(first, [1], 1.0)
            await purge(bench, first, EARLIEST, LATEST)
            await bench.settle()
            letters = await list_letters(bench.log, bench.topics)
            assert [one.letter.code for one in letters] == ["store-refused"]

    run(scenario)


@pytest.mark.parametrize(
    ("from_", "until_", "left"),
    [(2, 3, [1, 3, LATEST]), (3, LATEST, [1, 2, 2]), (EARLIEST, LATEST, []), (1, 2, [2, 2, 3, LATEST]), (4, 5, [1, 2, 2, 3, LATEST])],
)
def test_the_dry_run_tells_how_many_layers_the_erasure_takes(store: Store, from_: int, until_: int, left: list[int]) -> None:
    tenant, series = new_id(), new_id()
    layers = [layer(tenant, series, 0, version, at, 1.0) for version, at in ((1, 1), (2, 2), (3, 2), (4, 3), (5, LATEST))]
    store.insert("points", layers_table(layers))
    store.insert("points", layers_table(layers[:3]))
    (row,) = store.rows(purged_count(tenant, series, from_, until_))
    assert row["layers"] == len(layers) - len(left)
    for query in erasures(Purge(tenant, series, 9, from_, until_)):
        store.change(query)
    (row,) = store.rows(purged_count(tenant, series, EARLIEST, LATEST))
    assert row["layers"] == len(left)
    assert sorted(set(kept(store))) == sorted(set(left))


def test_rollup_rows_that_hold_what_was_purged_go_with_all_older_rows_of_their_bucket(store: Store) -> None:
    tenant, series = new_id(), new_id()

    def rows() -> set[tuple[int, int, int]]:
        found = store.rows(Query("SELECT step_seconds, toUnixTimestamp64Nano(bucket) AS at, covers FROM rollups"))
        return {(row["step_seconds"], row["at"] // STEP_NS, row["covers"]) for row in found}

    made = {"tenant": tenant, "series_id": series, "partition": 0, "count": 9, "first_time": 1, "last_time": 1}
    made |= dict.fromkeys(("sum", "mean", "m2", "min", "max", "first", "last"), 1.0)
    for covers in (3, 8):  # one insert would keep the newest of a bucket alone
        cells = [*((900, bucket) for bucket in (0, 1, 2)), *(((86_400, 0), (86_400, 96)) if covers == 3 else ())]
        spans = [{"bucket": at * STEP_NS, "until": at * STEP_NS + step * 10**9, "step_seconds": step} for step, at in cells]
        store.insert("rollups", table_of(ROLLUPS, [made | span | {"covers": covers} for span in spans]))
    wanted = Purge(tenant, series, 5, STEP_NS, STEP_NS + 1)
    for query in (*erasures(replace(wanted, tenant=new_id())), *erasures(wanted)):
        store.change(query)
    assert rows() == {(900, 0, 3), (900, 0, 8), (900, 1, 8), (900, 2, 3), (900, 2, 8), (86_400, 96, 3)}
