"""Lists of datastreams: HydroServer's twenty filters, order, pages.

Before: routes_things.py. After: documents.py finds, datastreams.py tells; what their observations are is asked once: for all where a filter
or the order needs it, else for the page alone.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.datareservoir.words import base_of
from api.doors.hydroserver import datastreams, documents, pages, permission, things
from api.doors.hydroserver.documents import Document
from api.doors.hydroserver.grants import Rights
from api.doors.hydroserver.tags import tagged
from api.parts import Parts
from api.request import Caller
from varve.instants import parse_instant

COUNTED = ("valueCount", "phenomenonBeginTime", "phenomenonEndTime", "resultBeginTime", "resultEndTime")
ORDERABLE = ("name", "observationType", "sampledMedium", "status", "resultType", "isPrivate", *COUNTED)
OF_IDS = {
    "workspace_id": "workspaceId", "thing_id": "thingId", "sensor_id": "sensorId", "observed_property_id": "observedPropertyId",
    "processing_level_id": "processingLevelId", "unit_id": "unitId",
}  # fmt: skip
OF_TEXTS = {"observation_type": "observationType", "sampled_medium": "sampledMedium", "status": "status", "result_type": "resultType"}
BOUNDED = {
    "value_count": "valueCount", "phenomenon_begin_time": "phenomenonBeginTime", "phenomenon_end_time": "phenomenonEndTime",
    "result_begin_time": "resultBeginTime", "result_end_time": "resultEndTime",
}  # fmt: skip


async def listed(parts: Parts, request: Request, who: Caller) -> Response:
    query, base = request.query_params, base_of(parts, request)
    asked = pages.asked_of(query, ORDERABLE)
    bounds = _bounds(query)
    found = await _found(parts, query, who)
    counted = bool(bounds) or any(name in COUNTED for name, _ in asked.order)
    rows: list[pages.Row] = [things.told(one) for one in found]
    if counted:
        rows = [row for row in await datastreams.told(parts, who, rows) if _within(row, bounds)]
    rows = pages.ordered(rows, asked)
    page = pages.cut(rows, asked)
    if not counted:
        page = await datastreams.told(parts, who, page)
    if pages.flag(query, "expand_related"):
        page = await datastreams.expanded(parts, who, page)
    return pages.answer([datastreams.linked_whole(row, base) for row in page], len(rows), asked)


async def _found(parts: Parts, query: QueryParams, who: Caller) -> list[Document]:
    """Those that the caller sees and that match what documents say."""
    wanted = {field: said for name, field in OF_IDS.items() if (said := pages.idents(query, name))}
    wanted |= {field: said for name, field in OF_TEXTS.items() if (said := pages.texts(query, name))}
    narrowed = {field: said[0] for field, said in wanted.items() if len(said) == 1 and said[0] is not None}
    found = await documents.all_of(parts, who, datastreams.NOUN, **narrowed)
    held = await permission.standings(parts, who)
    private = {one.id for one in await documents.all_of(parts, who, "thing", isPrivate="true")}
    asked_private = pages.flag(query, "is_private")
    return [
        one
        for one in found
        if _seen(one, held, private)
        and all(one.body[field] in said for field, said in wanted.items())
        and (asked_private is None or one.body["isPrivate"] is asked_private)
        and tagged(one.body, query)
    ]  # fmt: skip


def _seen(one: Document, held: Mapping[uuid.UUID, Rights], private: set[uuid.UUID]) -> bool:
    hidden = one.body["isPrivate"] or one.uuid("thingId") in private
    return ("view" if hidden else "look") in held.get(one.uuid("workspaceId"), frozenset())


def _bounds(query: QueryParams) -> list[tuple[str, str, float]]:
    """Field, min or max, and how much; inclusive."""
    found = []
    for name, field in BOUNDED.items():
        for end in ("min", "max"):
            read = pages.number if field == "valueCount" else pages.instant
            if (bound := read(query, f"{name}_{end}")) is not None:
                found.append((field, end, bound))
    return found


def _within(row: Mapping[str, Any], bounds: list[tuple[str, str, float]]) -> bool:
    """What has no observations has no times."""
    for field, end, bound in bounds:
        value = row[field]
        if isinstance(value, str):
            value = parse_instant(value)
        if value is None or (value < bound if end == "min" else value > bound):
            return False
    return True
