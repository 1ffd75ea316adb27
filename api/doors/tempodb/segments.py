"""TempoDB's segments (1.0.1): pages of points of one series, of many folded into one, of many side by side, of several rollups, and
of what was found in each period. Every page is at the watermark vector of the first (I9).

Before: routes.py. After: the client, which follows Link. Raw pages are read by their limit; rollups and interpolations are
worked out whole and cut, since an interpolation looks beyond a page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import orjson
import pyarrow as pa
from fastapi import Request, Response

from api.cursor import Cursor
from api.doors.tempodb import chosen
from api.doors.tempodb.asked import Reading, Rollup, Span, iso_of
from api.doors.tempodb.body import founds_json, groups_json, object_json, points_json
from api.doors.tempodb.chosen import Row
from api.doors.tempodb.datasets import sent
from api.doors.tempodb.names import Named, filter_of
from api.doors.tempodb.pages import Page, linked
from api.doors.tempodb.points import arrow, points
from api.doors.tempodb.words import series_json
from api.parts import Parts
from api.request import Caller
from sink.functions import Function
from sink.periods import Grid, parse_period
from sink.queries.find import Predicate, found
from sink.queries.flat import FLAT
from sink.queries.selection import Selection
from sink.rollups import RollupTable
from sink.shaping import across, interpolated, valid_rows
from varve.errors import Incorrect

POINTS_LIMIT, MULTI_LIMIT = 1_000, 5_000


@dataclass(frozen=True)
class Asked:
    """A page of a question: its span begins where the page before ended."""

    request: Request
    span: Span
    reading: Reading
    at: Cursor
    limit: int

    @property
    def beyond(self) -> int | None:
        """The last instant of the page before."""
        return None if self.at.key is None else int(self.at.key["t"])

    async def answer(self, rows: bytes, last: int | None, fields: dict[str, Any]) -> Response:
        """last: of this page, where there is another."""
        said = {"tz": self.span.zone.name, "start": self.span.zone.text(self.span.from_), "end": self.span.zone.text(self.span.until)}
        headers = {} if last is None else linked(self.request, self.at, {"t": last})
        return await sent(self.request, object_json(fields | said, {"data": rows}), headers)


async def one(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    """Points of one series."""
    asked = _asked(parts, request, who, POINTS_LIMIT)
    _, selection = await _one_series(parts, who, named, asked)
    table, last = await _page(parts, asked, selection)
    return await asked.answer(points_json(table.bucket, _only(table), asked.span.zone), last, {"rollup": _said(asked.reading.rollup)})


async def aggregate(parts: Parts, request: Request, who: Caller) -> Response:
    """Many series folded into one."""
    asked = _asked(parts, request, who, POINTS_LIMIT, aggregated=True)
    _, selection = await _many_series(parts, who, asked)
    table, last = await _page(parts, asked, selection)
    return await asked.answer(points_json(table.bucket, _only(table), asked.span.zone), last, {"rollup": _said(asked.reading.rollup)})


async def multi(parts: Parts, request: Request, who: Caller) -> Response:
    """Many series side by side, by their keys."""
    asked = _asked(parts, request, who, MULTI_LIMIT)
    rows, selection = await _many_series(parts, who, asked)
    table, last = await _page(parts, asked, selection)
    order = np.lexsort((table.index, table.bucket))
    times, starts = np.unique(table.bucket[order], return_index=True)
    keys = [orjson.dumps(series_json(row)["key"]) for row in rows]
    names = [keys[at] for at in table.index[order].tolist()]
    body = groups_json(times, starts, names, _only(table)[order], asked.span.zone)
    return await asked.answer(body, last, {"rollup": _said(asked.reading.rollup)})


async def rollups(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    """Several rollups of one series side by side, by their names as they were asked for."""
    asked = _asked(parts, request, who, MULTI_LIMIT)
    rollup = asked.reading.rollup
    if rollup is None or rollup.period is None:
        raise Incorrect("rollup-missing", "give rollup.fold, once or more, and rollup.period")
    _, selection = await _one_series(parts, who, named, asked)
    table, last = await _page(parts, asked, selection)
    columns = np.stack([table.values[fold.name] for fold in rollup.folds], axis=1)
    names = [orjson.dumps(name) for name in rollup.names] * len(table)
    starts = np.arange(len(table)) * len(rollup.names)
    body = groups_json(table.bucket, starts, names, columns.ravel(), asked.span.zone)
    return await asked.answer(body, last, {"rollup": {"folds": list(rollup.names), "period": iso_of(rollup.period)}})


async def find(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    """In each period the point that the predicate chooses; the first and the last period end with the span."""
    asked = _asked(parts, request, who, POINTS_LIMIT)
    query, span = request.query_params, asked.span
    predicate, period = _predicate(query.get("predicate.function")), parse_period(query.get("predicate.period") or "")
    _, selection = await _one_series(parts, who, named, asked)
    grid, rest = _rest(span.grid(period), asked)
    page = await parts.reads.values(FLAT, replace(selection, from_=max(span.from_, rest), columns=("series_id", "valid_time", "value")))
    table = await arrow(parts, found(page.query, grid, predicate, asked.limit + 1)) if len(grid) else None
    buckets, times, values = (_numbers(table, name)[: asked.limit] for name in ("bucket", "at", "value"))
    ends = grid.edges[np.searchsorted(grid.edges, buckets, "right")] if len(buckets) else buckets
    edges = np.clip(np.stack([buckets, ends], axis=1), span.from_, span.until)
    last = int(buckets[-1]) if table is not None and table.num_rows > asked.limit else None
    body = founds_json(edges, times, values.astype(np.float64), span.zone)
    return await asked.answer(body, last, {"predicate": {"function": predicate, "period": iso_of(period)}})


def _asked(parts: Parts, request: Request, who: Caller, limit: int, *, aggregated: bool = False) -> Asked:
    page, query = Page.of(request, limit), request.query_params
    question = (request.scope["path"], who.tenant, sorted(pair for pair in query.multi_items() if pair[0] not in ("cursor", "limit")))
    reading = Reading.of(query, aggregated=aggregated)
    return Asked(request, Span.of(request), reading, parts.reads.page(page.cursor, question), page.limit)


async def _one_series(parts: Parts, who: Caller, named: Named, asked: Asked) -> tuple[list[Row], Selection]:
    rows = [await chosen.one(parts, who.tenant, asked.at.vector, named)]
    return rows, _selection(parts, who, rows, asked)


async def _many_series(parts: Parts, who: Caller, asked: Asked) -> tuple[list[Row], Selection]:
    rows = await chosen.some(parts, who.tenant, asked.at.vector, filter_of(asked.request.query_params, who.tenant))
    return rows, _selection(parts, who, rows, asked)


def _selection(parts: Parts, who: Caller, rows: Sequence[Row], asked: Asked) -> Selection:
    idents = tuple(chosen.ident_of(row) for row in rows)
    return Selection(who.tenant, parts.reads.watermark(asked.at.vector), idents, from_=asked.span.from_, until=asked.span.until)


async def _page(parts: Parts, asked: Asked, selection: Selection) -> tuple[RollupTable, int | None]:
    """The instants of this page, at most the limit, and the last of them where there are more."""
    reading = asked.reading
    fold = _fold(asked)
    if reading.rollup is None and reading.interpolation is None:
        return await _raw_page(parts, asked, selection, fold)
    if reading.interpolation is None and reading.rollup is not None:
        grid, rest = _rest(asked.span.grid(reading.rollup.period), asked)
        return _cut(
            fold(await parts.reads.rollup(replace(selection, from_=max(asked.span.from_, rest)), _unique(reading.rollup), grid)), asked
        )
    return _cut(fold(await _beaten(parts, asked, selection)), asked)


async def _beaten(parts: Parts, asked: Asked, selection: Selection) -> RollupTable:
    """On the beat of the interpolation's period, whole."""
    rollup, interpolation = asked.reading.rollup, asked.reading.interpolation
    assert interpolation is not None
    how, period = interpolation
    if rollup is None:
        table = (await points(parts, selection)).table
    else:
        table = await parts.reads.rollup(selection, _unique(rollup), asked.span.grid(rollup.period))
    return interpolated(table, asked.span.grid(period), how)


async def _raw_page(
    parts: Parts, asked: Asked, selection: Selection, fold: Callable[[RollupTable], RollupTable]
) -> tuple[RollupTable, int | None]:
    """Rows in order of time, so many that the limit's instants are among them; the last one may be cut, and is left to the next page."""
    assert selection.series is not None
    rows_max = min(asked.limit * max(1, len(selection.series)), parts.settings.http.page_rows_max)
    from_ = asked.span.from_ if asked.beyond is None else asked.beyond + 1
    here = await points(parts, replace(selection, from_=from_, order="time", limit=rows_max + 1))
    times = np.unique(here.table.bucket)
    whole = times if here.after is None and len(here.table) <= rows_max else times[:-1]
    if len(times) and not len(whole):
        raise Incorrect("too-many-series", f"more than {rows_max} series have a point at one instant: choose fewer by key, tag or attr")
    shown = whole[: asked.limit]
    table = here.table.taken(here.table.bucket <= shown[-1]) if len(shown) else here.table
    return fold(table), int(shown[-1]) if len(shown) < len(times) else None


def _fold(asked: Asked) -> Callable[[RollupTable], RollupTable]:
    function = asked.reading.across
    return valid_rows if function is None else lambda table: across(table, function)


def _rest(grid: Grid, asked: Asked) -> tuple[Grid, int]:
    """The buckets after those of the page before, and where they begin."""
    if asked.beyond is None:
        return grid, asked.span.from_
    rest = grid.edges[np.searchsorted(grid.edges, asked.beyond, "right") :]
    return Grid(rest), int(rest[0]) if len(rest) else asked.span.until


def _cut(table: RollupTable, asked: Asked) -> tuple[RollupTable, int | None]:
    times = np.unique(table.bucket)
    if asked.beyond is not None:
        times = times[np.searchsorted(times, asked.beyond, "right") :]
    shown = times[: asked.limit]
    if not len(shown):
        return table.taken(slice(0, 0)), None
    kept = table.taken((table.bucket >= shown[0]) & (table.bucket <= shown[-1]))
    return kept, int(shown[-1]) if len(shown) < len(times) else None


def _unique(rollup: Rollup) -> tuple[Function, ...]:
    """avg and mean are one."""
    return tuple(dict.fromkeys(rollup.folds))


def _only(table: RollupTable) -> Any:
    """The one column of a table."""
    return next(iter(table.values.values()))


def _numbers(table: pa.Table | None, name: str) -> Any:
    return np.empty(0, np.int64) if table is None else table.column(name).to_numpy()


def _predicate(text: str | None) -> Predicate:
    known: Predicate | None = next((one for one in get_args(Predicate) if one == text), None)
    if known is None:
        raise Incorrect("predicate", f"predicate.function: '{(text or '')[:20]}' is not max, min, first or last")
    return known


def _said(rollup: Rollup | None) -> dict[str, Any] | None:
    return None if rollup is None else rollup.said
