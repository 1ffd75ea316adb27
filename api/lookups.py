"""Small questions that doors ask the store before and after they write: outcomes, value types, runs, cells of a run.

Before: the writer, the catalogue, updates. After: store_calls.py. They look at everything that is in the store: what is
asked here only decides what to append, and the fold decides again (I3).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.store_calls import StoreCalls
from api.verdict import EventKey, OutcomeRow
from sink.queries.query import Query
from varve.codec import event_key

IDS_MAX = 2_000  # bound into one query: an address line has its length
_OUTCOMES = "SELECT event_id, partition, version, status, body_hash, reason FROM outcomes WHERE event_id IN {keys:Array(UUID)}"
_TYPES = """
SELECT series_id, argMaxIf(value_type, version, bitTest(mask, 4)) AS kind FROM series
WHERE tenant = {tenant:UUID} AND series_id IN {ids:Array(UUID)} GROUP BY series_id"""
_RUN = """
SELECT count() AS found, argMaxIf(toUnixTimestamp64Nano(known_time), version, state = 'opened') AS known FROM runs
WHERE tenant = {tenant:UUID} AND run_id = {run:UUID}"""
# A run's record of a cell: the fold of its layers at their newest known_time; each field of the newest layer that sets it.
_CELLS = """
SELECT run_id, series_id, toUnixTimestamp64Nano(valid_time) AS at, toUnixTimestamp64Nano(max(known_time)) AS known,
    argMaxIf(tuple(value), version, bitTest(mask, 0)).1 AS value, argMaxIf(tuple(annotation), version, bitTest(mask, 1)).1 AS annotation,
    argMaxIf(tags, version, bitTest(mask, 2)) AS tags, arraySort(groupUniqArray(version)) AS versions
FROM points
WHERE tenant = {tenant:UUID} AND (run_id, series_id) IN arrayZip({runs:Array(UUID)}, {ids:Array(UUID)})
    AND valid_time >= fromUnixTimestamp64Nano({first:Int64}) AND valid_time <= fromUnixTimestamp64Nano({last:Int64})
    AND (run_id, series_id, toUnixTimestamp64Nano(valid_time)) IN arrayZip({runs:Array(UUID)}, {ids:Array(UUID)}, {times:Array(Int64)})
GROUP BY run_id, series_id, valid_time"""


@dataclass(frozen=True)
class Cell:
    """A run's record: TimeDB's name for what one upload said of one series at one valid_time."""

    tenant: uuid.UUID
    run_id: uuid.UUID
    series_id: uuid.UUID
    valid_time: int


@dataclass(frozen=True)
class CellState:
    known_time: int
    value: float | None
    annotation: str | None
    tags: tuple[str, ...]
    versions: tuple[int, ...]


class Lookups:
    def __init__(self, calls: StoreCalls) -> None:
        self._calls = calls

    async def outcomes(self, events: Sequence[EventKey]) -> list[OutcomeRow]:
        found: list[OutcomeRow] = []
        for some in _parts(events):
            keys = [str(uuid.UUID(bytes=event_key(*event))) for event in some]
            found += [
                OutcomeRow(row["event_id"].bytes, row["partition"], row["version"], row["status"], row["body_hash"], row["reason"])
                for row in await self._calls.rows(Query(_OUTCOMES, {"keys": keys}))
            ]
        return found

    async def value_types(self, tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Of the series that are there."""
        found: dict[uuid.UUID, str] = {}
        for some in _parts(idents):
            query = Query(_TYPES, {"tenant": str(tenant), "ids": [str(one) for one in some]})
            found |= {row["series_id"]: row["kind"] or "number" for row in await self._calls.rows(query)}
        return found

    async def run(self, tenant: uuid.UUID, run_id: uuid.UUID) -> tuple[int | None] | None:
        """(its known_time or None,), or None where nobody opened it."""
        rows = await self._calls.rows(Query(_RUN, {"tenant": str(tenant), "run": str(run_id)}))
        return (rows[0]["known"],) if rows and rows[0]["found"] else None

    async def cells(self, cells: Sequence[Cell]) -> dict[Cell, CellState]:
        """Those that have a value."""
        found: dict[Cell, CellState] = {}
        for tenant in dict.fromkeys(cell.tenant for cell in cells):
            for some in _parts([cell for cell in cells if cell.tenant == tenant]):
                found |= {_cell(tenant, row): _state(row) for row in await self._calls.rows(_cells_query(tenant, some))}
        return found


def _cells_query(tenant: uuid.UUID, cells: Sequence[Cell]) -> Query:
    times = [cell.valid_time for cell in cells]
    lists = {"runs": [str(cell.run_id) for cell in cells], "ids": [str(cell.series_id) for cell in cells], "times": times}
    return Query(_CELLS, {"tenant": str(tenant), "first": min(times), "last": max(times), **lists})


def _cell(tenant: uuid.UUID, row: dict[str, Any]) -> Cell:
    return Cell(tenant, row["run_id"], row["series_id"], row["at"])


def _state(row: dict[str, Any]) -> CellState:
    return CellState(row["known"], row["value"], row["annotation"], tuple(row["tags"]), tuple(row["versions"]))


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[at : at + IDS_MAX] for at in range(0, len(items), IDS_MAX)]
