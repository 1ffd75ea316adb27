"""Clients and doors: they write, repeat, misuse keys and send nonsense, and note what they were told. Each row has a number of its own.

Before: world.py says when. After: checker.py looks for each row on the points topic.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from tests.simulation.generations import PARTITIONS
from tests.simulation.store_memory import REFUSED
from varve.series import DEFAULT_TENANT, partition_of, series_id

if TYPE_CHECKING:
    from tests.simulation.world import World

APART_NS = 300 * 10**9  # one write from the next: three to a rollup bucket
REFUSED_KEY = "not to be stored"


@dataclass
class Sent:
    """What clients were told is accepted: each (series key, cell) once; refused cells must not show; poison must be a letter."""

    cells: set[tuple[str, int]] = field(default_factory=set)
    never: set[tuple[str, int]] = field(default_factory=set)
    poison: int = 0
    unstorable: int = 0


class Doors:
    def __init__(self, world: "World") -> None:
        self._world, self._chosen = world, world.chosen
        self.sent = Sent()
        self.number = 0
        self.keyed: list[tuple[str, list[str], int]] = []
        self._series = self._chosen.choice((6, 40))

    async def write(self) -> None:
        self.number += 1
        keys = self._keys()
        event_id = f"{self.number:032x}" if self._chosen.random() < 0.4 else None
        await self._append(keys, self.number, event_id)
        self.sent.cells |= {(key, self.number) for key in keys}
        if event_id is not None:
            self.keyed.append((event_id, keys, self.number))

    async def delete(self) -> None:
        """A span long gone of one series: layers stay, rollup rows and tails must follow."""
        key, at = self._keys()[0], self._chosen.randint(0, self.number)
        event = {"type": "points_deleted", "series": key, "from": at * APART_NS, "until": (at + 4) * APART_NS}
        await self._to_events(key, orjson.dumps(event))

    async def write_again(self) -> None:
        """A client repeats a keyed request; or reuses its key for something else, which must not show."""
        if not self.keyed:
            return
        event_id, keys, number = self._chosen.choice(self.keyed)
        if self._chosen.random() < 0.5:
            await self._append(keys, number, event_id)
            return
        self.number += 1
        others = self._keys() if len(keys) > 1 else keys
        await self._append(others, self.number, event_id, many=len(keys) > 1, body="f" * 16)
        self.sent.never |= {(key, self.number) for key in others}

    async def write_poison(self) -> None:
        topic, partition = self._chosen.choice(self._world.homes)
        await self._world.log.append(topic, partition, self._chosen.choice([b"nonsense", b"{}", b"", b'{"type": "points_written"}']))
        self.sent.poison += 1

    async def write_refused(self) -> None:
        """The store will not have it; the batch that it comes in goes in but for it."""
        self.number += 1
        event = {"type": "points_written", "series": REFUSED_KEY, "valid_time": self.number * APART_NS, "value": self.number}
        await self._to_events(REFUSED_KEY, orjson.dumps(event | {"annotation": REFUSED}))
        self.sent.cells.add((REFUSED_KEY, self.number))
        self.sent.unstorable += 1

    def _keys(self) -> list[str]:
        return [f"s{number}" for number in self._chosen.sample(range(self._series), self._chosen.choice([1, 1, 4]))]

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
            await self._world.log.append(self._world.served.topics.intake, home % PARTITIONS, value)
        else:
            await self._to_events(keys[0], value)

    async def _to_events(self, key: str, value: bytes) -> None:
        partition = partition_of(series_id(DEFAULT_TENANT, key), PARTITIONS)
        await self._world.log.append(self._world.served.topics.events, partition, value)
