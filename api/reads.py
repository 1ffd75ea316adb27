"""Every question that routes ask the store about what it holds, at one watermark vector (I9); answers stream in the form asked.

Before: routes with a tenant and words. After: sink/reads.py makes the page, store_calls.py runs it off the loop.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from api.answer import Form
from api.catalog import Catalog
from api.cursor import Cursor, question_of, read_cursor
from api.listings import SeriesFilter, runs_query, series_query
from api.lookups import Cell, CellState, Lookups
from api.store_calls import StoreCalls
from api.verdict import EventKey, OutcomeRow
from api.views import Views
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape
from sink.reads import Page, page_of
from varve.errors import NotFound
from varve.events import ValueType
from varve.instants import format_instant

__all__ = ["Cell", "CellState", "Chosen", "Reads", "SeriesFilter"]


@dataclass(frozen=True)
class Chosen:
    """Series of a read: ids None is all of the tenant. kinds: what their values are."""

    ids: tuple[uuid.UUID, ...] | None
    kinds: frozenset[ValueType] = field(default_factory=lambda: frozenset[ValueType]({"number"}))


class Reads:
    def __init__(self, calls: StoreCalls, lookups: Lookups, catalog: Catalog, views: Views, log_id: str, partitions: int) -> None:
        self._calls, self._lookups, self._catalog, self._views = calls, lookups, catalog, views
        self._log_id, self._partitions = log_id, partitions

    async def after(self, token: str | None) -> None:
        if token is not None:
            await self._views.after(token)

    def page(self, cursor: str | None, question: object) -> Cursor:
        """Where this page starts; a first page is at the watermarks of now."""
        asked, vector = question_of(question), self._views.vector()
        if cursor is not None:
            return read_cursor(cursor, asked, self._log_id, vector)
        return Cursor(0, vector, asked, self._log_id[:8])

    async def named(self, tenant: uuid.UUID, named: Sequence[tuple[str, uuid.UUID]]) -> Chosen:
        """NotFound names the first that is not there."""
        kinds = await self._catalog.learn_ids(tenant, [ident for _, ident in named])
        missing = next((said for said, ident in named if ident not in kinds), None)
        if missing is not None:
            raise NotFound("series-unknown", f"there is no series {missing.removeprefix('key:')} in this tenant")
        return Chosen(tuple(dict.fromkeys(ident for _, ident in named)), _kinds(kinds.values()))

    async def filtered(self, tenant: uuid.UUID, vector: Mapping[int, int], wanted: SeriesFilter) -> Chosen:
        found = await self._calls.rows(series_query(tenant, vector, wanted, 0, 0))
        ids = None if wanted.empty else tuple(row["series_id"] for row in found)
        return Chosen(ids, _kinds(row["value_type"] or "number" for row in found))

    async def values(self, shape: Shape, selection: Selection) -> Page:
        return await self._calls.call(lambda store: page_of(store, shape, selection))

    def watermark(self, vector: Mapping[int, int]) -> tuple[int, ...]:
        return tuple(vector.get(partition, 0) for partition in range(self._partitions))

    def stream(self, query: Query, form: Form) -> AsyncIterator[bytes]:
        settings = ", ".join(f"{name} = {value!r}" for name, value in form.settings.items())
        return self._calls.stream(Query(query.sql + (f"\nSETTINGS {settings}" if settings else ""), query.parameters), form.format)

    async def series(self, tenant: uuid.UUID, vector: Mapping[int, int], wanted: SeriesFilter, limit: int, start: int) -> list[dict[str, Any]]:
        rows = await self._calls.rows(series_query(tenant, vector, wanted, limit, start))
        return [{**{name: item for name, item in row.items() if name != "deleted"}, "series_id": str(row["series_id"])} for row in rows]

    async def runs(
        self, tenant: uuid.UUID, vector: Mapping[int, int], limit: int, start: int, run_id: uuid.UUID | None = None, workflow_id: str | None = None
    ) -> list[dict[str, Any]]:
        return [_run(row) for row in await self._calls.rows(runs_query(tenant, vector, limit, start, run_id, workflow_id))]

    async def outcomes(self, events: Sequence[EventKey]) -> list[OutcomeRow]:
        return await self._lookups.outcomes(events)

    async def cells(self, cells: Sequence[Cell]) -> dict[Cell, CellState]:
        return await self._lookups.cells(cells)


def _kinds(found: Any) -> frozenset[ValueType]:
    return frozenset(found) or frozenset[ValueType]({"number"})


def _run(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: None if row[name] is None else format_instant(row[name]) for name in ("known_time", "started", "finished", "recorded_time")}
    params = None if row["params"] is None else orjson.loads(row["params"])
    return {**row, **times, "run_id": str(row["run_id"]), "params": params, "sealed": bool(row["sealed"])}
