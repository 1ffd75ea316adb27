"""Three days of a task of every minute, on a clock of its own, with loaders that are killed, sleep, and go on beside those that have their
place: the runs and the readings are exactly those that must be. And each guard, taken out, is missed.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from streams.loading.known import Known
from streams.loading.runner import Active, Runner
from streams.loading.service import TURN
from streams.loading.tasks import Run
from tests.simulation.loading_checker import complaints
from tests.simulation.loading_service import Guards
from tests.simulation.loading_world import LoadingWorld

TROUBLE = 1 / 60  # a second
HOUR_SECONDS = 3600.0
MUTANT_SEEDS = 60
Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("varve.loader")
    before, logger.disabled = logger.disabled, True
    yield
    logger.disabled = before


def history(seed: int, hours: float, guards: Guards | None = None) -> list[str]:
    world = LoadingWorld(seed, guards or Guards(), TROUBLE)
    try:
        world.run(hours * HOUR_SECONDS)
        world.settle()
    except Exception as error:  # noqa: BLE001 - whatever trips over an assertion is told with its seed
        return [repr(error)]
    finally:
        world.close()
    return complaints(world)


@pytest.mark.slow
def test_three_days_of_every_minute_leave_the_expected_runs_and_readings() -> None:
    assert history(1, 72) == []


@pytest.mark.parametrize("seed", range(8))
def test_hours_of_every_minute_leave_the_expected_runs_and_readings(seed: int) -> None:
    assert history(seed, 2) == []


def test_one_seed_is_one_history() -> None:
    def lived(seed: int) -> list[Any]:
        world = LoadingWorld(seed, Guards(), TROUBLE)
        world.run(HOUR_SECONDS / 2)
        world.close()
        return [(one.id, one.body) for one in world.service.versions if one.kind != TURN]

    assert [body for _, body in lived(5) if "dataConnectionId" in body] == [body for _, body in lived(5) if "dataConnectionId" in body]
    assert len(lived(5)) == len(lived(5)) != len(lived(6))


class CountsAnew(Runner):
    """A retry loads from where its series end now."""

    async def _first(self, run: Run, turn: int) -> Run:
        return Run(run.tenant, run.task, run.id, run.version, run.recorded, {**run.body, "since": None})


class ForgetsFailures(Runner):
    """What a run left undone whose attempts were all lost is not made up for."""

    async def _first(self, run: Run, turn: int) -> Run:
        return await super()._first(run, 1)


class LoadsEverything(Runner):
    async def _since(self, first: Run, series: Any) -> dict[Any, int | None]:
        return dict.fromkeys(series)


class LooksNever(Runner):
    """A runner that slept takes the run for its own still."""

    async def _look(self, mine: Active) -> None:
        found = await self._service.read(mine.run.tenant, "hydroserver-task-run", mine.run.document)
        assert found is not None
        mine.version = found.version


def _no_retry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "to_retry", lambda self: [])


def _no_loss(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "lost", lambda self, now, me: [])


def _no_cover(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Known, "_covered", lambda self, key, instant: False)


def _no_order(patch: pytest.MonkeyPatch) -> None:
    """The next run has its turn though the one before has not ended."""

    def turns(self: Known) -> Iterator[tuple[Run, int]]:
        for key, runs in list(self.open.items()):
            last = self.last.get(key)
            for run in [run for run in runs.values() if run.status == "PENDING" and (last is None or last.run != run.id)][:1]:
                yield run, 1 + (0 if last is None else last.number)

    patch.setattr(Known, "turns", turns)


@dataclass(frozen=True)
class Mutant:
    name: str
    guards: Guards = field(default_factory=Guards)
    patch: Patch = lambda _: None
    seed: int = 0  # where it was seen: tried first


MUTANTS = [
    Mutant("if_absent", Guards(if_absent=False)),
    Mutant("expected_version", Guards(expected_version=False)),
    Mutant("the keys of appends", Guards(keys=False)),
    Mutant("the ends that a first attempt counted from", Guards(runner=CountsAnew)),
    Mutant("the ends that a run which failed counted from", Guards(runner=ForgetsFailures), seed=65),
    Mutant("the rows that are there already", Guards(runner=LoadsEverything)),
    Mutant("the look at whose the run is", Guards(runner=LooksNever)),
    Mutant("the retry", patch=_no_retry),
    Mutant("the end of what is lost", patch=_no_loss),
    Mutant("one run for all that was missed", patch=_no_cover),
    Mutant("one turn after the other", patch=_no_order),
]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_guard_of_loading_that_is_taken_out_is_missed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.patch(monkeypatch)
    for seed in (mutant.seed, *range(MUTANT_SEEDS)):
        if caught := history(seed, 3, mutant.guards):
            print(f"seed {seed}: {caught[0]}")
            return
    pytest.fail(f"without {mutant.name} nothing went wrong in {MUTANT_SEEDS} histories")
