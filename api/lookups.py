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
from sink.queries.outcomes import outcomes
from sink.queries.query import Query
from sink.queries.runs import RunSearch, runs
from sink.queries.series import value_types
from varve.codec import event_key
from varve.instants import parse_instant

IDS_MAX = 2_000  # bound into one query: an address line has its length
# A cell as it is: each field from the newest layer that sets it; of one run alone where the cell is a run's record.
_CELLS = """
SELECT {run} AS run, series_id, toUnixTimestamp64Nano(valid_time) AS at, toUnixTimestamp64Nano(max(known_time)) AS known,
    argMaxIf(tuple(p.value, p.text), (known_time, version), bitTest(mask, 0)) AS held,
    argMaxIf(tuple(p.annotation), (known_time, version), bitTest(mask, 1)).1 AS annotation,
    argMaxIf(p.tags, (known_time, version), bitTest(mask, 2)) AS tags,
    argMaxIf(tuple(toUnixTimestamp64Nano(p.valid_time_end)), (known_time, version), bitTest(mask, 3)).1 AS until,
    any(partition) AS partition, arraySort(groupUniqArray(version)) AS versions
FROM points AS p
WHERE tenant = {{tenant:UUID}} AND series_id IN {{ids:Array(UUID)}}
    AND valid_time >= fromUnixTimestamp64Nano({{first:Int64}}, 'UTC') AND valid_time <= fromUnixTimestamp64Nano({{last:Int64}}, 'UTC')
    AND ({run}, series_id, toUnixTimestamp64Nano(valid_time)) IN arrayZip({{runs:Array(UUID)}}, {{ids:Array(UUID)}}, {{times:Array(Int64)}})
GROUP BY run, series_id, valid_time"""
_NO_RUN = uuid.UUID(int=0)


@dataclass(frozen=True)
class Cell:
    """run_id: what one upload said of a series at a valid_time (TimeDB's record); None: all that is known of it."""

    tenant: uuid.UUID
    run_id: uuid.UUID | None
    series_id: uuid.UUID
    valid_time: int


@dataclass(frozen=True)
class CellState:
    """known_time: the newest; versions: of all its layers, rising."""

    known_time: int
    value: float | None
    text: str | None
    annotation: str | None
    tags: tuple[str, ...]
    valid_time_end: int | None
    partition: int
    versions: tuple[int, ...]


class Lookups:
    def __init__(self, calls: StoreCalls) -> None:
        self._calls = calls

    async def outcomes(self, events: Sequence[EventKey]) -> list[OutcomeRow]:
        found: list[OutcomeRow] = []
        for some in _parts(events):
            rows = await self._calls.rows(outcomes([event_key(*event) for event in some]))
            found += [
                OutcomeRow(
                    row["event_id"].bytes,
                    row["partition"],
                    row["version"],
                    row["status"],
                    row["body_hash"],
                    row["reason"],
                    row["series_version"],
                )
                for row in rows
            ]
        return found

    async def value_types(self, tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Of the series that are there."""
        found: dict[uuid.UUID, str] = {}
        for some in _parts(idents):
            rows = await self._calls.rows(value_types(tenant, tuple(some)))
            found |= {row["series_id"]: row["value_type"] for row in rows}
        return found

    async def run(self, tenant: uuid.UUID, run_id: uuid.UUID) -> tuple[int | None] | None:
        """(its known_time or None,), or None where nobody opened it."""
        found = await self._calls.objects(runs(RunSearch(tenant, ids=(run_id,))))
        if not found:
            return None
        return (None if found[0]["known_time"] is None else parse_instant(found[0]["known_time"]),)

    async def cells(self, cells: Sequence[Cell]) -> dict[Cell, CellState]:
        """Those that have a value."""
        found: dict[Cell, CellState] = {}
        groups: dict[tuple[uuid.UUID, bool], list[Cell]] = {}
        for cell in cells:
            groups.setdefault((cell.tenant, cell.run_id is None), []).append(cell)
        for (tenant, whole), group in groups.items():
            for some in _parts(group):
                rows = await self._calls.rows(_cells_query(tenant, whole, some))
                found |= {Cell(tenant, None if whole else row["run"], row["series_id"], row["at"]): _state(row) for row in rows}
        return found


def _cells_query(tenant: uuid.UUID, whole: bool, cells: Sequence[Cell]) -> Query:
    times = [cell.valid_time for cell in cells]
    lists = {"runs": [cell.run_id or _NO_RUN for cell in cells], "ids": [cell.series_id for cell in cells], "times": times}
    sql = _CELLS.format(run=f"toUUID('{_NO_RUN}')" if whole else "run_id")
    return Query(sql, {"tenant": tenant, "first": min(times), "last": max(times), **lists})


def _state(row: dict[str, Any]) -> CellState:
    value, text = row["held"]
    more = (row["annotation"], tuple(row["tags"]), row["until"], row["partition"], tuple(row["versions"]))
    return CellState(row["known"], value, text, *more)


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[at : at + IDS_MAX] for at in range(0, len(items), IDS_MAX)]
