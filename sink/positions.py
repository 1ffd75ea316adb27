"""How far the store is, as it says itself: written after each batch, read at start, checked against the log (I5, I12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from sink.queries.query import Query
from streams.log import Log
from streams.topics import Topics
from varve.errors import Fault

_POSITIONS = """SELECT partition, log_id, max(w.next_offset) AS next_offset, max(w.points_offset) AS points_offset
FROM watermarks AS w
GROUP BY partition, log_id"""


@dataclass(frozen=True)
class Reached:
    """Next offsets of varve.events and varve.points that the store lacks, in one partition."""

    partition: int
    next_offset: int
    points_offset: int


class PositionStore(Protocol):
    """What is needed of the store here."""

    where: str

    def insert(self, table: str, rows: pa.Table) -> None: ...

    def rows(self, query: Query) -> list[dict[str, Any]]: ...

    def change(self, query: Query) -> None: ...


def read_positions(store: PositionStore, log_id: str) -> dict[int, Reached]:
    """By partition; refuses a store that another log has filled."""
    found = store.rows(Query(_POSITIONS))
    others = sorted({str(row["log_id"]) for row in found} - {log_id})
    if others:
        raise Fault(
            "store-of-other-log",
            f"the store {store.where} was filled from log {others[0][:8]}…, and this log is {log_id[:8]}…: give the log its own store "
            "(another VARVE_STORE__DSN, VARVE_LOG__PREFIX or data directory), or stop everything and run `varve rebuild`, which removes "
            "this one and fills it from this log",
        )
    return {int(row["partition"]): Reached(int(row["partition"]), int(row["next_offset"]), int(row["points_offset"])) for row in found}


def write_positions(store: PositionStore, log_id: str, reached: Sequence[Reached]) -> None:
    columns = {
        "partition": pa.array([one.partition for one in reached], pa.uint16()),
        "log_id": pa.array([log_id] * len(reached), pa.string()),
        "next_offset": pa.array([one.next_offset for one in reached], pa.uint64()),
        "points_offset": pa.array([one.points_offset for one in reached], pa.uint64()),
    }
    store.insert("watermarks", pa.table(columns))


async def refuse_lost_log(log: Log, topics: Topics, reached: Sequence[Reached], where: str, *, points_needed: bool) -> None:
    """points_needed: for whoever fills the store; who only reads needs no more than that the log holds what is shown."""
    names = (topics.events, topics.points)
    ends = {name: await log.ends(name) for name in names}
    refuse_lost(reached, ends, await log.starts(topics.points) if points_needed else {}, names, where)


def refuse_lost(
    reached: Sequence[Reached], ends: Mapping[str, Mapping[int, int]], starts: Mapping[int, int], topics: Sequence[str], where: str
) -> None:
    """topics: of events and of points; ends of both, starts of points. Nothing acknowledged may be missing in silence (I12)."""
    events, points = topics
    for one in reached:
        for topic, offset in ((events, one.next_offset), (points, one.points_offset)):
            end = ends[topic].get(one.partition, 0)
            if end < offset:
                raise Fault(
                    "log-lost-tail",
                    f"{topic} partition {one.partition} ends at {end}, but the store {where} has read up to {offset}: the log lost its "
                    "tail. Bring the broker's newest files back, or accept the loss: stop everything and run `varve rebuild`, which "
                    "rebuilds all views from what the log holds",
                )
        if starts.get(one.partition, 0) > one.points_offset:
            raise Fault(
                "points-expired",
                f"{points} partition {one.partition} starts at {starts[one.partition]}, but the store {where} needs {one.points_offset}: "
                "it was away for longer than the topic keeps. Stop everything and run `varve rebuild`",
            )
