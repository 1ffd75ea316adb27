"""A seeded world of two loaders and a task of every minute, in which loaders are killed between any two effects, sleep and go on, lose the
partition that makes one the scheduler, hear a wake twice or not at all, and find the service away. One seed is one history, on a clock of
its own. Before: test_loading.py. After: loading_checker.py.
"""

import random
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from streams.loading.known import Patience
from streams.loading.moments import said_time
from streams.loading.scheduler import Scheduler
from streams.loading.service import CONNECTION, TASK, Wake
from tests.simulation.loading_service import SECOND, Guards, MemoryService, MemorySources
from varve.errors import VarveError
from varve.series import DEFAULT_TENANT

MINUTE = 60 * SECOND
START = 1_750_000_020 * SECOND  # a full minute
LEASE_SECONDS = 30.0
PATIENCE = Patience(int(LEASE_SECONDS * SECOND), 10 * SECOND)
GROWS = 10 * MINUTE  # how often the source has something new
TASK_ID, CONNECTION_ID = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
SERIES = (uuid.UUID(int=7 << 100), uuid.UUID(int=8 << 100))


class WorldClock:
    def __init__(self) -> None:
        self.ns = START

    def now(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / SECOND


@dataclass
class Loader:
    """One process. asleep_until: stopped (SIGSTOP) till then."""

    world: "LoadingWorld"
    name: str
    instance: int
    asleep_until: int = 0
    scheduler: Scheduler | None = None
    going: dict[str, Coroutine[Any, Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        world = self.world
        self.me = f"{self.name}/{self.instance}"
        self.runner = world.guards.runner(world.service, MemorySources(world, self), world.clock, self.me, LEASE_SECONDS)

    def take(self, wake: Wake) -> None:
        if wake.run not in self.going:
            self.going[wake.run] = self.runner.work(wake)

    def turn(self, micro: int) -> None:
        """Some effects of each thing that it does."""
        for name in list(self.going):
            for _ in range(micro if self.world.dice.random() < 0.8 else 0):
                if name in self.going and not self._step(name):
                    break

    def _step(self, name: str) -> bool:
        try:
            self.going[name].send(None)
        except (StopIteration, VarveError):
            del self.going[name]
            return False
        return True

    def begin(self) -> None:
        """Its loops: the beat, and the scheduler where it believes that it holds the partition."""
        if "beat" not in self.going:
            self.going["beat"] = self._beat()
        if self.world.holder is not self:
            self.scheduler = None
            return
        self.scheduler = self.scheduler or Scheduler(self.world.service, self.world.wake, self.me, PATIENCE)
        if "schedule" not in self.going:
            self.going["schedule"] = self._schedule(self.scheduler)

    async def _beat(self) -> None:
        for ident in await self.runner.beat():
            if (work := self.going.pop(ident, None)) is not None:
                work.close()

    async def _schedule(self, scheduler: Scheduler) -> None:
        self.world.done.add((await scheduler.step() - START) // MINUTE)

    def kill(self) -> None:
        for one in self.going.values():
            with suppress(RuntimeError):
                one.close()
        self.going.clear()


class LoadingWorld:
    """trouble: how often something goes wrong, for each second."""

    def __init__(self, seed: int, guards: Guards, trouble: float) -> None:
        self.dice, self.guards, self._trouble = random.Random(seed), guards, trouble
        self.clock = WorldClock()
        self.began = START
        self.service = MemoryService(self, guards)
        self.looked, self.done = set[int](), set[int]()  # minutes in which a scheduler looked, and those for which it did what followed
        self.fetched: dict[str, set[int]] = {}  # by root: how far the source went when its attempts asked
        self._instances, self._away_until, self.stopped = 0, 0, 0
        self._mail: list[tuple[int, Wake]] = []
        self.ghosts: list[Loader] = []  # they sleep, and others have their place
        self._set_up()
        self.loaders = [self._loader("east"), self._loader("west")]
        self.holder: Loader | None = self.loaders[0]

    def _set_up(self) -> None:
        schedule = {
            "enabled": True,
            "startTime": None,
            "crontab": None,
            "interval": 1,
            "intervalPeriod": "minutes",
            "since": said_time(START),
        }
        mappings = [{"sourceIdentifier": f"c{at}", "targetDatastreamId": str(one)} for at, one in enumerate(SERIES)]
        task = {"name": "t", "dataConnectionId": CONNECTION_ID, "taskVariables": {}, "mappings": mappings, "schedule": schedule}
        placeholder = {"name": "since", "type": "latest_observation_timestamp", "timestampFormat": "%Y-%m-%dT%H:%M:%SZ"}
        connection = {
            "name": "c", "sourceUrl": "http://source.example/?since={since}", "timezoneType": None, "timezone": None,
            "payload": {"type": "CSV", "timestampKey": "time"}, "placeholderVariables": [placeholder],
        }  # fmt: skip
        self.service.set(DEFAULT_TENANT, CONNECTION, CONNECTION_ID, connection)
        self.service.set(DEFAULT_TENANT, TASK, TASK_ID, task)
        for one in SERIES:
            self.service.layers[one] = {}

    def minute(self) -> int:
        return (self.clock.ns - START) // MINUTE

    def away(self) -> bool:
        return self.clock.ns < self._away_until

    def published(self) -> int:
        """The time of the source's newest reading."""
        return self.clock.ns - self.clock.ns % GROWS

    async def wake(self, wake: Wake) -> None:
        """Over the topic: late, twice, or by somebody who holds the partition no more."""
        for _ in range(1 + (self.dice.random() < 0.05)):
            self._mail.append((self.clock.ns + int(self.dice.uniform(0, 3) * SECOND), wake))

    def run(self, seconds: float) -> None:
        until = self.clock.ns + int(seconds * SECOND)
        while self.clock.ns < until:
            passed = self.dice.uniform(0.3, 4.0)
            self.clock.ns += int(passed * SECOND)
            if self.dice.random() < self._trouble * passed:
                self.dice.choice([self._kill, self._kill, self._sleep, self._sleep, self._move, self._leave])()
            self._turn(self.dice.randint(1, 6))

    def settle(self) -> None:
        """Nothing goes wrong any more; those that slept wake; then the schedule is taken off at a full minute, and all gets through."""
        self._trouble, self._away_until = 0.0, 0
        for one in [*self.loaders, *self.ghosts]:
            one.asleep_until = 0
        self.run(600)
        self.run((MINUTE - (self.clock.ns - START) % MINUTE) / SECOND)
        self.stopped = self.clock.ns - (self.clock.ns - START) % MINUTE
        task = self.service.newest[DEFAULT_TENANT, TASK, TASK_ID].body
        self.service.set(DEFAULT_TENANT, TASK, TASK_ID, {**(task or {}), "schedule": None})
        self.run(120)

    def close(self) -> None:
        """Nothing is left to be collected in the middle of something else."""
        for one in [*self.loaders, *self.ghosts]:
            one.kill()

    def _turn(self, micro: int) -> None:
        now = self.clock.ns
        due = [wake for at, wake in self._mail if at <= now]
        self._mail = [(at, wake) for at, wake in self._mail if at > now]
        for wake in due:
            self.dice.choice(self.loaders if self.dice.random() < 0.2 else self.loaders[:1]).take(wake)
        for one in [*self.loaders, *self.ghosts]:
            if one.asleep_until <= now:
                if one in self.loaders:
                    one.begin()
                one.turn(micro)
        self.ghosts = [one for one in self.ghosts if one.going]

    def _loader(self, name: str) -> Loader:
        self._instances += 1
        return Loader(self, name, self._instances)

    def _kill(self) -> None:
        """kill -9; the supervisor starts another of its name."""
        at = self.dice.randrange(2)
        gone, fresh = self.loaders[at], self._loader(self.loaders[at].name)
        gone.kill()
        self._replace(at, fresh)
        fresh.asleep_until = self.clock.ns + int(self.dice.choice([1, 5, 150]) * SECOND)

    def _sleep(self) -> None:
        """SIGSTOP; sometimes it is taken for dead, and goes on beside the one that has its place."""
        at = self.dice.randrange(2)
        one = self.loaders[at]
        one.asleep_until = self.clock.ns + int(self.dice.choice([5, 20, 60, 200]) * SECOND)
        if self.dice.random() < 0.6:
            self.ghosts.append(one)
            self._replace(at, self._loader(one.name))

    def _move(self) -> None:
        self.holder = self.dice.choice(self.loaders)

    def _leave(self) -> None:
        self._away_until = self.clock.ns + int(self.dice.choice([2, 20, 90]) * SECOND)

    def _replace(self, at: int, fresh: Loader) -> None:
        if self.holder is self.loaders[at]:
            self.holder = self.dice.choice([fresh, self.loaders[1 - at]])
        self.loaders[at] = fresh
