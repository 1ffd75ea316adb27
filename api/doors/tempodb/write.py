"""TempoDB's writes: points, increments and deleted ranges, as the events that every door appends.

Before: routes.py with a body. After: api/append.py, one record a request. Of many series the good items are written and the
others told (207); of one series a bad item refuses the request. Series that are not there are made, by key and by id.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from fastapi import Request, Response

from api.append import append
from api.bodies.points import stamped
from api.doors.tempodb import chosen
from api.doors.tempodb.asked import Span
from api.doors.tempodb.items import Items
from api.doors.tempodb.names import Named
from api.doors.tempodb.words import MULTI_STATUS, multistatus
from api.parts import Parts
from api.request import INLINE_BYTES_MAX, JSON, Caller, parse_json, read_body
from api.stamps import Stamp
from varve.columns import Target, make_points
from varve.errors import BadRow, Incorrect
from varve.events import Event, PointsDeleted, PointsIncremented, PointsWritten, SeriesDefined
from varve.record import Record, single
from varve.series import series_id

Kind = Literal["set", "add"]
Read = Callable[[Any], Items]
NUMBER = "number"


@dataclass(frozen=True)
class Destination:
    """Where items of a name go. new: the series must be made; holds: what its values are."""

    target: Target
    new: bool
    holds: str


async def write_many(parts: Parts, request: Request, who: Caller, kind: Kind, read: Read) -> Response:
    """Items of many series: empty where all are written, else one status an item."""
    raw, items = await _items(parts, request, read)
    places = await destinations(parts, who.tenant, items.named)
    _refuse_words(items, places)
    good = items.good
    headers = await _append(parts, items, places, kind, who, raw) if good.any() else {}
    if not items.messages:
        return Response(b"", 200, headers)
    return Response(multistatus(items.messages, len(good)), MULTI_STATUS, headers, JSON)


async def write_one(parts: Parts, request: Request, who: Caller, kind: Kind, read: Read) -> Response:
    """Points of one series, all or none."""
    raw, items = await _items(parts, request, read)
    places = await destinations(parts, who.tenant, items.named)
    _refuse_words(items, places)
    if items.messages:
        bad = tuple(BadRow(at, "", "; ".join(said)) for at, said in items.messages.items())
        raise Incorrect("points", f"item {bad[0].row}: {bad[0].reason}", bad)
    return Response(b"", 200, await _append(parts, items, places, kind, who, raw) if len(items.value) else {})


async def delete_range(parts: Parts, request: Request, who: Caller, named: Named) -> Response:
    """What the series holds in [start, end) so far."""
    span = Span.of(request)
    row = await chosen.one(parts, who.tenant, parts.views.vector(), named)
    fields = {"series_id": chosen.ident_of(row), "from": span.from_, "until": span.until}
    event = PointsDeleted.model_validate(fields | stamped(who.tenant, who.stamp(parts.clock, b"")))
    written = await append(parts, single(event), "view")
    return Response(b"", 200, {"Varve-Token": str(written.token)})


async def destinations(parts: Parts, tenant: uuid.UUID, named: Sequence[Named]) -> list[Destination]:
    """The first candidate that is there, else the series to make."""
    candidates = [one.candidates(tenant) for one in named]
    kinds = await parts.catalog.learn_ids(tenant, list(dict.fromkeys(ident for some in candidates for ident in some)))
    return [_destination(tenant, one, some, kinds) for one, some in zip(named, candidates, strict=True)]


def _destination(tenant: uuid.UUID, named: Named, candidates: Sequence[uuid.UUID], kinds: Mapping[uuid.UUID, str]) -> Destination:
    there = next((ident for ident in candidates if ident in kinds), None)
    if there is None:
        return Destination(Target(tenant, candidates[0], named.new_key), new=True, holds=NUMBER)
    key = named.text if there == series_id(tenant, named.text) else ""
    return Destination(Target(tenant, there, key), new=False, holds=kinds[there])


def items_record(items: Items, places: Sequence[Destination], kind: Kind, tenant: uuid.UUID, stamp: Stamp) -> Record:
    """The good items; a series that is known by its id alone is defined, since points make only those that have a key."""
    good = np.flatnonzero(items.good)
    used = np.unique(items.series[good])
    points = make_points([one.target for one in places], items.series[good], items.valid_time[good], items.value[good]).compact()
    event = PointsWritten if kind == "set" else PointsIncremented
    made = [places[at].target.series_id for at in used.tolist() if places[at].new and not places[at].target.key]
    defined: list[Event] = [
        SeriesDefined(series_id=ident, value_type=NUMBER, **stamped(tenant, stamp, number)) for number, ident in enumerate(made, 1)
    ]
    return Record((event(value_type=NUMBER, **stamped(tenant, stamp)), *defined), points)


async def _append(parts: Parts, items: Items, places: Sequence[Destination], kind: Kind, who: Caller, raw: bytes) -> dict[str, str]:
    """Headers of the answer."""
    stamp = who.stamp(parts.clock, raw)
    if len(raw) <= INLINE_BYTES_MAX:
        record = items_record(items, places, kind, who.tenant, stamp)
    else:
        record = await asyncio.to_thread(items_record, items, places, kind, who.tenant, stamp)
    written = await append(parts, record, "view")
    return {"Varve-Token": str(written.token)} | ({"Idempotency-Replayed": "true"} if written.repeated else {})


async def _items(parts: Parts, request: Request, read: Read) -> tuple[bytes, Items]:
    """Whatever the content type says, or without one: TempoDB's clients send none."""
    raw = await read_body(request, parts.settings.http.body_mb_max)
    if len(raw) <= INLINE_BYTES_MAX:
        return raw, read(parse_json(raw))
    return raw, await asyncio.to_thread(lambda: read(parse_json(raw)))


def _refuse_words(items: Items, places: Sequence[Destination]) -> None:
    """TempoDB's values are numbers: series that hold something else are other doors'."""
    wrong = [at for at, one in enumerate(places) if one.holds != NUMBER]
    for at in np.flatnonzero(np.isin(items.series, wrong)).tolist() if wrong else ():
        place = places[items.series[at]]
        items.messages.setdefault(at, []).append(f"The series holds {place.holds} values, not numbers: write it through /api/v1")
