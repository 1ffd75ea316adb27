"""Workers: one's hold on one partition of a topic, as Faust gives it, with the real shells and lanes, from its recovery to its end.

Before: world.py hands over, skips and repeats records, and kills. After: points, receipts and state are on the log.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sink.consumer import Sink
from streams.changelogs import changelogs
from streams.dead_letters import Letter, write_letter
from streams.lanes import Lane
from streams.log import Appended, Headers, LogRecord
from streams.points import PointsRecord
from streams.receipts import Receipt
from streams.recovery import keep_highest
from streams.route_state import RouteState
from streams.router import RouteShell
from streams.shell import FoldShell
from streams.state import PartitionState
from streams.topics import RECORD_BYTES_MAX, Topics
from tests.simulation.wire import NEVER, CrashError

if TYPE_CHECKING:
    from tests.simulation.world import World

Home = tuple[str, int]


@dataclass(frozen=True)
class Guards:
    """What a mutant replaces; the defaults are the real ones."""

    fold_shell: type[FoldShell] = FoldShell
    route_shell: type[RouteShell] = RouteShell
    recover: Callable[[dict[bytes, bytes], list[tuple[bytes, bytes]]], dict[bytes, bytes]] = keep_highest
    seek_to_state: bool = True
    sink: type[Sink] = Sink


@dataclass
class Event:
    """What Faust hands to an agent."""

    message: SimpleNamespace
    acked: Callable[[int], None]

    def ack(self) -> None:
        self.acked(self.message.offset)


class Owner:
    """topics: of the generation that it folds."""

    def __init__(self, world: "World", home: Home, topics: Topics) -> None:
        self.world, self.topics = world, topics
        self.topic, self.partition = home
        self.outbox: list[PointsRecord] = []
        self.sent = 0
        self.writes_left = NEVER
        folds = self.topic == topics.events
        self.changelog = changelogs(topics)[0 if folds else 1].name
        held = world.remembered(self.changelog, self.partition)
        self.lane = self._fold_lane(held) if folds else self._route_lane(held)
        self.cursor = self.lane.first if world.guards.seek_to_state else world.committed.get(home, 0)

    async def take(self, records: int, skipped: int = 0) -> None:
        """Be handed the next records, after Faust has dropped some."""
        self.cursor += skipped
        for record in list(self.world.log.read(self.topic, self.partition, self.cursor, records)):
            self.cursor = record.offset + 1
            await self.lane.take(Event(_as_faust_gives_it(record), self._acked))

    async def drain(self) -> None:
        await self.take(NEVER)
        await self.lane.flush()

    def lose_in_flight(self, kept: int) -> None:
        """Only so many of the points that were handed over have left the process."""
        self.outbox = self.outbox[: self.sent + kept]

    async def lose_oldest(self) -> None:
        """The oldest has waited for too long and is given up; those behind it leave, and the process ends."""
        waiting = self.outbox[self.sent :]
        if waiting:
            lost = dict(waiting[0].headers)["position"]
            self.outbox = self.outbox[: self.sent] + [one for one in waiting if dict(one.headers)["position"] != lost]
        await self.send(NEVER)

    async def send(self, until: int) -> None:
        while self.sent < min(until, len(self.outbox)):
            points = self.outbox[self.sent]
            self.sent += 1
            await self.world.log.append(self.topics.points, self.partition, points.value, headers=points.headers)

    def _acked(self, offset: int) -> None:
        at = (self.topic, self.partition)
        self.world.committed[at] = max(self.world.committed.get(at, 0), offset + 1)

    def _spend(self) -> None:
        if self.writes_left == 0:
            raise CrashError
        self.writes_left -= 1

    async def _remember(self, key: bytes, value: bytes) -> None:
        self._spend()
        await self.world.log.append(self.changelog, self.partition, value, key=key)

    async def _refuse(self, letter: Letter) -> None:
        self._spend()
        await write_letter(self.world.log, self.topics, letter)

    def _fold_lane(self, held: dict[bytes, bytes]) -> Lane:
        state = PartitionState.recover(self.partition, held)
        shell = self.world.guards.fold_shell(state, self._emit, self._remember, self._refuse)
        return Lane(self.world.log, self.topic, self.partition, shell, state.applied, NEVER)

    def _emit(self, points: PointsRecord) -> Awaitable[object]:
        self._spend()
        self.outbox.append(points)
        return Sending(self, len(self.outbox))

    def _route_lane(self, held: dict[bytes, bytes]) -> Lane:
        state, world = RouteState.recover(self.partition, held), self.world

        async def append(target: int, value: bytes, headers: Headers) -> Appended:
            self._spend()
            return await world.log.append(self.topics.events, target, value, headers=headers)

        async def tell(receipt: Receipt) -> None:
            self._spend()
            key, value = receipt.encode()
            await world.log.append(self.topics.receipts, 0, value, key=key)

        partitions = self.topics.partitions
        shell = world.guards.route_shell(state, partitions, RECORD_BYTES_MAX, append, tell, self._remember, self._refuse)
        return Lane(world.log, self.topic, self.partition, shell, state.applied, NEVER)


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
