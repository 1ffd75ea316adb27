"""Timetric's requests as the events that every door appends: a series with its rows in one record, rows that are merged or replace all,
the value of now, an amount added to the latest value.

Before: routes.py. After: api/append.py; each answers when reads show it. The latest value grows by events, never by read and write.
"""

import asyncio
import uuid
from typing import Any

import numpy as np
from fastapi import Request, Response

from api.append import append
from api.bodies.points import stamped
from api.doors.timetric.body import Rows, Sent, number, rows_of, sent
from api.doors.timetric.names import name_of
from api.latest_increment import Amount, increment_latest
from api.parts import Parts
from api.request import INLINE_BYTES_MAX, Caller, read_body
from api.stamps import Stamp, new_series_id, series_id_of
from varve.columns import Points, Target, make_points
from varve.errors import Incorrect, NotFound
from varve.events import Event, PointsDeleted, PointsWritten, SeriesDefined, SeriesRewritten
from varve.instants import EARLIEST, LATEST
from varve.record import Record, single

NUMBER = "number"


async def create(parts: Parts, request: Request, who: Caller, prefix: str) -> Response:
    """Only the Location is read by the client; it ends with a slash."""
    found, raw = await _sent(parts, request)
    stamp = who.stamp(parts.clock, raw)
    ident = new_series_id() if stamp.event_id is None else series_id_of(stamp.event_id)
    described = {"name": found.fields.get("title"), "description": found.fields.get("caption")}
    attributes = {name: text for name, text in found.fields.items() if name not in ("title", "caption")}
    defined = SeriesDefined(series_id=ident, value_type=NUMBER, attributes=attributes, **described, **stamped(who.tenant, stamp, 1))
    rows = None if found.csv is None else await _rows(found.csv)
    if rows is None or not len(rows.value):
        record = single(defined)
    else:
        written: Event = PointsWritten(value_type=NUMBER, **stamped(who.tenant, stamp))
        record = Record((written, defined), _points(who, ident, rows))
    await append(parts, record, "view")
    base = str(request.base_url).rstrip("/")
    return Response(status_code=201, headers={"Location": f"{base}{prefix}/series/{name_of(ident)}/"})


async def update(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    found, raw = await _sent(parts, request)
    await _refuse_unknown(parts, who, ident)
    stamp, fields = who.stamp(parts.clock, raw), found.fields
    if found.csv is not None:
        return await _write(parts, who, ident, await _rows(found.csv), stamp)
    match fields.get("value"), fields.get("increment"), fields.get("decrement"):
        case str(value), None, None:
            one = number("value", value)
            return await _write(parts, who, ident, Rows(np.array([stamp.recorded_time]), np.array([one]), np.array([True])), stamp)
        case None, str(more), None:
            return await _add(parts, who, ident, number("increment", more), stamp)
        case None, None, str(less):
            return await _add(parts, who, ident, -number("decrement", less), stamp)
        case _:
            raise Incorrect("field-missing", "send one of value=, increment=, decrement=, or a file csv")


async def rewrite(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    raw = await read_body(request, parts.settings.http.body_mb_max)
    await _refuse_unknown(parts, who, ident)
    rows, stamp = await _rows(raw), who.stamp(parts.clock, raw)
    if not len(rows.value):
        return await _clear(parts, who, ident, stamp)
    event = SeriesRewritten(value_type=NUMBER, **stamped(who.tenant, stamp))
    await append(parts, single(event, _points(who, ident, rows)), "view")
    return Response(status_code=204)


async def clear(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    await _refuse_unknown(parts, who, ident)
    return await _clear(parts, who, ident, who.stamp(parts.clock, b""))


async def latest_of(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, float]:
    """NotFound where the series has no value."""
    await _refuse_unknown(parts, who, ident)
    found = await parts.reads.latest(who.tenant, ident)
    if found.cell is None or found.cell[1] is None:
        raise NotFound("series-empty", f"series {name_of(ident)} has no value yet")
    return {"timestamp": found.cell[0] // 1_000 / 1e6, "value": found.cell[1]}  # floats cannot tell nanoseconds of today


async def _write(parts: Parts, who: Caller, ident: uuid.UUID, rows: Rows, stamp: Stamp) -> Response:
    if len(rows.value):
        event = PointsWritten(value_type=NUMBER, **stamped(who.tenant, stamp))
        await append(parts, single(event, _points(who, ident, rows)), "view")
    return Response(status_code=204)


async def _add(parts: Parts, who: Caller, ident: uuid.UUID, amount: float, stamp: Stamp) -> Response:
    await increment_latest(parts, Amount(who.tenant, ident, None, amount, None), stamp, "view")
    return Response(status_code=204)


async def _clear(parts: Parts, who: Caller, ident: uuid.UUID, stamp: Stamp) -> Response:
    span: dict[str, Any] = {"series_id": ident, "from": EARLIEST, "until": LATEST}
    await append(parts, single(PointsDeleted.model_validate(span | stamped(who.tenant, stamp))), "view")
    return Response(status_code=204)


async def _refuse_unknown(parts: Parts, who: Caller, ident: uuid.UUID) -> None:
    await parts.reads.named(who.tenant, [(name_of(ident), ident)])


async def _sent(parts: Parts, request: Request) -> tuple[Sent, bytes]:
    raw = await read_body(request, parts.settings.http.body_mb_max)
    kind, query = request.headers.get("content-type", ""), request.url.query
    if len(raw) <= INLINE_BYTES_MAX:
        return sent(kind, query, raw), raw
    return await asyncio.to_thread(sent, kind, query, raw), raw


async def _rows(csv: bytes) -> Rows:
    return rows_of(csv) if len(csv) <= INLINE_BYTES_MAX else await asyncio.to_thread(rows_of, csv)


def _points(who: Caller, ident: uuid.UUID, rows: Rows) -> Points:
    targets = (Target(who.tenant, ident, ""),)
    return make_points(targets, np.zeros(len(rows.value), np.int32), rows.valid_time, rows.value, valued=rows.valued)
