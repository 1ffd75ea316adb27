"""Small questions that doors ask the store before and after they write: outcomes, value types, runs, cells of a run.

Before: the writer, the catalogue, updates. After: store_calls.py. They look at everything that is in the store: what is
asked here only decides what to append, and the fold decides again (I3).
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from api.store_calls import StoreCalls
from api.verdict import EventKey, OutcomeRow
from sink.queries.fold import cells as folded_cells
from sink.queries.layers import instant_place, without_deleted
from sink.queries.outcomes import outcomes
from sink.queries.purge import purged_count
from sink.queries.query import Query
from sink.queries.runs import RunSearch, runs
from sink.queries.selection import Selection
from sink.queries.series import value_types
from sink.reads import cells_query
from sink.store import Store
from varve.codec import event_key
from varve.instants import EARLIEST, LATEST, parse_instant

IDS_MAX = 2_000  # bound into one query: an address line has its length
_EVERYTHING = (1 << 43,)  # a watermark above all that one series has
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

    async def values_at(self, tenant: uuid.UUID, series_id: uuid.UUID, instants: Sequence[int], version: int) -> dict[int, float | None]:
        """What these cells of a series were right after the event of that version: nothing later counts. Those that had a layer."""
        ordered = sorted(set(instants))
        newest, others = ordered[-1:], ordered[:-1]  # one cell alone may be a counter, which is told from its last layer
        found: dict[int, float | None] = {}
        for some in [part for part in (newest, *_parts(others)) if part]:
            table = await self._calls.call(_asked(_at_version(tenant, series_id, some, version), some))
            found |= dict(zip(table.column("valid_time").cast(pa.int64()).to_pylist(), table.column("value").to_pylist(), strict=True))
        return found

    async def purged_count(self, tenant: uuid.UUID, series_id: uuid.UUID, from_: int | None, until: int | None) -> int:
        """How many layers a purge would erase, in [from_, until)."""
        span = (EARLIEST if from_ is None else from_, LATEST if until is None else until)
        rows = await self._calls.rows(purged_count(tenant, series_id, *span))
        return int(rows[0]["layers"])


def _cells_query(tenant: uuid.UUID, whole: bool, cells: Sequence[Cell]) -> Query:
    """Each cell as a flat read says; of one run alone where the cell is a run's record. One that deletions hide is absent."""
    times, run = [cell.valid_time for cell in cells], f"toUUID('{_NO_RUN}')" if whole else "l.run_id"
    bound = {"runs": [cell.run_id or _NO_RUN for cell in cells], "ids": [cell.series_id for cell in cells], "times": times}
    instant, cell = "toUnixTimestamp64Nano(l.valid_time)", "arrayZip({runs:Array(UUID)}, {ids:Array(UUID)}, {times:Array(Int64)})"
    where = [
        "l.tenant = {tenant:UUID}",
        "l.series_id IN {ids:Array(UUID)}",
        f"l.valid_time >= {instant_place('first')}",
        f"l.valid_time <= {instant_place('last')}",
        f"({run}, l.series_id, {instant}) IN {cell}",
    ]
    hiding = ["d.tenant = {tenant:UUID}", "d.series_id IN {ids:Array(UUID)}"]
    layers = without_deleted(where, hiding, {"tenant": tenant, "first": min(times), "last": max(times), **bound}, running=whole)
    more = ["any(l.partition) AS partition", "arraySort(groupUniqArray(l.version)) AS versions"]
    sql = f"""SELECT {"c.run_id" if not whole else run} AS run, c.series_id AS series_id, toUnixTimestamp64Nano(c.valid_time) AS at,
    toUnixTimestamp64Nano(c.known_time) AS known, c.value AS value, c.text AS text, c.annotation AS annotation, c.tags AS tags,
    toUnixTimestamp64Nano(c.valid_time_end) AS until, c.partition AS partition, c.versions AS versions
FROM {folded_cells(layers, more, () if whole else ("l.run_id",))} AS c"""
    return Query(sql, layers.bound)


def _asked(selection: Selection, instants: Sequence[int]) -> Callable[[Store], pa.Table]:
    return lambda store: store.arrow(cells_query(store, selection, instants))


def _at_version(tenant: uuid.UUID, series_id: uuid.UUID, instants: Sequence[int], version: int) -> Selection:
    until = max(instants) + 1 if max(instants) < LATEST else None
    columns = ("valid_time", "value")
    return Selection(tenant, _EVERYTHING, (series_id,), min(instants), until, columns=columns, version_until=version + 1)


def _state(row: dict[str, Any]) -> CellState:
    more = (row["annotation"], tuple(row["tags"]), row["until"], row["partition"], tuple(row["versions"]))
    return CellState(row["known"], row["value"], row["text"], *more)


def _parts(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[at : at + IDS_MAX] for at in range(0, len(items), IDS_MAX)]
