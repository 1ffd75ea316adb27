"""Every guard of the worker's shells holds over many histories; and each one, taken out, is caught: a guard that no history
needs would be shown here as a mutant that survives.
"""

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar
from unittest import mock

import pytest

import sink.consumer
import sink.queries.refresh
import sink.rollups
import streams.replay
from sink.store import Store
from streams import buckets
from tests.simulation.checker import complaints
from tests.simulation.generations import PARTITIONS
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.owners import Guards
from tests.simulation.world import World
from tests.store_rows import emptied, hastened, opened

T = TypeVar("T")
STEPS = 160
MUTANT_SEEDS = 200
SAID_EVERY = 50
REAL_EVERY = 50  # seeds: one of them has a real store, whose reads are checked


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """Of two generations."""
    path = tmp_path_factory.mktemp("world")
    for first in opened(path):
        for second in opened(path, prefix="next"):
            yield [hastened(first), hastened(second)]


def history(seed: int, guards: Guards, stores: Sequence[Store] = ()) -> list[str]:
    """One seed is one history, with a real store or without."""
    return run(lived(seed, guards, stores), stores)


async def lived(seed: int, guards: Guards, stores: Sequence[Store] = ()) -> list[str]:
    world = World(seed, guards, stores)
    try:
        await world.run(STEPS)
        return await complaints(world)
    except Exception:  # noqa: BLE001 - whatever trips over an assertion is told with its seed
        return [traceback.format_exc()]


async def written(seed: int) -> list[bytes]:
    """All that a history leaves on varve.events and on the points topic."""
    world = World(seed, Guards())
    await world.run(STEPS)
    topics = world.served.topics
    return [
        record.value
        for topic in (topics.events, topics.points)
        for partition in range(PARTITIONS)
        for record in world.log.records(topic, partition)
    ]


def run(life: Coroutine[Any, Any, T], stores: Sequence[Store] = ()) -> T:
    async def running() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: None)  # what a killed process awaits no more
        return await life

    for store in stores:
        emptied(store)
    with (
        mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 1),  # small worlds have rollup rows too
        mock.patch.object(sink.queries.refresh, "ROLLUP_COUNT_MIN", 1),
        mock.patch.object(sink.rollups, "POINTS_MIN", 1),
        mock.patch.object(sink.consumer, "COMMIT_BATCHES", 3),
        mock.patch.object(streams.replay, "POLL_RECORDS_MAX", 3),
        mock.patch.object(sink.consumer, "BACK_OFF_SECONDS", (0.0,)),
    ):
        return asyncio.run(running())


def failed(seed: int, found: list[str]) -> str:
    return f"seed {seed}: " + "; ".join(found) + f"\nagain by: make sim SEEDS=1 FIRST={seed}"


def test_one_seed_is_one_history() -> None:
    assert run(written(7)) == run(written(7)) != run(written(8))


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_doubled_or_left_open(seed: int) -> None:
    found = history(seed, Guards())
    assert not found, failed(seed, found)


@pytest.mark.parametrize("seed", range(4))
def test_reads_answer_as_the_oracles_do_whatever_goes_wrong(seed: int, stores: list[Store]) -> None:
    found = history(seed, Guards(), stores)
    assert not found, failed(seed, found)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_guard_that_is_taken_out_is_missed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    stores = request.getfixturevalue("stores") if mutant.real else []
    mutant.patch(monkeypatch)
    for seed in (mutant.seed, *range(MUTANT_SEEDS)):
        if caught := history(seed, mutant.guards, stores):
            print(f"seed {seed}: {caught[0]}")
            return
    pytest.fail(f"without {mutant.name} nothing went wrong in {MUTANT_SEEDS} histories")


@pytest.mark.sim
@pytest.mark.timeout(0)
def test_nothing_is_lost_doubled_or_left_open_in_many_histories(stores: list[Store]) -> None:
    logging.getLogger().setLevel(logging.ERROR)  # each fault says its words
    seeds, first = (int(os.environ.get(name, given)) for name, given in (("VARVE_SIM_SEEDS", "600"), ("VARVE_SIM_FIRST", "1")))
    started, bad = time.monotonic(), []
    for at, seed in enumerate(range(first, first + seeds), 1):
        found = history(seed, Guards(), [] if seed % REAL_EVERY else stores)
        if found:
            bad.append(failed(seed, found))
            print(bad[-1], flush=True)
        if at % SAID_EVERY == 0 or at == seeds:
            print(f"{at} of {seeds} histories, {(time.monotonic() - started) / at:.2f} s each, {len(bad)} failed", flush=True)
    assert not bad, bad
