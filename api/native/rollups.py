"""Rollups: aggregates by period in a zone, filled, interpolated, folded over series, thinned; paged at one watermark vector (I9).

Before: the client's question. After: reads.py asks sink/rollups.py for a table, rollup_answer.py writes it.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api.answer import FORMS, form_of
from api.cursor import Cursor
from api.native.values import ValuesAsked, answered, select, selection_of
from api.parts import Parts
from api.request import Caller, caller
from api.rollup_answer import whole, written
from sink.downsampling import POINTS_MIN, Thinning, downsampled
from sink.functions import Function, parse_function
from sink.periods import Grid, auto_period, grid_of, parse_period, zone_of
from sink.queries.selection import Selection
from sink.rollups import RollupTable, joined, of_points
from sink.shaping import Between, How, across, filled, interpolated
from varve.errors import Incorrect

Who = Annotated[Caller, Depends(caller)]
_READ: dict[int | str, dict[str, Any]] = {200: {"description": "Rows", "content": {media: {} for media in FORMS}}}
POINTS_AT_ONCE, SERIES_AT_ONCE_MAX = 16, 2_000  # series read together: as points, as rollups


class RollupsAsked(ValuesAsked):
    """Which series and layers, as of reads of values; by which period, and what of each bucket."""

    columns: None = Field(None, description="not here: one column a function")
    period: str = Field(description="15min, 1hour, 1day, 2week, 1month, 1year ..., ISO 8601 as PT15M or P1D, or auto")
    function: list[str] = Field(["mean"], description="sum mean min max count stddev variance range ss first last multiply median p95")
    zone: str = Field("UTC", description="the periods' IANA zone, e.g. Europe/Stockholm")
    fill: How | None = Field(None, description="what stands in empty buckets; they are absent without it")
    interpolate: Between | None = Field(None, description="the value at each interpolate_period: the one before (zoh), or on a line")
    interpolate_period: str | None = Field(None, description="as period")
    across: str | None = Field(None, description="a function that folds all series into one, instant by instant")
    max_points: int | None = Field(None, ge=POINTS_MIN, description="thins each series to so many points")
    downsample: Thinning = Field("minmax", description="how it is thinned: minmax keeps extremes, lttb the shape")

    def functions(self) -> tuple[Function, ...]:
        return tuple(dict.fromkeys(parse_function(one) for one in self.function))

    def checked(self) -> "RollupsAsked":
        """Wrong words are refused before anything is read."""
        zone_of(self.zone)
        if (self.interpolate is None) != (self.interpolate_period is None):
            raise Incorrect("interpolate", "interpolate and interpolate_period belong together: give both, e.g. linear and 15min")
        for given in (None if self.period == "auto" else self.period, self.interpolate_period):
            if given is not None:
                parse_period(given)
        if self.across is not None:
            parse_function(self.across)
        return self


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["values"])

    @routes.get("/api/v1/rollups", responses=_READ)
    async def rollups(request: Request, who: Who, asked: Annotated[RollupsAsked, Query()]) -> Response:
        """One row a series and period: aggregates of its flat values, labelled by the period's start."""
        return await _answer(parts, request, who, asked.checked())

    return routes


async def _answer(parts: Parts, request: Request, who: Caller, asked: RollupsAsked) -> Response:
    form, reads = form_of(request), parts.reads
    await reads.after(asked.after, asked.watermark)
    chosen = await select(parts, who, asked)
    at = reads.page(asked.cursor, ("rollups", who.tenant, chosen, asked.model_dump(exclude={"cursor", "after"})), asked.watermark)
    selection = selection_of(parts, who, asked, await reads.listed(who.tenant, at.vector, chosen), at)
    from_, until = await reads.span(selection)
    ask = _Ask(parts, asked, replace(selection, from_=from_, until=until), _grid(asked, from_, until))
    several = len(selection.series or ()) != 1 and asked.across is None
    table, more = await (ask.page(at.key) if several else ask.page_of_one(at.key))
    following = Cursor(at.vector, at.question, at.log, _key(table)) if more else None
    rows = await asyncio.to_thread(written, table, form.media, with_series=several)
    return await answered(parts, request, whole(rows), form.media, at, following)


def _grid(asked: RollupsAsked, from_: int, until: int) -> Grid | None:
    """None: points as they are."""
    period = auto_period(from_, until) if asked.period == "auto" else parse_period(asked.period)
    return None if period is None else grid_of(period, asked.zone, from_, until)


def _key(table: RollupTable) -> dict[str, Any]:
    """Of the last row."""
    return {"series_id": table.series[table.index[-1]], "valid_time": int(table.bucket[-1])}


@dataclass(frozen=True)
class _Ask:
    """One question, page by page. grid None: points as they are."""

    parts: Parts
    asked: RollupsAsked
    selection: Selection
    grid: Grid | None

    async def page_of_one(self, key: Mapping[str, Any] | None) -> tuple[RollupTable, bool]:
        """Of one series, or of all folded into one."""
        table = await self._table(self.selection.series or ())
        if key is not None:
            table = table.taken(table.bucket > key["valid_time"])
        return self._cut(table)

    async def page(self, key: Mapping[str, Any] | None) -> tuple[RollupTable, bool]:
        """Of several: series are read, a few at once, until the page is full."""
        series, limit = self.selection.series or (), self._limit
        at = 0 if key is None else series.index(key["series_id"])
        some = min(max(1, limit // max(1, len(self.grid))), SERIES_AT_ONCE_MAX) if self.grid is not None else POINTS_AT_ONCE
        found: list[RollupTable] = []
        while at < len(series) and sum(map(len, found)) <= limit:
            table = await self._table(series[at : at + some])
            if key is not None and not found:
                table = table.taken((table.index > 0) | (table.bucket > key["valid_time"]))
            found.append(table)
            at, some = at + some, min(some * 2, SERIES_AT_ONCE_MAX)  # more where they have little
        return self._cut(joined(found, tuple(function.name for function in self.asked.functions())))

    def _cut(self, table: RollupTable) -> tuple[RollupTable, bool]:
        return table.taken(slice(self._limit)), len(table) > self._limit

    @property
    def _limit(self) -> int:
        assert self.selection.limit is not None
        return self.selection.limit

    async def _table(self, series: tuple[uuid.UUID, ...]) -> RollupTable:
        selection, functions, reads = replace(self.selection, series=series), self.asked.functions(), self.parts.reads
        if self.grid is None:
            return await asyncio.to_thread(self._shaped, of_points(await reads.points(selection), functions))
        return await asyncio.to_thread(self._shaped, await reads.rollup(selection, functions, self.grid))

    def _shaped(self, table: RollupTable) -> RollupTable:
        asked, selection = self.asked, self.selection
        if asked.fill is not None and self.grid is not None:
            table = filled(table, self.grid, asked.fill)
        if asked.interpolate is not None and asked.interpolate_period is not None:
            assert selection.from_ is not None
            assert selection.until is not None
            grid = grid_of(parse_period(asked.interpolate_period), asked.zone, selection.from_, selection.until)
            table = interpolated(table, grid, asked.interpolate)
        if asked.across is not None:
            table = across(table, parse_function(asked.across))
        return table if asked.max_points is None else downsampled(table, asked.max_points, asked.downsample)
