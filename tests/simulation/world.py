"""A seeded world in which clients write, workers fold and route, sinks insert and readers read, over the memory log, while everything
goes wrong that can: records skipped at rebalances, offsets committed past records in flight, redelivery, crashes between any two
effects, old owners and sinks that write after new ones, a store that is slow or away. One seed is one history. After: checker.py.
"""

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from sink.store import Store
from streams.changelogs import changelogs, following, own_topics
from streams.topics import Topics
from tests.simulation.doors import REFUSED_KEY, Doors
from tests.simulation.generations import PARTITIONS, Generation
from tests.simulation.owners import Guards, Home, Owner
from tests.simulation.readers import Readers
from tests.simulation.replays import Replays
from tests.simulation.sinks import SinkProcess
from tests.simulation.store_memory import MemoryStore
from tests.simulation.wire import NEVER, CrashError, SteppedClock, WorldLog
from varve.series import DEFAULT_TENANT, series_id

Act = Callable[[], Coroutine[Any, Any, None]]
KEPT = 0.85  # of the acts, in one history: what never happens in some lets other things happen more


class World:
    """stores: real ones, of the first generation and the next; none where the store is in memory alone."""

    def __init__(self, seed: int, guards: Guards, stores: Sequence[Store] = ()) -> None:
        self.chosen = random.Random(seed)
        self.guards, self.clock = guards, SteppedClock()
        topics = Topics("world", PARTITIONS)
        self.log = WorldLog([*topics.all(), *changelogs(topics), *own_topics(following(topics))], self.clock)
        self.committed: dict[Home, int] = {}
        self.complaints: list[str] = []
        self.unread = {series_id(DEFAULT_TENANT, REFUSED_KEY)}
        self._stores = list(stores)
        self.served = self._generation(topics)
        self.homes = [(topic, partition) for topic in (topics.intake, topics.events) for partition in range(PARTITIONS)]
        self.owners = {home: Owner(self, home, topics) for home in self.homes}
        self.zombies: list[Owner] = []
        self.sinks = [SinkProcess(self, self.served)]
        self.asleep: list[SinkProcess] = []
        self.woken = False  # one of them went on
        self.doors, self.readers, self.replays = Doors(self), Readers(self), Replays(self)

    def remembered(self, changelog: str, partition: int) -> dict[bytes, bytes]:
        written = [(one.key or b"", one.value) for one in self.log.records(changelog, partition)]
        return self.guards.recover({}, written)

    def sink_process(self) -> SinkProcess:
        return self.chosen.choice(self.sinks)

    async def run(self, steps: int) -> None:
        doors, readers = self.doors, self.readers
        often: list[Act] = [doors.write] * 6 + [self.deliver] * 6 + [self.flush] * 3 + [self.sink] * 4
        seldom: list[Act] = [
            self.drop,
            self.redeliver,
            self.crash,
            self.crash_within,
            self.expire,
            self.rebalance,
            self.wake_zombie,
            self.wake_zombie,
        ]
        seldom += [doors.write_late, doors.write_late, doors.write_known, doors.rewrite, doors.write_if, doors.count, doors.count]
        seldom += [doors.delete, doors.purge, doors.write_again, doors.ask_again, doors.write_poison, doors.write_refused]
        seldom += [doors.pass_time, doors.move_clock]
        seldom += [self.crash_sink, self.crash_within_sink, self.sleep_sink, self.wake_sink, self.fail_sink]
        looks: list[Act] = [readers.read, readers.read, readers.read_on, self.renew]
        often += [] if self.served.store.beside is None else looks * 3
        seldom += looks
        replays = self.replays
        seldom += [replays.begin, replays.step, replays.step, replays.step, replays.crash]
        acts = often + [act for act in seldom if self.chosen.random() < KEPT]
        flip_at = self.chosen.randrange(steps)
        for at in range(steps):
            await (replays.flip if at == flip_at else self.chosen.choice(acts))()
        await self.settle()

    async def settle(self) -> None:
        """No more records come. A last rebalance, with offsets committed past the end; then everything must get through."""
        await self.doors.settle()
        for home in self.homes:
            self.committed[home] = max(self.committed.get(home, 0), (await self.log.ends(home[0]))[home[1]])
            self._replace(home)
            await self.owners[home].drain()
        await self.replays.settle()
        ends = tuple((await self.log.ends(self.served.topics.events)).values())
        self.sinks = [SinkProcess(self, self.served)]
        await self.sinks[0].until_idle(await self.emitted(self.served))
        if (told := self.sinks[0].watermarks.current) != ends:
            self.complaints.append(f"the watermark is {told}, and the log ends at {ends}")
        for _ in range(3):
            await self.readers.read()
        for generation in (self.served, self.replays.old):
            self.complaints += [] if generation is None else generation.complaints

    async def emitted(self, generation: Generation) -> Mapping[int, int]:
        return await self.log.ends(generation.topics.points)

    def next_generation(self) -> Generation:
        return self._generation(following(self.served.topics))

    def turn_to(self, generation: Generation, sleeping: bool) -> None:
        """Every process begins anew with it; some of the old ones have not noticed."""
        if sleeping:
            self.zombies += self.owners.values()
            self.asleep += self.sinks
        self.served = generation
        self.owners = {home: Owner(self, home, generation.topics) for home in self.homes}
        self.sinks = [SinkProcess(self, generation)]
        self.readers.forget()

    def _generation(self, topics: Topics) -> Generation:
        return Generation(self.log, topics, MemoryStore(self._stores.pop(0) if self._stores else None))

    async def deliver(self) -> None:
        await self._owner().take(self.chosen.randint(1, 5))

    async def flush(self) -> None:
        await self._owner().lane.flush()

    async def drop(self) -> None:
        """Faust hands over a later record and commits past those that it dropped."""
        owner = self._owner()
        skipped = self.chosen.randint(1, 3)
        if owner.cursor + skipped < (await self.log.ends(owner.topic))[owner.partition]:
            await owner.take(1, skipped)

    async def redeliver(self) -> None:
        owner = self._owner()
        owner.cursor = max(0, owner.cursor - self.chosen.randint(1, 6))

    async def crash(self) -> None:
        """kill -9: some of what was handed over has left."""
        home = self.chosen.choice(self.homes)
        owner = self.owners[home]
        await owner.send(owner.sent + self.chosen.randint(0, 3))
        owner.lose_in_flight(0)
        self._replace(home)

    async def expire(self) -> None:
        """What a worker has sent is not stored in time, later ones are: it leaves."""
        home = self.chosen.choice(self.homes)
        await self.owners[home].take(self.chosen.randint(1, 4))
        await self.owners[home].lose_oldest()
        self._replace(home)

    async def crash_within(self) -> None:
        """kill -9 between two writes of a step or of a flush."""
        home = self.chosen.choice(self.homes)
        owner = self.owners[home]
        owner.writes_left = self.chosen.randint(0, 4)
        try:
            await owner.take(self.chosen.randint(0, 4))
            await owner.lane.flush()
        except CrashError:
            owner.lose_in_flight(0)
            self._replace(home)
        owner.writes_left = NEVER

    async def rebalance(self) -> None:
        """The partition moves; its old owner sleeps and does not know. The group's offset is past records in flight."""
        home = self.chosen.choice(self.homes)
        self.zombies.append(self.owners[home])
        self.committed[home] = max(self.committed.get(home, 0), self.owners[home].cursor)
        self._replace(home)

    async def wake_zombie(self) -> None:
        """It goes on where it was, and is stopped somewhere in its writes."""
        if not self.zombies:
            return
        zombie = self.zombies.pop(self.chosen.randrange(len(self.zombies)))
        zombie.writes_left = self.chosen.choice([1, 2, 3, NEVER])
        try:
            await zombie.take(self.chosen.randint(0, 2))
            await zombie.lane.flush()
        except CrashError:
            return

    async def sink(self) -> None:
        await self.sink_process().step(self.chosen.randint(1, 6))

    async def fail_sink(self) -> None:
        """The store or the log is slow or away for a while: an effect fails, and half of those are done all the same."""
        process = self.sink_process()
        process.faults.failing = 0.4
        await process.step(self.chosen.randint(1, 8))
        process.faults.failing = 0.0

    async def crash_sink(self) -> None:
        """Between two steps."""
        self._replace_sink(self.sink_process())

    async def crash_within_sink(self) -> None:
        process = self.sink_process()
        if await process.crash_within(self.chosen.randint(0, 8), self.chosen.randint(2, 6)):
            self._replace_sink(process)

    async def sleep_sink(self) -> None:
        """Stopped and taken for dead: another one begins."""
        process = self.sink_process()
        self.asleep.append(process)
        self._replace_sink(process)

    async def wake_sink(self) -> None:
        if self.asleep:
            self.woken = True
            await self.asleep.pop(self.chosen.randrange(len(self.asleep))).step(self.chosen.randint(1, 6))

    async def renew(self) -> None:
        """Refresh of rollup rows."""
        self.sink_process().renew()

    def _replace_sink(self, process: SinkProcess) -> None:
        self.sinks[self.sinks.index(process)] = SinkProcess(self, process.generation)

    def _replace(self, home: Home) -> None:
        self.owners[home] = Owner(self, home, self.served.topics)

    def _owner(self) -> Owner:
        return self.owners[self.chosen.choice(self.homes)]
