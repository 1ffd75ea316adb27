"""One generation of the views: what its points topic says, decoded once, and its store; complaints where the store lacks what was told.

Before: owners.py and replays.py emit, sinks.py inserts. After: checker.py and readers.py take from here what must be answered.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from sink.rows import TARGETS
from sink.watermark import Watermarks
from streams.points import decode_points
from streams.topics import Topics
from tests.simulation.store_memory import REFUSED, MemoryStore, Row, full_rows, gone_by, key_of
from tests.simulation.wire import WorldLog

PARTITIONS = 2
VERSIONS = 1 << 20  # to a position


@dataclass(frozen=True)
class Emitted:
    """A record of the points topic. rows: by their bytes; refused: the store will have none of them."""

    offset: int
    position: int
    last: bool
    name: str
    rows: dict[str, Row] = field(repr=False)
    refused: bool


class Generation:
    def __init__(self, log: WorldLog, topics: Topics, store: MemoryStore) -> None:
        self.topics, self.store = topics, store
        self.complaints: list[str] = []
        self._log = log
        self._emitted: list[list[Emitted]] = [[] for _ in range(PARTITIONS)]
        self._gone: dict[str, list[Callable[[Row], bool]]] = {"points": [], "rollups": []}

    def emitted(self, partition: int) -> list[Emitted]:
        known = self._emitted[partition]
        for record in self._log.records(self.topics.points, partition)[len(known) :]:
            said = decode_points(record.value, record.headers)
            rows = {} if said.table is None else {key_of(row): row for row in full_rows(said.table)}
            refused = any(row.get("annotation") == REFUSED for row in rows.values())
            known.append(Emitted(record.offset, said.offset, said.last, said.name, rows, refused))
            if said.name == "purges":
                for row in rows.values():
                    self._gone["points"].append(gone_by(row, "points"))
                    self._gone["rollups"].append(gone_by(row, "rollups"))
        return known

    def rows(self, name: str) -> Iterator[Row]:
        """Of one table, over all partitions, each as often as it was emitted."""
        return (row for partition in range(PARTITIONS) for one in self.emitted(partition) if one.name == name for row in one.rows.values())

    def purged(self, target: str, row: Row) -> bool:
        """It may be erased by now."""
        return any(gone(row) for gone in self._gone.get(target, ()))

    def lacks(self, partition: int, told: Callable[[Emitted], bool]) -> int:
        """How many rows of the records that are told of are not in the store."""
        missing = 0
        for one in self.emitted(partition):
            if one.name != "none" and not one.refused and told(one):
                target = TARGETS[one.name]
                held = self.store.tables.get(target, {})
                missing += sum(1 for key, row in one.rows.items() if key not in held and not self.purged(target, row))
        return missing

    def signalled(self, partition: int, before: int, next_offset: int) -> None:
        """A watermark is told: every row below it is there (I5)."""
        if missing := self.lacks(partition, lambda one: before <= one.position < next_offset):
            self.complaints.append(
                f"partition {partition}: the watermark {next_offset} is told while {missing} rows below it are not there"
            )

    def stored(self, positions: pa.Table) -> None:
        """The store's own position is to be written: what lies before it is never read again."""
        for row in full_rows(positions):
            partition, points_offset, next_offset = row["partition"], row["points_offset"], row["next_offset"]
            if missing := self.lacks(partition, lambda one: one.offset < points_offset or one.position < next_offset):  # noqa: B023
                self.complaints.append(
                    f"partition {partition}: the position {points_offset} is stored while {missing} rows before it are not"
                )


class Watched(Watermarks):
    """A process's watermarks, looked at as they are told."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(PARTITIONS)
        self._generation = generation

    def advance(self, partition: int, next_offset: int) -> None:
        self._generation.signalled(partition, self.current[partition], next_offset)
        super().advance(partition, next_offset)
