"""TempoDB's single values: the point at an instant, the one before, the one after, or the nearest, of one series or of many.

Before: routes.py. After: the client. Each of many series is answered, with null where it has no such point.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import orjson
from fastapi import Request, Response

from api.doors.tempodb import chosen
from api.doors.tempodb.chosen import Row
from api.doors.tempodb.names import Named, filter_of
from api.doors.tempodb.points import VALUE, nearest
from api.doors.tempodb.times import Zone, instant_of, zone_of
from api.doors.tempodb.words import series_json
from api.parts import Parts
from api.request import JSON, Caller
from sink.queries.earliest import earliest
from sink.queries.flat import FLAT
from sink.queries.latest import LATEST
from sink.queries.selection import Selection
from sink.rollups import RollupTable
from varve.errors import Incorrect
from varve.instants import LATEST as LAST_INSTANT

Direction = Literal["exact", "before", "after", "nearest"]
Point = tuple[int, float]


@dataclass(frozen=True)
class Search:
    at: int
    direction: Direction
    zone: Zone

    @classmethod
    def of(cls, parts: Parts, request: Request) -> "Search":
        """Without an instant: now, looking back, so that a plain request answers the newest value."""
        query = request.query_params
        text = query.get("ts")
        wanted = (query.get("direction") or ("exact" if text else "before")).lower()
        direction = next((one for one in get_args(Direction) if one == wanted), None)
        if direction is None:
            raise Incorrect("direction", f"direction: '{wanted[:20]}' is not exact, before, after or nearest")
        return cls(instant_of("ts", text) if text else parts.clock.now(), direction, zone_of(query.get("tz")))


async def of_one(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    search, vector = Search.of(parts, request), parts.views.vector()
    row = await chosen.one(parts, who.tenant, vector, named)
    selection = Selection(who.tenant, parts.reads.watermark(vector), (chosen.ident_of(row),))
    return Response(orjson.dumps((await _answers(parts, [row], selection, search))[0]), media_type=JSON)


async def of_many(parts: Parts, request: Request, who: Caller) -> Response:
    search, vector = Search.of(parts, request), parts.views.vector()
    rows = await chosen.some(parts, who.tenant, vector, filter_of(request.query_params, who.tenant))
    selection = Selection(who.tenant, parts.reads.watermark(vector), tuple(chosen.ident_of(row) for row in rows))
    return Response(orjson.dumps(await _answers(parts, rows, selection, search)), media_type=JSON)


async def _answers(parts: Parts, rows: Sequence[Row], selection: Selection, search: Search) -> list[dict[str, Any]]:
    found = await _found(parts, selection, search)
    return [{"series": series_json(row), "data": _said(found.get(at), search.zone), "tz": search.zone.name} for at, row in enumerate(rows)]


async def _found(parts: Parts, selection: Selection, search: Search) -> dict[int, Point]:
    """Of each series' place, the point that was looked for. A point at the instant itself is the nearest on both sides."""
    at, beyond = search.at, min(search.at, LAST_INSTANT - 1) + 1
    match search.direction:
        case "exact":
            return _points(await nearest(parts, FLAT, _within(selection, at, beyond)))
        case "before":
            return _points(await nearest(parts, LATEST, _within(selection, None, beyond)))
        case "after":
            return await _after(parts, selection, at)
        case "nearest":
            before = _points(await nearest(parts, LATEST, _within(selection, None, beyond)))
            after = await _after(parts, selection, at)
            pairs = {place: [one for one in (before.get(place), after.get(place)) if one] for place in {*before, *after}}
            return {place: min(some, key=lambda point: abs(point[0] - at)) for place, some in pairs.items()}


async def _after(parts: Parts, selection: Selection, at: int) -> dict[int, Point]:
    """A single series is read in its own order and no further than its first row."""
    if selection.single is not None:
        return _points(await nearest(parts, FLAT, _within(selection, at, None, 1)))
    return _points(await nearest(parts, FLAT, _within(selection, at, None), earliest))


def _within(selection: Selection, from_: int | None, until: int | None, limit: int | None = None) -> Selection:
    return Selection(selection.tenant, selection.watermark, selection.series, from_=from_, until=until, limit=limit)


def _points(table: RollupTable) -> dict[int, Point]:
    return {
        place: (time, value)
        for place, time, value in zip(table.index.tolist(), table.bucket.tolist(), table.values[VALUE].tolist(), strict=True)
    }


def _said(point: Point | None, zone: Zone) -> dict[str, Any] | None:
    return None if point is None else {"t": zone.text(point[0]), "v": None if np.isnan(point[1]) else point[1]}
