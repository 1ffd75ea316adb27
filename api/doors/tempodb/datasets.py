"""TempoDB's DataSets: a series, its points or rollups in a span, and the span's summary.

Before: routes.py. After: the client. Summaries are of the raw points, whatever the interval (I8); all is at one watermark vector (I9).
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import Request, Response

from api.answer import streamed
from api.doors.tempodb import chosen
from api.doors.tempodb.asked import Rollup, Span, interval_of
from api.doors.tempodb.body import object_json, points_json
from api.doors.tempodb.chosen import Row
from api.doors.tempodb.names import Named, filter_of
from api.doors.tempodb.points import VALUE, points
from api.doors.tempodb.words import series_json
from api.parts import Parts
from api.request import JSON, Caller
from sink.functions import parse_function
from sink.queries.selection import Selection
from sink.rollups import RollupTable

INLINE_ROWS_MAX = 10_000  # more are written in a thread
SUMMARY = tuple(parse_function(name) for name in ("sum", "mean", "min", "max", "stddev", "ss", "count"))


async def of_one(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    vector = parts.views.vector()
    row = await chosen.one(parts, who.tenant, vector, named)
    selection = Selection(who.tenant, parts.reads.watermark(vector), (chosen.ident_of(row),))
    return await sent(request, (await _datasets(parts, request, [row], selection))[0])


async def of_many(parts: Parts, request: Request, who: Caller) -> Response:
    vector = parts.views.vector()
    rows = await chosen.some(parts, who.tenant, vector, filter_of(request.query_params, who.tenant))
    selection = Selection(who.tenant, parts.reads.watermark(vector), tuple(chosen.ident_of(row) for row in rows))
    return await sent(request, b"[" + b",".join(await _datasets(parts, request, rows, selection)) + b"]")


async def summary(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    span, vector = Span.of(request), parts.views.vector()
    row = await chosen.one(parts, who.tenant, vector, named)
    selection = _within(Selection(who.tenant, parts.reads.watermark(vector), (chosen.ident_of(row),)), span)
    found = (await _summaries(parts, selection, span))[0]
    return await sent(request, object_json({"series": series_json(row), "summary": found, **_said(span)}, {}))


async def sent(request: Request, body: bytes, headers: dict[str, str] | None = None) -> Response:
    """Compressed where the client takes it."""

    async def whole() -> Any:
        yield body

    return await streamed(request, whole(), JSON, headers or {}, None)


async def _datasets(parts: Parts, request: Request, rows: Sequence[Row], selection: Selection) -> list[bytes]:
    span = Span.of(request)
    rollup, asked = interval_of(request.query_params, span), _within(selection, span)
    table, name = await _table(parts, asked, span, rollup)
    summaries = await _summaries(parts, asked, span)
    fields = _said(span) | {"rollup": None if rollup is None else _rollup_said(rollup, span)}
    heads = [{"series": series_json(row), **fields, "summary": found} for row, found in zip(rows, summaries, strict=True)]
    if len(table) <= INLINE_ROWS_MAX:
        return _written(heads, table, name, span)
    return await asyncio.to_thread(_written, heads, table, name, span)


def _written(heads: Sequence[dict[str, Any]], table: RollupTable, name: str, span: Span) -> list[bytes]:
    """One object a series: its head, and its rows of the table."""
    edges = np.searchsorted(table.index, np.arange(len(heads) + 1)).tolist()
    times, values = table.bucket, table.values[name]
    return [
        object_json(head, {"data": points_json(times[first:end], values[first:end], span.zone)})
        for head, first, end in zip(heads, edges, edges[1:], strict=False)
    ]


async def _table(parts: Parts, selection: Selection, span: Span, rollup: Rollup | None) -> tuple[RollupTable, str]:
    """With the name of its column."""
    if rollup is None:
        return (await points(parts, selection)).table, VALUE
    return await parts.reads.rollup(selection, rollup.folds, span.grid(rollup.period)), rollup.folds[0].name


async def _summaries(parts: Parts, selection: Selection, span: Span) -> list[dict[str, Any]]:
    """One a series of the selection; of nothing, count and sum are 0 and the others null."""
    assert selection.series is not None
    nothing = {function.name: 0 if function.name in ("sum", "count") else None for function in SUMMARY}
    found = [dict[str, Any](nothing) for _ in selection.series]
    if not found:
        return found
    table = await parts.reads.rollup(selection, SUMMARY, span.whole())
    for name, values in table.values.items():
        for place, value in zip(table.index.tolist(), values.tolist(), strict=True):
            found[place][name] = int(value) if name == "count" else value
    return found


def _within(selection: Selection, span: Span) -> Selection:
    return Selection(selection.tenant, selection.watermark, selection.series, from_=span.from_, until=span.until)


def _said(span: Span) -> dict[str, Any]:
    return {"start": span.zone.text(span.from_), "end": span.zone.text(span.until), "tz": span.zone.name}


def _rollup_said(rollup: Rollup, span: Span) -> dict[str, Any]:
    """The words of the first generation."""
    assert rollup.period is not None
    return {"interval": str(rollup.period), "function": rollup.names[0], "tz": span.zone.name}
