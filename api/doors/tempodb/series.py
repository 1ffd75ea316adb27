"""TempoDB's series: made with a key or without, found by filters, described anew, deleted with all that they hold.

Before: routes.py. After: api/append.py for writes, reads.py for reads. A series made without a key gets a random one.
"""

import uuid
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field

from api.append import append
from api.bodies.points import stamped
from api.doors.tempodb import chosen
from api.doors.tempodb.names import Named, filter_of
from api.doors.tempodb.pages import Page, linked
from api.doors.tempodb.words import series_json
from api.listings import series_key
from api.parts import Parts
from api.request import JSON, Caller, parse_json, parsed, read_body
from api.stamps import Stamp, new_series_id, series_id_of
from varve.columns import no_points
from varve.errors import Incorrect
from varve.events import Event, Key, SeriesDefined, SeriesDeleted, SeriesDescribed
from varve.record import Record, single
from varve.series import series_id


class Described(BaseModel):
    """A TempoDB Series; fields that are not of a description (id, key) are looked at by the routes."""

    key: Key | None = None
    name: str | None = Field(None, max_length=512)
    tags: list[str] | None = None
    attributes: dict[str, str] | None = None

    @property
    def given(self) -> dict[str, Any]:
        return {name: one for name in ("name", "tags", "attributes") if (one := getattr(self, name))}


async def create(parts: Parts, request: Request, who: Caller) -> Response:
    """Creating twice is the same series, with what is given now set on it."""
    raw = await read_body(request, parts.settings.http.body_mb_max)
    new, stamp = parsed(Described, parse_json(raw) if raw.strip() else {}), who.stamp(parts.clock, raw)
    key = new.key or _random_key(stamp)
    ident = series_id(who.tenant, key)
    kind: dict[str, Any] = {} if await parts.catalog.learn_id(who.tenant, ident) else {"value_type": "number"}
    event = SeriesDefined(series_id=ident, series=key, **new.given, **kind, **stamped(who.tenant, stamp))
    written = await append(parts, single(event), "view")
    return await _told(parts, who, Named("key", key), {"Varve-Token": str(written.token)})


async def update(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    """The whole description is replaced; what the body leaves out stays."""
    raw = await read_body(request, parts.settings.http.body_mb_max)
    change, stamp = parsed(Described, parse_json(raw)), who.stamp(parts.clock, raw)
    row = await chosen.one(parts, who.tenant, parts.views.vector(), named)
    if change.key is not None and change.key != series_json(row)["key"]:
        raise Incorrect("key-fixed", f"the series {named} has the key {series_json(row)['key']}: a key never changes")
    fields = {name: getattr(change, name) or None for name in change.model_fields_set - {"key"}}
    if not fields:
        raise Incorrect("nothing-to-change", "the body names no field: send name, tags or attributes")
    event = SeriesDescribed(series_id=chosen.ident_of(row), **fields, **stamped(who.tenant, stamp))
    written = await append(parts, single(event), "view")
    return await _told(parts, who, named, {"Varve-Token": str(written.token)})


async def one(parts: Parts, who: Caller, named: Named) -> Response:
    return await _told(parts, who, named, {})


async def listing(parts: Parts, request: Request, who: Caller) -> Response:
    """A list, by key; with limit= a page of it, whose Link header tells the next."""
    wanted, page = filter_of(request.query_params, who.tenant), Page.of(request, 0)
    at = parts.reads.page(page.cursor, ("tempodb-series", who.tenant, wanted))
    limit = page.limit or None
    rows = await parts.reads.series(who.tenant, at.vector, wanted, at.key, limit and limit + 1)
    more = limit is not None and len(rows) > limit
    shown = rows[:limit]
    headers = linked(request, at, series_key(shown[-1])) if more else {}
    return Response(orjson.dumps([series_json(row) for row in shown]), 200, headers, JSON)


async def delete_some(parts: Parts, request: Request, who: Caller) -> Response:
    """Those that the filters choose. All of them only where the request says so."""
    wanted = filter_of(request.query_params, who.tenant)
    if wanted.empty and request.query_params.get("allow_truncation", "").lower() != "true":
        raise Incorrect("truncation", "no filter: this would delete every series; say allow_truncation=true if that is meant")
    rows = await chosen.some(parts, who.tenant, parts.views.vector(), wanted)
    return await _deleted(parts, who, [chosen.ident_of(row) for row in rows])


async def delete_one(parts: Parts, who: Caller, named: Named) -> Response:
    row = await chosen.one(parts, who.tenant, parts.views.vector(), named)
    return await _deleted(parts, who, [chosen.ident_of(row)])


async def _deleted(parts: Parts, who: Caller, idents: list[uuid.UUID]) -> Response:
    headers = {}
    if idents:
        stamp = who.stamp(parts.clock, b"")
        events: list[Event] = [SeriesDeleted(series_id=ident, **stamped(who.tenant, stamp, at)) for at, ident in enumerate(idents)]
        written = await append(parts, Record(tuple(events), no_points()), "view")
        headers = {"Varve-Token": str(written.token)}
    return Response(orjson.dumps({"deleted": len(idents)}), 200, headers, JSON)


async def _told(parts: Parts, who: Caller, named: Named, headers: dict[str, str]) -> Response:
    row = await chosen.one(parts, who.tenant, parts.views.vector(), named)
    return Response(orjson.dumps(series_json(row)), 200, headers, JSON)


def _random_key(stamp: Stamp) -> str:
    return (new_series_id() if stamp.event_id is None else series_id_of(stamp.event_id)).hex
