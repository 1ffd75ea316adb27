"""A replay: the next generation is folded from varve.events beside the one that is served, filled by a sink of its own, killed and begun
again, and served by one record, after which the old one's workers and sinks are zombies (I1, I3).

Before: world.py lets it go on. After: checker.py holds both generations against each other and against the log.
"""

from typing import TYPE_CHECKING

from sink.rows import TARGETS
from streams.generations import serve, serving
from streams.log import LogReader
from streams.points import TABLES
from streams.replay import Replay
from streams.shell import FoldShell
from tests.simulation.generations import VERSIONS, Generation
from tests.simulation.sinks import SinkProcess
from tests.simulation.store_memory import Row
from tests.simulation.wire import CrashError, Faults, Wire
from varve.errors import VarveError

if TYPE_CHECKING:
    from tests.simulation.world import World

COMPARED = tuple(name for name in TABLES if name not in ("rollups", "stale"))  # which refresh makes at moments of its own


class ReplayProcess:
    """One run of `varve replay`."""

    def __init__(self, world: "World", generation: Generation) -> None:
        self.faults = Faults(world.chosen)
        self._world = world
        self.replay = Replay(Wire(world.log, self.faults), generation.topics, served=world.sinks[0].watermarks.current)
        self.lanes: list[tuple[FoldShell, LogReader]] = []

    async def step(self) -> None:
        """What a lane does at a time: take some records, or remember."""
        if not self.lanes:
            replay, events = self.replay, self.replay.topics.events
            for partition, state in (await replay._states()).items():
                shell = FoldShell(state, replay._emit(partition), replay._remember(partition), replay._refuse)
                self.lanes.append((shell, self._world.log.reader(events, {partition: state.applied + 1})))
            return
        shell, reader = self._world.chosen.choice(self.lanes)
        if self._world.chosen.random() < 0.3:
            await shell.flush()
        else:
            await self.replay._step(shell, reader)

    async def drain(self) -> None:
        """All that is there, remembered too."""
        while not self.lanes:
            await self.step()
        for shell, reader in self.lanes:
            before = -2
            while before != shell.state.applied:
                before = shell.state.applied
                await self.replay._step(shell, reader)
            await shell.flush()


class Replays:
    """built: the generation that is being built; old: the one that was served before."""

    def __init__(self, world: "World") -> None:
        self._world, self._chosen = world, world.chosen
        self.built: Generation | None = None
        self.old: Generation | None = None
        self._process: ReplayProcess | None = None
        self._sink: SinkProcess | None = None

    async def begin(self) -> None:
        """Or go on where an earlier attempt was cut short."""
        if self.old is None and self.built is None:
            self.built = self._world.next_generation()
            self._process, self._sink = ReplayProcess(self._world, self.built), SinkProcess(self._world, self.built)

    async def step(self) -> None:
        for _ in range(self._chosen.randint(1, 4)):
            if self._process is not None:
                if self.old is None:
                    self._process.replay.served = self._world.sinks[0].watermarks.current
                await self._process.step()
            if self._sink is not None:
                await self._sink.step(self._chosen.randint(0, 3))

    async def crash(self) -> None:
        """Of the command or of its sink, between two effects; the command ends at an outage too."""
        if self._process is None or self._sink is None:
            return
        generation = self._sink.generation
        if self._chosen.random() < 0.5:
            if await self._sink.crash_within(self._chosen.randint(0, 8), self._chosen.randint(1, 5)):
                self._sink = SinkProcess(self._world, generation)
            return
        self._process.faults.left = self._chosen.randint(0, 12)
        try:
            for _ in range(self._chosen.randint(1, 5)):
                await self._process.step()
        except (CrashError, VarveError):
            pass
        self._process.faults.dead = True
        self._process = ReplayProcess(self._world, generation)

    async def flip(self) -> None:
        """Once it has caught up: it is compared, and one record serves it, wherever the workers are. The command folds on until others do;
        the old workers and sinks know nothing yet."""
        world, built = self._world, self.built
        if built is None or self._process is None or self._sink is None:
            return
        if self._chosen.random() < 0.5:
            for home in world.homes:
                await world.owners[home].drain()
        await self._process.drain()
        served = world.sinks[0]
        await served.until_idle(await world.emitted(world.served))
        await self._sink.until_idle(await world.emitted(built))
        world.complaints += apart(world.served, built, served.watermarks.current)
        await serve(world.log, world.served.topics, built.topics.generation)
        if (found := (await serving(world.log, world.served.topics)).generation) != built.topics.generation:
            world.complaints.append(f"generation {found} is served after the flip to {built.topics.generation}")
        self.old, self.built, self._sink = world.served, None, None
        world.turn_to(built, self._chosen.random() < 0.5)

    async def settle(self) -> None:
        """What was begun comes to its end."""
        if self.built is not None:
            await self.flip()
        if self._process is not None and self.old is not None:
            await self._process.drain()


def apart(one: Generation, other: Generation, vector: tuple[int, ...]) -> list[str]:
    """Tables that two generations tell or hold differently below a vector that both have reached, but for what one of them has purged
    since."""
    complaints = []
    for name in COMPARED:
        for what, look in (("told", told), ("stored", held)):
            first, second = look(one, name, vector), look(other, name, vector)
            rows = [(first | second)[key] for key in first.keys() ^ second.keys()]
            if different := [row for row in rows if not any(each.purged(TARGETS[name], row) for each in (one, other))]:
                complaints.append(f"{name} {what} by two generations differ in {len(different)} rows")
    return complaints


def told(generation: Generation, name: str, vector: tuple[int, ...]) -> dict[str, Row]:
    """A record may have come several times."""
    records = [one for partition, end in enumerate(vector) for one in generation.emitted(partition) if one.position < end]
    return {key: row for one in records if one.name == name for key, row in one.rows.items()}


def held(generation: Generation, name: str, vector: tuple[int, ...]) -> dict[str, Row]:
    rows = generation.store.tables.get(TARGETS[name], {}).items()
    return {key: row for key, row in rows if row["version"] < vector[row["partition"]] * VERSIONS}
