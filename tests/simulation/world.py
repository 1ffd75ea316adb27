"""A seeded world in which workers fold and route over the memory log while everything that Faust does wrong happens: records
skipped at rebalances, offsets committed past records in flight, redelivery, crashes between any two writes, old owners
that write after new ones. One seed is one history. After: tests/simulation/checker.py looks at what is on the log.
"""

import random
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson

from streams.dead_letters import Letter, write_letter
from streams.lanes import Lane
from streams.log import Appended, Headers, LogRecord
from streams.log_memory import MemoryLog
from streams.points import PointsRecord
from streams.receipts import Receipt
from streams.recovery import keep_highest
from streams.route_state import RouteState
from streams.router import RouteShell
from streams.shell import FoldShell
from streams.state import PartitionState
from streams.topics import RECORD_BYTES_MAX, Topics
from varve.series import DEFAULT_TENANT, partition_of, series_id

PARTITIONS = 2
FLUSH_NEVER = 1 << 30
START_NS = 1_700_000_000 * 10**9
APART_NS = 300 * 10**9  # one write from the next: three to a rollup bucket


class CrashError(Exception):
    """The process is gone."""


class SteppedClock:
    """Each look is a millisecond later."""

    def __init__(self) -> None:
        self.ns = START_NS

    def now(self) -> int:
        self.ns += 10**6
        return self.ns

    def monotonic(self) -> float:
        return self.ns / 1e9


@dataclass(frozen=True)
class Guards:
    """What a mutant replaces; the defaults are the real ones."""

    fold_shell: type[FoldShell] = FoldShell
    route_shell: type[RouteShell] = RouteShell
    recover: Callable[[dict[bytes, bytes], list[tuple[bytes, bytes]]], dict[bytes, bytes]] = keep_highest
    seek_to_state: bool = True


@dataclass
class Event:
    """What Faust hands to an agent."""

    message: SimpleNamespace
    acked: Callable[[int], None]

    def ack(self) -> None:
        self.acked(self.message.offset)


class Owner:
    """One worker's hold on one partition of one topic: from its recovery until its crash."""

    def __init__(self, world: "World", topic: str, partition: int) -> None:
        self.world, self.topic, self.partition = world, topic, partition
        self.outbox: list[PointsRecord] = []
        self.sent = 0
        self.writes_left = FLUSH_NEVER
        held = world.remembered(topic, partition)
        self.lane = self._fold_lane(held) if topic == world.topics.events else self._route_lane(held)
        self.cursor = self.lane.first if world.guards.seek_to_state else world.committed.get((topic, partition), 0)

    async def take(self, records: int, skipped: int = 0) -> None:
        """Be handed the next records, after Faust has dropped some."""
        self.cursor += skipped
        for record in list(self.world.log.read(self.topic, self.partition, self.cursor, records)):
            self.cursor = record.offset + 1
            await self.lane.take(Event(_as_faust_gives_it(record), self._acked))

    def lose_in_flight(self, kept: int) -> None:
        """Only so many of the points that were handed over have left the process."""
        self.outbox = self.outbox[: self.sent + kept]

    async def send(self, until: int) -> None:
        while self.sent < min(until, len(self.outbox)):
            points = self.outbox[self.sent]
            self.sent += 1
            await self.world.log.append(self.world.topics.points, self.partition, points.value, headers=points.headers)

    def _acked(self, offset: int) -> None:
        at = (self.topic, self.partition)
        self.world.committed[at] = max(self.world.committed.get(at, 0), offset + 1)

    def _spend(self) -> None:
        if self.writes_left == 0:
            raise CrashError
        self.writes_left -= 1

    async def _remember(self, key: bytes, value: bytes) -> None:
        self._spend()
        self.world.changelog.setdefault((self.topic, self.partition), []).append((key, value))

    async def _refuse(self, letter: Letter) -> None:
        self._spend()
        await write_letter(self.world.log, self.world.topics, letter)

    def _fold_lane(self, held: dict[bytes, bytes]) -> Lane:
        state = PartitionState.recover(self.partition, held)
        shell = self.world.guards.fold_shell(state, self._emit, self._remember, self._refuse)
        return Lane(self.world.log, self.topic, self.partition, shell, state.applied, FLUSH_NEVER)

    def _emit(self, points: PointsRecord) -> Awaitable[object]:
        self._spend()
        self.outbox.append(points)
        return Sending(self, len(self.outbox))

    def _route_lane(self, held: dict[bytes, bytes]) -> Lane:
        state, world = RouteState.recover(self.partition, held), self.world

        async def append(target: int, value: bytes, headers: Headers) -> Appended:
            self._spend()
            return await world.log.append(world.topics.events, target, value, headers=headers)

        async def tell(receipt: Receipt) -> None:
            self._spend()
            key, value = receipt.encode()
            await world.log.append(world.topics.receipts, 0, value, key=key)

        shell = world.guards.route_shell(state, PARTITIONS, RECORD_BYTES_MAX, append, tell, self._remember, self._refuse)
        return Lane(world.log, self.topic, self.partition, shell, state.applied, FLUSH_NEVER)


def _as_faust_gives_it(record: LogRecord) -> SimpleNamespace:
    """Seconds instead of nanoseconds, headers as a list."""
    return SimpleNamespace(**vars(record) | {"timestamp": record.timestamp / 1e9, "headers": list(record.headers)})


@dataclass
class Sending:
    """Awaited: everything handed over before, and this, is on the log."""

    owner: Owner
    until: int

    def __await__(self) -> Generator[Any, None, None]:
        yield from self.owner.send(self.until).__await__()


@dataclass
class Sent:
    """What clients were told is accepted: each (series key, cell) once; refused cells must not show; poison must be a letter."""

    cells: set[tuple[str, int]] = field(default_factory=set)
    never: set[tuple[str, int]] = field(default_factory=set)
    poison: int = 0


class World:
    def __init__(self, seed: int, guards: Guards) -> None:
        self.chosen = random.Random(seed)
        self.guards = guards
        self.topics = Topics("world", PARTITIONS)
        self.log = MemoryLog(self.topics.all(), SteppedClock())
        self.changelog: dict[tuple[str, int], list[tuple[bytes, bytes]]] = {}
        self.committed: dict[tuple[str, int], int] = {}
        self.sent = Sent()
        self.number = 0
        self.keyed: list[tuple[str, list[str], int]] = []
        self.homes = [(topic, partition) for topic in (self.topics.intake, self.topics.events) for partition in range(PARTITIONS)]
        self.owners = {home: Owner(self, *home) for home in self.homes}
        self.zombies: list[Owner] = []

    def remembered(self, topic: str, partition: int) -> dict[bytes, bytes]:
        return self.guards.recover({}, self.changelog.get((topic, partition), []))

    async def run(self, steps: int) -> None:
        acts = [self.write] * 6 + [self.deliver] * 6 + [self.flush] * 3
        acts += [self.drop, self.redeliver, self.crash, self.crash_within, self.rebalance, self.wake_zombie, self.wake_zombie]
        acts += [self.write_poison, self.write_again, self.delete]
        for _ in range(steps):
            await self.chosen.choice(acts)()
        await self.settle()

    async def settle(self) -> None:
        """No more records come. A last rebalance, with offsets committed past the end; then everything must get through."""
        for home in self.homes:
            self.committed[home] = max(self.committed.get(home, 0), (await self.log.ends(home[0]))[home[1]])
            self._replace(home)
            owner = self.owners[home]
            await owner.take(FLUSH_NEVER)
            await owner.lane.flush()

    async def write(self) -> None:
        self.number += 1
        keys = self._keys()
        event_id = f"{self.number:032x}" if self.chosen.random() < 0.4 else None
        await self._append(keys, self.number, event_id)
        self.sent.cells |= {(key, self.number) for key in keys}
        if event_id is not None:
            self.keyed.append((event_id, keys, self.number))

    async def delete(self) -> None:
        """A span long gone of one series: layers stay, rollup rows and tails must follow."""
        key, at = self._keys()[0], self.chosen.randint(0, self.number)
        event = {"type": "points_deleted", "series": key, "from": at * APART_NS, "until": (at + 4) * APART_NS}
        await self.log.append(self.topics.events, partition_of(series_id(DEFAULT_TENANT, key), PARTITIONS), orjson.dumps(event))

    async def write_again(self) -> None:
        """A client repeats a keyed request; or reuses its key for something else, which must not show."""
        if not self.keyed:
            return
        event_id, keys, number = self.chosen.choice(self.keyed)
        if self.chosen.random() < 0.5:
            await self._append(keys, number, event_id)
            return
        self.number += 1
        others = self._keys() if len(keys) > 1 else keys
        await self._append(others, self.number, event_id, many=len(keys) > 1, body="f" * 16)
        self.sent.never |= {(key, self.number) for key in others}

    async def write_poison(self) -> None:
        topic, partition = self.chosen.choice(self.homes)
        await self.log.append(topic, partition, self.chosen.choice([b"nonsense", b"{}", b"", b'{"type": "points_written"}']))
        self.sent.poison += 1

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
        owner.writes_left = FLUSH_NEVER

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
        zombie.writes_left = self.chosen.choice([1, 2, 3, FLUSH_NEVER])
        try:
            await zombie.take(self.chosen.randint(0, 2))
            await zombie.lane.flush()
        except CrashError:
            return

    def _replace(self, home: tuple[str, int]) -> None:
        self.owners[home] = Owner(self, *home)

    def _owner(self) -> Owner:
        return self.owners[self.chosen.choice(self.homes)]

    def _keys(self) -> list[str]:
        return [f"s{number}" for number in self.chosen.sample(range(40), self.chosen.choice([1, 1, 4]))]

    async def _append(self, keys: list[str], number: int, event_id: str | None, *, many: bool | None = None, body: str = "a" * 16) -> None:
        """One series goes straight to its partition, several go through the intake."""
        rows = len(keys)
        kind = "points_written" if number % 3 else "points_incremented"
        event: dict[str, object] = {"type": kind, "series": keys, "valid_time": [number * APART_NS] * rows}
        event["value"] = [number] * rows
        if event_id is not None:
            event |= {"event_id": event_id, "body_hash": body}
        value = orjson.dumps(event)
        if rows > 1 if many is None else many:
            home = number if event_id is None else int(event_id, 16)
            await self.log.append(self.topics.intake, home % PARTITIONS, value)
        else:
            await self.log.append(self.topics.events, partition_of(series_id(DEFAULT_TENANT, keys[0]), PARTITIONS), value)
