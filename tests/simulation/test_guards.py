"""Every guard of the worker's shells holds over many histories; and each one, taken out, is caught: a guard that no history
needs would be shown here as a mutant that survives.
"""

import asyncio
from unittest import mock

import pytest

from streams import buckets
from tests.simulation.checker import complaints
from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.world import Guards, World

STEPS = 220


def history(seed: int, guards: Guards) -> list[str]:
    async def run() -> list[str]:
        world = World(seed, guards)
        await world.run(STEPS)
        return await complaints(world)

    with mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 1):  # small worlds have rollup rows too
        return asyncio.run(run())


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_doubled_or_left_open(seed: int) -> None:
    print(f"seed {seed}")
    assert history(seed, Guards()) == []


@pytest.mark.sim
@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_left_open_in_many_histories() -> None:
    for seed in range(1000, 1600):
        assert history(seed, Guards()) == [], f"seed {seed}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_guard_that_is_taken_out_is_missed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.patch(monkeypatch)
    caught = []
    for seed in range(40):
        try:
            caught = history(seed, mutant.guards)
        except Exception as error:  # noqa: BLE001 - a mutant that trips over an assertion is caught as well
            caught = [f"{type(error).__name__}: {error}"]
        if caught:
            print(f"seed {seed}: {caught[0]}")
            return
    pytest.fail(f"without {mutant.name} nothing went wrong in 40 histories")
