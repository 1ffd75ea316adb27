"""DataReservoir's series: made empty, told about, deleted, and read by days.

Before: routes.py. After: api/append.py for writes, days.py for the text of a day.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import orjson
from fastapi import Request, Response

from api.answer import streamed
from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir import assigned
from api.doors.datareservoir.days import Day, Digests, day_of, path_of, text
from api.doors.datareservoir.entries import search
from api.doors.datareservoir.words import PREFIX, base_of
from api.parts import Parts
from api.reads import SeriesFilter
from api.request import Caller
from api.stamps import guarded
from sink.queries.flat import FLAT
from sink.queries.latest import LATEST
from sink.queries.modified import modified
from sink.queries.selection import Selection
from sink.queries.shape import Shape
from sink.reads import page_of
from sink.store import Store
from varve.columns import no_points
from varve.errors import Conflict, Incorrect, NotFound
from varve.events import Event, SeriesDefined, SeriesDeleted, ValueType
from varve.position import Token
from varve.record import Record, single
from varve.series import partition_of

PURPOSE = "day"
ADDRESS_SECONDS = 3_600
CSV = "text/csv"


async def create_empty(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    """Its first points say what its values are. A document is folded as a series of its id is, so that one id cannot be both."""
    if await parts.reads.entities(search(parts, who, entity_ids=(ident,))):
        raise Conflict("id-taken", f"{ident} is the id of metadata: choose another for the time series")
    stamp = guarded(who.stamp(parts.clock, b""))
    await append(parts, single(SeriesDefined(series_id=ident, **stamped(who.tenant, stamp))), "view")
    return {"TimeSeriesId": str(ident)}


async def about(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    found = await parts.reads.series(who.tenant, parts.views.vector(), SeriesFilter(ids=(ident,)))
    if not found:
        raise unknown(ident)
    row = found[0]
    first, last = await extent(parts, who, ident)
    entries = [entry.told([str(ident)]) for entry in await assigned.entries_of(parts, who, ident)]
    selection = Selection(who.tenant, parts.reads.watermark(parts.views.vector()), (ident,))
    changed = orjson.loads(await parts.reads.ask(lambda store: store.raw(modified(selection), "JSONEachRow")))
    return {
        "TimeSeriesId": str(ident), "TimeOfFirstSample": first, "TimeOfLastSample": last, "Created": row["created_time"],
        "CreatedByEmail": changed["created_by"] or None, "LastModified": changed["modified_time"],
        "LastModifiedByEmail": changed["modified_by"] or None, "Metadata": entries, "Aliases": [row["key"]] if row["key"] else [],
    }  # fmt: skip


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    await refuse_unknown(parts, who.tenant, ident)
    stamp = who.stamp(parts.clock, b"")
    pairs = [(ident, one) for one in await assigned.metadata_of(parts, who, ident)]
    gone: Event = SeriesDeleted(series_id=ident, **stamped(who.tenant, stamp))
    await append(parts, Record((gone, *assigned.taken_off(pairs, who, stamp, 1)), no_points()), "view")
    return Response(status_code=204)


async def listed_days(parts: Parts, digests: Digests, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """One file whose chunks are the days."""
    kind = await refuse_unknown(parts, who.tenant, ident)
    first, last = (day_of(_instant(request.query_params, name)) for name in ("start", "end"))
    offset = parts.views.vector().get(_partition(parts, ident), 0)
    whole = _whole(parts, who.tenant, ident, kind, offset)
    base, addresses = base_of(parts, request), parts.uploads.addresses

    def chunk(day: Day) -> dict[str, Any]:
        named = {"series": str(ident), "day": str(day.day), "offset": str(offset)}
        query = addresses.query(PURPOSE, who.tenant, named, ADDRESS_SECONDS)
        path = path_of(ident, day)
        return {
            "DaysSinceEpoch": day.day, "Path": path, "Endpoint": f"{base}{PREFIX}/days/{ident}/{day.day}?{query}",
            "ContentMd5": day.base64, "Index": 0, "FileId": str(ident), "Account": "", "SasKey": query, "Container": "days",
        }  # fmt: skip

    def chunks(store: Store) -> list[dict[str, Any]]:
        return [chunk(day) for day in digests.of(store, whole, first, last)]

    found = await parts.reads.ask(chunks)
    files = [{"FileId": str(ident), "Chunks": found}] if found else []
    return Response(orjson.dumps({"Files": files}), media_type="application/json")


async def one_day(parts: Parts, request: Request, series_id: str, day: str) -> Response:
    asked = request.query_params
    tenant = parts.uploads.addresses.check(PURPOSE, asked, {"series": series_id, "day": day, "offset": asked.get("offset", "")})
    ident, offset = uuid.UUID(series_id), int(asked["offset"])
    if offset:
        await parts.views.reached(Token(parts.log.log_id, {_partition(parts, ident): offset - 1}))
    kind = await refuse_unknown(parts, tenant, ident)
    whole = _whole(parts, tenant, ident, kind, offset)
    return await streamed(request, parts.reads.pieces(lambda store: text(store, whole, int(day))), CSV, {}, None)


async def extent(parts: Parts, who: Caller, ident: uuid.UUID) -> tuple[int, int]:
    """Of the first and the last sample, UTC ns; 0 and -1 of an empty series."""
    selection = Selection(who.tenant, parts.reads.watermark(parts.views.vector()), (ident,), columns=("valid_time",))

    def ask(store: Store) -> tuple[int, int]:
        shapes: tuple[tuple[Shape, dict[str, Any]], ...] = ((FLAT, {"limit": 1}), (LATEST, {}))
        first, last = (store.arrow(page_of(store, shape, replace(selection, **more)).query) for shape, more in shapes)
        return (first.column("valid_time")[0].value, last.column("valid_time")[0].value) if first.num_rows and last.num_rows else (0, -1)

    return await parts.reads.ask(ask)


async def refuse_unknown(parts: Parts, tenant: uuid.UUID, ident: uuid.UUID) -> ValueType:
    """What the series holds."""
    kind = await parts.catalog.learn_id(tenant, ident)
    if kind is None:
        raise unknown(ident)
    return cast(ValueType, kind)


async def known(parts: Parts, who: Caller, ident: uuid.UUID) -> uuid.UUID:
    await refuse_unknown(parts, who.tenant, ident)
    return ident


def unknown(ident: uuid.UUID) -> NotFound:
    return NotFound("series-unknown", f"there is no time series {ident} in this tenant")


def _whole(parts: Parts, tenant: uuid.UUID, ident: uuid.UUID, kind: ValueType, offset: int) -> Selection:
    """The series as it was when its partition's watermark was there."""
    partition, partitions = _partition(parts, ident), parts.topics.partitions
    watermark = tuple(offset if number == partition else 0 for number in range(partitions))
    return Selection(tenant, watermark, (ident,), value_types=frozenset({kind}))


def _partition(parts: Parts, ident: uuid.UUID) -> int:
    return partition_of(ident, parts.topics.partitions)


def _instant(asked: Mapping[str, str], name: str) -> int:
    try:
        return int(asked.get(name, ""))
    except ValueError:
        raise Incorrect("time-malformed", f"{name}: '{asked.get(name, '')[:40]}' is not a whole number of nanoseconds since 1970") from None
