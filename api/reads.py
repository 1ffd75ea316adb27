"""Every question that routes ask the store about what it holds, at one watermark vector (I9); answers stream in the form asked.

Before: routes with a tenant and words. After: sink/reads.py makes the page, store_calls.py runs it off the loop.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from api.answer import Form
from api.catalog import Catalog
from api.cursor import Cursor, question_of, read_cursor
from api.extents import Extents
from api.listings import SeriesFilter, deletion_row, entity_row, run_row
from api.lookups import Cell, CellState, Lookups
from api.store_calls import StoreCalls
from api.verdict import EventKey, OutcomeRow
from api.views import Views
from sink import rollups
from sink.extents import Extent
from sink.functions import Function
from sink.periods import Grid
from sink.queries.arrived import described
from sink.queries.deletions import DeletionSearch, deletions
from sink.queries.entities import EntitySearch, entities, entity_versions, heads
from sink.queries.latest import LATEST
from sink.queries.layer import layer, series_version
from sink.queries.query import Query
from sink.queries.rollup import extent
from sink.queries.runs import RunSearch, runs
from sink.queries.selection import Selection
from sink.queries.series import series
from sink.queries.shape import Shape
from sink.reads import Page, page_of
from sink.rollups import RollupTable
from sink.store import Store
from varve.errors import Fault, NotFound
from varve.events import ValueType
from varve.position import Token

T = TypeVar("T")

__all__ = ["Cell", "CellState", "Chosen", "Reads", "SeriesFilter"]


@dataclass(frozen=True)
class Chosen:
    """Series of a read: ids None is all of the tenant. kinds: what their values are."""

    ids: tuple[uuid.UUID, ...] | None
    kinds: frozenset[ValueType] = field(default_factory=lambda: frozenset[ValueType]({"number"}))


@dataclass(frozen=True)
class Layer:
    """running: the cell's value after it, where the fold knew it."""

    valid_time: int
    value: float | None
    running: float | None


@dataclass(frozen=True)
class Latest:
    """version: of the series. cell: valid_time (UTC ns) and value of its newest point, None where it has none."""

    version: int
    cell: tuple[int, float | None] | None


class Reads:
    def __init__(self, calls: StoreCalls, lookups: Lookups, catalog: Catalog, views: Views, log_id: str, partitions: int) -> None:
        self._calls, self._lookups, self._catalog, self._views = calls, lookups, catalog, views
        self._log_id, self._partitions, self._extents = log_id, partitions, Extents(calls)

    async def after(self, *tokens: str | None) -> None:
        for token in tokens:
            if token is not None:
                await self._views.after(token)

    def page(self, cursor: str | None, question: object, at: str | None = None) -> Cursor:
        """Where this page starts; a first page is at the watermarks of now, or at those that an earlier answer told."""
        asked, vector = question_of(question), self._views.vector()
        if cursor is not None:
            return read_cursor(cursor, asked, self._log_id, vector)
        if at is not None:
            vector = {partition: Token.parse(at).offsets.get(partition, -1) + 1 for partition in vector}
        return Cursor(vector, asked, self._log_id[:8])

    async def named(self, tenant: uuid.UUID, named: Sequence[tuple[str, uuid.UUID]]) -> Chosen:
        """NotFound names the first that is not there."""
        kinds = await self._catalog.learn_ids(tenant, [ident for _, ident in named])
        missing = next((said for said, ident in named if ident not in kinds), None)
        if missing is not None:
            raise NotFound("series-unknown", f"there is no series {missing.removeprefix('key:')} in this tenant")
        return Chosen(tuple(dict.fromkeys(ident for _, ident in named)), _kinds(kinds.values()))

    async def filtered(self, tenant: uuid.UUID, vector: Mapping[int, int], wanted: SeriesFilter) -> Chosen:
        found = await self._calls.rows(series(wanted.search(tenant, self.watermark(vector))))
        ids = None if wanted.empty else tuple(row["series_id"] for row in found)
        return Chosen(ids, _kinds(row["value_type"] for row in found))

    async def matching(self, tenant: uuid.UUID, vector: Mapping[int, int], wanted: SeriesFilter) -> set[uuid.UUID]:
        return {row["series_id"] for row in await self._calls.rows(series(wanted.search(tenant, self.watermark(vector))))}

    async def described(self, tenant: uuid.UUID, since: Mapping[int, int], now: Mapping[int, int]) -> set[uuid.UUID]:
        """Series that were defined, described or deleted between two vectors."""
        found = await self._calls.rows(described(tenant, self.watermark(since), self.watermark(now)))
        return {row["series_id"] for row in found}

    async def listed(self, tenant: uuid.UUID, vector: Mapping[int, int], chosen: Chosen) -> Chosen:
        """With ids, also where they are all of the tenant."""
        if chosen.ids is not None:
            return chosen
        found = await self.series(tenant, vector, SeriesFilter())
        return replace(chosen, ids=tuple(uuid.UUID(row["series_id"]) for row in found))

    async def values(self, shape: Shape, selection: Selection) -> Page:
        if selection.series == ():
            return Page(Query("SELECT NULL AS value WHERE 0"), None)  # filters that nothing matches
        return await self._calls.call(lambda store: page_of(store, shape, selection))

    async def rollup(self, selection: Selection, functions: Sequence[Function], grid: Grid) -> RollupTable:
        return await self._calls.call(lambda store: rollups.rollup(store, selection, functions, grid))

    async def points(self, selection: Selection) -> RollupTable:
        """The flat read's points as a table, column `value`: to be thinned or interpolated."""
        return await self._calls.call(lambda store: rollups.points(store, selection))

    async def held(self, tenant: uuid.UUID, ident: uuid.UUID) -> str | None:
        """What the series' values are; empty where it was made without a type and holds nothing yet, None where there is none."""
        kind = (await self._lookups.value_types(tenant, [ident])).get(ident)
        if kind == "" and await self._calls.call(lambda store: store.rows(extent(self._everything(tenant, ident)))[0]["layers"]):
            return "number"
        return kind

    def _everything(self, tenant: uuid.UUID, ident: uuid.UUID) -> Selection:
        return Selection(tenant, self.watermark(self._views.vector()), (ident,))

    async def span(self, selection: Selection) -> tuple[int, int]:
        """[from, until): of the selection, or of what its series have."""
        return await self._calls.call(lambda store: rollups.span(store, selection))

    async def extents(self, tenant: uuid.UUID, series: Sequence[uuid.UUID], now: float) -> dict[uuid.UUID, Extent]:
        """How far each reaches. now: seconds of a clock that never goes back."""
        return await self._extents.of(tenant, series, self.watermark(self._views.vector()), now)

    def watermark(self, vector: Mapping[int, int]) -> tuple[int, ...]:
        return tuple(vector.get(partition, 0) for partition in range(self._partitions))

    async def lines(self, query: Query) -> list[bytes]:
        """A small answer, a JSON object a row."""
        return await self._calls.lines(query)

    def stream(self, query: Query, form: Form) -> AsyncIterator[bytes]:
        settings = ", ".join(f"{name} = {value!r}" for name, value in form.settings.items())
        return self._calls.stream(Query(query.sql + (f"\nSETTINGS {settings}" if settings else ""), query.parameters), form.format)

    def pieces(self, work: Callable[[Store], Iterator[bytes]]) -> AsyncIterator[bytes]:
        """Bytes that a door makes of the store's answers by itself."""
        return self._calls.pieces(work)

    async def ask(self, work: Callable[[Store], T]) -> T:
        """A door's own question, in one turn of a thread."""
        return await self._calls.call(work)

    async def series(
        self,
        tenant: uuid.UUID,
        vector: Mapping[int, int],
        wanted: SeriesFilter,
        key: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        return await self._calls.objects(series(wanted.search(tenant, self.watermark(vector), key, limit)))

    async def runs(
        self, tenant: uuid.UUID, vector: Mapping[int, int], run_id: uuid.UUID | None = None, workflow_id: str | None = None,
        key: Mapping[str, Any] | None = None, limit: int | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        after = None if key is None else (int(key["opened_time"]), uuid.UUID(str(key["run_id"])))
        ids = None if run_id is None else (run_id,)
        search = RunSearch(tenant, self.watermark(vector), ids, workflow_id, after=after, limit=limit)
        return [run_row(row) for row in await self._calls.objects(runs(search))]

    async def entities(self, search: EntitySearch) -> list[dict[str, Any]]:
        return [entity_row(row) for row in await self._calls.objects(entities(search))]

    async def entity_heads(self, search: EntitySearch) -> list[str]:
        return [str(row["head"]) for row in await self._calls.rows(heads(search))]

    async def entity_versions(self, search: EntitySearch) -> list[dict[str, Any]]:
        return [entity_row(row) for row in await self._calls.objects(entity_versions(search))]

    async def outcomes(self, events: Sequence[EventKey]) -> list[OutcomeRow]:
        return await self._lookups.outcomes(events)

    async def values_at(self, tenant: uuid.UUID, ident: uuid.UUID, instants: Sequence[int], version: int) -> Mapping[int, float | None]:
        """The series' cells as they were at that version of it."""
        return await self._lookups.values_at(tenant, ident, instants, version)

    async def layer(self, tenant: uuid.UUID, ident: uuid.UUID, version: int) -> Layer:
        """The layer that the last row of one event made, or the event itself."""
        found = await self._calls.rows(layer(tenant, ident, version))
        if not found:
            raise Fault("layer-missing", f"series {ident} has no layer of version {version}: `varve rebuild` makes the tables again")
        return Layer(found[0]["at"], found[0]["value"], found[0]["running"])

    async def series_version(self, tenant: uuid.UUID, ident: uuid.UUID) -> int:
        """What if_series_version is compared with; 0 where nothing was ever written."""
        return await self._calls.call(lambda store: _version(store, tenant, ident, self.watermark(self._views.vector())))

    async def latest(self, tenant: uuid.UUID, ident: uuid.UUID) -> Latest:
        """The version and the newest value of a series of numbers, at one moment."""
        watermark = self.watermark(self._views.vector())
        selection = Selection(tenant, watermark, (ident,), columns=("valid_time", "value"))

        def ask(store: Store) -> Latest:
            newest = store.arrow(page_of(store, LATEST, selection).query)
            cell = (newest.column("valid_time")[0].value, newest.column("value")[0].as_py()) if newest.num_rows else None
            return Latest(_version(store, tenant, ident, watermark), cell)

        return await self._calls.call(ask)

    async def deletions(
        self, tenant: uuid.UUID, vector: Mapping[int, int], idents: Sequence[uuid.UUID], key: Mapping[str, Any] | None, limit: int
    ) -> list[dict[str, Any]]:
        """idents empty: of all series."""
        after = None if key is None else (uuid.UUID(str(key["series_id"])), int(key["version"]))
        search = DeletionSearch(tenant, self.watermark(vector), tuple(idents) or None, after, limit)
        return [deletion_row(row) for row in await self._calls.objects(deletions(search))]

    async def purged_count(self, tenant: uuid.UUID, ident: uuid.UUID, from_: int | None, until: int | None) -> int:
        """How many rows a purge would erase."""
        return await self._lookups.purged_count(tenant, ident, from_, until)

    async def cells(self, cells: Sequence[Cell]) -> dict[Cell, CellState]:
        return await self._lookups.cells(cells)


def _version(store: Store, tenant: uuid.UUID, ident: uuid.UUID, watermark: tuple[int, ...]) -> int:
    found = store.rows(series_version(tenant, ident, watermark))
    return int(found[0]["version"]) if found else 0


def _kinds(found: Any) -> frozenset[ValueType]:
    return frozenset(found) or frozenset[ValueType]({"number"})
