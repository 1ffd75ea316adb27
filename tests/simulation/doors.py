"""Clients and doors: requests of every kind, through doors whose clocks are wrong or as foreign producers, sent again where nobody knows
what became of them. Each request has a number, which its rows carry. Before: world.py says when. After: checker.py looks for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from api.clock_guard import APART_SECONDS_MAX, ClockGuard
from tests.simulation.generations import PARTITIONS, Generation
from tests.simulation.store_memory import REFUSED
from tests.simulation.wire import START_NS, Faults, SteppedClock, Wire
from varve.codec import decode, encode
from varve.errors import Incorrect, Unavailable
from varve.events import KNOWN_AHEAD_NS_MAX
from varve.record import refusals
from varve.series import DEFAULT_TENANT, partition_of, series_id

if TYPE_CHECKING:
    from tests.simulation.world import World

SECOND = 10**9
APART_NS = 300 * SECOND  # one write from the next: three to a rollup bucket
FIRST_NS = (START_NS // APART_NS - 250) * APART_NS
REFUSED_KEY, COUNTED_KEY = "not to be stored", "counted"
SKEWS = (0, 0, 2 * SECOND, -2 * SECOND, 29 * SECOND, -29 * SECOND, 45 * SECOND, -45 * SECOND, 300 * SECOND)
FAILING = 0.06
Mark = tuple[str, int, int]  # series key, valid_time (of a deletion: its end), number
Body = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """home: the intake partition; None is straight to varve.events. known: the client's known_time."""

    bodies: tuple[Body, ...]
    keys: tuple[str, ...]
    marks: frozenset[Mark]
    home: int | None
    known: int | None = None

    @property
    def keyed(self) -> bool:
        return all("event_id" in body for body in self.bodies)


@dataclass(frozen=True)
class Condition:
    key: str
    expected: int
    mark: Mark


@dataclass
class Sent:
    """What clients were told. once: accepted; perhaps: nobody knows, and nobody asks again; never: refused. plain: numbers of requests
    without a known_time. letters: where records lie that must be dead letters; counted: event ids of increments of the latest value."""

    once: set[Mark] = field(default_factory=set)
    perhaps: set[Mark] = field(default_factory=set)
    never: set[Mark] = field(default_factory=set)
    plain: set[int] = field(default_factory=set)
    letters: set[tuple[str, int, int]] = field(default_factory=set)
    conditions: dict[str, Condition] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)


class SkewedClock:
    def __init__(self, true: SteppedClock, skew_ns: int) -> None:
        self.skew_ns, self._true = skew_ns, true

    def now(self) -> int:
        return self._true.now() + self.skew_ns

    def monotonic(self) -> float:
        return self._true.monotonic()


class Door:
    """A server's ways in, with a clock of its own. heard: the guard knows the broker's time."""

    def __init__(self, clock: SkewedClock) -> None:
        self.clock, self.guard, self.heard = clock, ClockGuard(clock), False

    def accepted(self, bodies: Sequence[Body]) -> tuple[bytes, int]:
        """The record and its stamp."""
        self.guard.check()
        stamp = self.clock.now()
        record = decode(orjson.dumps([body | {"recorded_time": stamp} for body in bodies]))
        if found := refusals(record, stamp):
            raise Incorrect(found[0].code, f"{stamp}: {found[0].reason}")
        return encode(record), stamp

    def hear(self, timestamp: int) -> None:
        self.guard.heard(timestamp)
        self.heard = True


class Doors:
    def __init__(self, world: "World") -> None:
        self._world, self._chosen = world, world.chosen
        self._faults = Faults(world.chosen, failing=FAILING)
        self._wire = Wire(world.log, self._faults)
        self.doors = [Door(SkewedClock(world.clock, self._chosen.choice(SKEWS))) for _ in range(3)]
        self.sent = Sent()
        self.number = 0
        self._accepted: list[Request] = []  # keyed ones
        self._unsure: list[Request] = []
        self._series = self._chosen.choice((6, 40))

    async def write(self) -> None:
        """Plain writes and increments, in order of time."""
        made = [self._rows(self._chosen.choice(("points_written", "points_written", "points_incremented"))) for _ in range(self._few())]
        await self._send(self._request(made))

    async def write_late(self) -> None:
        """Into cells that are there, or between them."""
        back = self._chosen.choice((0, 0, 60 * SECOND)) - self._chosen.randint(0, 30) * APART_NS
        kind = self._chosen.choice(("points_written", "points_incremented", "points_updated"))
        await self._send(self._request([self._rows(kind, back)]))

    async def write_known(self) -> None:
        """The client says when it was known: long ago, up to 60 s ahead, or further, which is refused somewhere on the way."""
        now = self._world.clock.now()
        known = now + self._chosen.choice((-86_400, -3600, -60, -1, 30, 50, 100, 4000)) * SECOND
        late = -self._chosen.randint(0, 10) * APART_NS
        kind = self._chosen.choice(("points_written", "points_written", "points_updated"))
        body, keys, marks = self._rows(kind, late, keyed=False)
        await self._send(replace(self._request([(body | {"known_time": known}, keys, marks)]), known=known))

    async def rewrite(self) -> None:
        body, keys, marks = self._rows("series_rewritten", keys=self._keys()[:1])
        await self._send(self._request([(body, keys, marks)]))

    async def write_if(self) -> None:
        """Under the version that a reader saw, or an older one."""
        body, keys, marks = self._rows("points_written", keys=self._keys()[:1], keyed=True)
        versions = [0, *sorted(versions_of(self._world.served, keys[0]))]
        expected = versions[-1] if self._chosen.random() < 0.7 else self._chosen.choice(versions)
        (mark,) = marks
        self.sent.conditions[body["event_id"]] = Condition(keys[0], expected, mark)
        await self._send(replace(self._request([(body | {"if_series_version": expected}, keys, frozenset())]), home=None))

    async def count(self) -> None:
        """The latest value and one: what is counted must come out as the number of counts."""
        self.number += 1
        body = {"type": "latest_incremented", "series": COUNTED_KEY, "amount": 1} | self._key()
        self.sent.counted.add(str(body["event_id"]))
        await self._send(Request((body,), (COUNTED_KEY,), frozenset(), None))

    async def delete(self) -> None:
        """A span of one series: layers stay, rollup rows and tails must follow."""
        await self._clear("points_deleted")

    async def purge(self) -> None:
        await self._clear("purge_requested")

    async def write_again(self) -> None:
        """A client repeats a keyed request; or reuses its key for something else, which must not show."""
        if not self._accepted:
            return
        before = self._chosen.choice(self._accepted)
        if self._chosen.random() < 0.5:
            await self._send(self._elsewhere(before))
            return
        body, _, marks = self._rows("points_written", keys=list(before.keys) if before.home is None else None, keyed=False)
        other = body | {"event_id": before.bodies[0]["event_id"], "body_hash": "f" * 16}
        self.sent.never |= marks
        await self._append(Request((other,), before.keys, frozenset(), before.home), orjson.dumps(other))

    async def ask_again(self) -> None:
        """Of a keyed request of which nobody knows whether it was stored."""
        if self._unsure:
            await self._send(self._elsewhere(self._unsure.pop(self._chosen.randrange(len(self._unsure)))))

    async def write_poison(self) -> None:
        topic, partition = self._chosen.choice(self._world.homes)
        poison = self._chosen.choice([b"nonsense", b"{}", b"", b'{"type": "points_written"}'])
        stored = await self._world.log.append(topic, partition, poison)
        self.sent.letters.add((topic, partition, stored.offset))

    async def write_refused(self) -> None:
        """The store will not have it; the batch that it comes in goes in but for it."""
        body, keys, marks = self._rows("points_written", keys=[REFUSED_KEY], keyed=False)
        await self._send(replace(self._request([(body | {"annotation": REFUSED}, keys, marks)]), home=None))

    async def pass_time(self) -> None:
        self._world.clock.ns += self._chosen.randint(1, 60) * SECOND

    async def move_clock(self) -> None:
        """Of one door; it notices by itself, once it has heard the broker's time."""
        door = self._chosen.choice(self.doors)
        door.clock.skew_ns = self._chosen.choice(SKEWS)
        if self._chosen.random() < 0.5:
            stored = await self._world.log.append(self._world.served.topics.progress, 0, b"{}", key=b"beat")
            door.hear(stored.timestamp)

    async def settle(self) -> None:
        """Every request with a key is asked again until somebody answers."""
        self._faults.failing = 0.0
        while self._unsure:
            await self._send(self._unsure.pop(), foreign=True)

    async def _send(self, request: Request, *, foreign: bool = False) -> None:
        door = None if foreign else self._chosen.choice([*self.doors, None])
        try:
            value = orjson.dumps(list(request.bodies)) if door is None else self._through(door, request)
        except Unavailable:
            if request in self._accepted:
                return
            if request.keyed:
                self._unsure.append(request)
            return
        if value is not None:
            await self._append(request, value, door)

    def _through(self, door: Door, request: Request) -> bytes | None:
        """None where it is refused, as it should be."""
        off = abs(door.clock.skew_ns) > (APART_SECONDS_MAX + 1) * SECOND and door.heard
        try:
            value, stamp = door.accepted(request.bodies)
        except Incorrect as error:
            self.sent.never |= request.marks
            stamp = int(error.message.partition(":")[0])
            if request.known is None or request.known <= stamp + KNOWN_AHEAD_NS_MAX:
                self._complain(f"a door refused what is right: {error.message}")
            return None
        if request.known is not None and request.known > stamp + KNOWN_AHEAD_NS_MAX:
            self._complain("a door accepted a known_time more than 60 s ahead")
        if off:
            self._complain(f"a door whose clock is {door.clock.skew_ns / SECOND:.0f} s off accepted a write")
        return value

    async def _append(self, request: Request, value: bytes, door: Door | None = None) -> None:
        topics, known = self._world.served.topics, request.known
        ahead = door is None and known is not None and known > self._world.clock.ns + 80 * SECOND  # refused by the route or the fold
        topic, partition = (topics.events, _partition(request.keys[0])) if request.home is None else (topics.intake, request.home)
        if known is None:
            self.sent.plain |= {number for _, _, number in request.marks}
        try:
            stored = await self._wire.append(topic, partition, value)
        except Unavailable:
            if not ahead:
                self.sent.perhaps |= request.marks
                self._unsure += [request] if request.keyed and request not in self._accepted else []
            else:
                self.sent.never |= request.marks
            return
        if door is not None:
            door.hear(stored.timestamp)
        if ahead:
            self.sent.never |= request.marks
            self.sent.letters.add((topic, partition, stored.offset))
            return
        self.sent.once |= request.marks
        if request.keyed and request.marks:
            self._accepted.append(request)

    async def _clear(self, kind: str) -> None:
        self.number += 1
        key, at = self._keys()[0], self._chosen.randint(0, self.number)
        from_ = FIRST_NS + at * APART_NS
        until = from_ + self._chosen.choice((1, 4, 40)) * APART_NS + self.number
        body = {"type": kind, "series": key, "from": from_, "until": until} | (self._key() if self._chosen.random() < 0.4 else {})
        await self._send(Request((body,), (key,), frozenset({(key, until, self.number)}), None))

    def _rows(
        self, kind: str, shift: int = 0, *, keys: list[str] | None = None, keyed: bool | None = None
    ) -> tuple[Body, tuple[str, ...], frozenset[Mark]]:
        self.number += 1
        keys = self._keys() if keys is None else keys
        at = max(FIRST_NS, FIRST_NS + self.number * APART_NS + shift)
        body: Body = {"type": kind, "series": keys, "valid_time": [at] * len(keys)}
        if kind == "points_updated" and self._chosen.random() < 0.5:
            body["annotation"] = [str(self.number)] * len(keys)
        else:
            body["value"] = [self.number] * len(keys)
        if keyed or (keyed is None and self._chosen.random() < 0.4):
            body |= self._key()
        return body, tuple(keys), frozenset((key, at, self.number) for key in keys)

    def _request(self, made: Sequence[tuple[Body, tuple[str, ...], frozenset[Mark]]]) -> Request:
        """Several events share a record; those of several partitions go by way of the intake, some of one too."""
        bodies, keys = tuple(body for body, _, _ in made), tuple(key for _, some, _ in made for key in some)
        many = len({_partition(key) for key in keys}) > 1 or self._chosen.random() < 0.2
        home = self._chosen.randrange(PARTITIONS) if many else None
        return Request(bodies, keys, frozenset().union(*(marks for _, _, marks in made)), home)

    def _elsewhere(self, request: Request) -> Request:
        """A producer's next attempt may come to another partition of the intake. Not that of a reused key, which has no marks: there it
        could overtake the request whose key it is."""
        return request if request.home is None or not request.marks else replace(request, home=self._chosen.randrange(PARTITIONS))

    def _key(self) -> Body:
        return {"event_id": f"{self.number:032x}", "body_hash": "a" * 16}

    def _keys(self) -> list[str]:
        return [f"s{number}" for number in self._chosen.sample(range(self._series), self._chosen.choice([1, 1, 4]))]

    def _few(self) -> int:
        return self._chosen.choice((1, 1, 1, 3))

    def _complain(self, words: str) -> None:
        self._world.complaints.append(words)


def versions_of(generation: Generation, key: str) -> set[int]:
    """Of a series, as the points topic tells them."""
    ident = series_id(DEFAULT_TENANT, key).bytes
    return {row["version"] for name in ("layers", "deletions", "series") for row in generation.rows(name) if row["series_id"] == ident}


def _partition(key: str) -> int:
    return partition_of(series_id(DEFAULT_TENANT, key), PARTITIONS)
