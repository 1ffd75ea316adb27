"""TempoDB's series: made with a key or without, found by filters, described anew, deleted with all that they hold.

Before: routes.py. After: api/append.py for writes, reads.py for reads. A series made without a key gets a random one.
"""

import uuid
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field

from api.append import append, applied_before
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
from varve.series import derived_id, series_id

OUTCOMES_MAX = 1_000  # asked for at once


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
    stamp = who.stamp(parts.clock, b"")
    if before := await _deleted_before(parts, who, stamp):
        return _deleted(before, {"Idempotency-Replayed": "true"})
    rows = await chosen.some(parts, who.tenant, parts.views.vector(), wanted)
    return await _delete(parts, who, [chosen.ident_of(row) for row in rows], stamp)


async def delete_one(parts: Parts, who: Caller, named: Named) -> Response:
    stamp = who.stamp(parts.clock, b"")
    if before := await _deleted_before(parts, who, stamp):
        return _deleted(before, {"Idempotency-Replayed": "true"})
    row = await chosen.one(parts, who.tenant, parts.views.vector(), named)
    return await _delete(parts, who, [chosen.ident_of(row)], stamp)


async def _deleted_before(parts: Parts, who: Caller, stamp: Stamp) -> int:
    """How many series the same keyed request deleted when it first came: what it named is gone by now (I3)."""
    found, more = 0, stamp.event_id is not None
    while more:
        some = [(who.tenant, derived_id(str(stamp.event_id), at)) for at in range(found, found + OUTCOMES_MAX)]
        there = {row.key for row in await applied_before(parts, some, stamp, "view")}
        found, more = found + len(there), len(there) == OUTCOMES_MAX
    return found


async def _delete(parts: Parts, who: Caller, idents: list[uuid.UUID], stamp: Stamp) -> Response:
    if not idents:
        return _deleted(0, {})
    events: list[Event] = [SeriesDeleted(series_id=ident, **stamped(who.tenant, stamp, at)) for at, ident in enumerate(idents)]
    written = await append(parts, Record(tuple(events), no_points()), "view")
    return _deleted(len(idents), {"Varve-Token": str(written.token)})


def _deleted(count: int, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps({"deleted": count}), 200, headers, JSON)


async def _told(parts: Parts, who: Caller, named: Named, headers: dict[str, str]) -> Response:
    row = await chosen.one(parts, who.tenant, parts.views.vector(), named)
    return Response(orjson.dumps(series_json(row)), 200, headers, JSON)


def _random_key(stamp: Stamp) -> str:
    return (new_series_id() if stamp.event_id is None else series_id_of(stamp.event_id)).hex
