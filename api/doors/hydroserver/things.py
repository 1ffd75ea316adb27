"""Things: the sites at which something is observed, each in a workspace, with a location, tags and file attachments.

Before: routes_things.py. After: documents.py. Deleting one deletes its datastreams.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.datareservoir.words import base_of
from api.doors.hydroserver import bodies, documents, pages, permission, workspaces
from api.doors.hydroserver.attachments import linked
from api.doors.hydroserver.contents import attached, delete_datastreams
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.grants import Rights
from api.doors.hydroserver.tags import tagged, tags_of
from api.doors.hydroserver.words import chosen, ident_in, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from varve.errors import Incorrect

NOUN = "thing"
PLACES = {
    name: f"location.{name}"
    for name in ("latitude", "longitude", "elevation_m", "elevationDatum", "adminArea1", "adminArea2", "country")
}  # fmt: skip
ORDERABLE = ("name", "samplingFeatureType", "samplingFeatureCode", "siteType", "isPrivate", *PLACES)
FILTERS = {"site_type": "siteType", "sampling_feature_type": "samplingFeatureType", "sampling_feature_code": "samplingFeatureCode"}
OF_LOCATION = {"admin_area_1": "adminArea1", "admin_area_2": "adminArea2", "country": "country"}


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    said = await object_of(request)
    workspace_id = ident_in(said, "workspaceId")
    await permission.may(parts, who, workspace_id, "edit")
    more = {"location": _location(said, None), "tags": tags_of(said), "fileAttachments": [], "workspaceId": str(workspace_id)}
    body = bodies.checked(bodies.Thing, said) | more
    return told(await documents.put_new(parts, who, NOUN, new_ident(said), body, chosen=chosen(said)))


async def listed(parts: Parts, request: Request, who: Caller) -> Response:
    query, base = request.query_params, base_of(parts, request)
    asked = pages.asked_of(query, ORDERABLE)
    held = await permission.standings(parts, who)
    found = [one for one in await documents.all_of(parts, who, NOUN) if _seen(one, held) and _wanted(one, query)]
    rows = pages.ordered([told(one) for one in found], asked, PLACES)
    page: list[pages.Row] = [linked(row, NOUN, base) for row in pages.cut(rows, asked)]
    return pages.answer(await _expanded(parts, who, page) if pages.flag(query, "expand_related") else page, len(rows), asked)


async def read(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    row = linked(told(await permission.thing(parts, who, ident, "view")), NOUN, base_of(parts, request))
    return dict((await _expanded(parts, who, [row]))[0]) if pages.flag(request.query_params, "expand_related") else row


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    await permission.thing(parts, who, ident, "edit")
    said = await object_of(request)

    def alter(body: Body) -> Body:
        return body | bodies.checked(bodies.Thing, said, body) | {"location": _location(said, body["location"])}

    return linked(told(await documents.change(parts, who, NOUN, ident, alter)), NOUN, base_of(parts, request))


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    found = await permission.thing(parts, who, ident, "edit")
    await delete_datastreams(parts, who, await documents.all_of(parts, who, "datastream", thingId=str(ident)))
    await documents.delete(parts, who, [*attached(found), (NOUN, str(ident))])
    return Response(status_code=204)


def told(one: Document) -> dict[str, Any]:
    return {"id": str(one.id)} | one.body


def _location(said: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    location = said.get("location")
    if location is None and before is not None:
        return dict(before)
    if not isinstance(location, dict):
        raise Incorrect("location-missing", 'location: say {"latitude": ..., "longitude": ...}')
    return bodies.checked(bodies.Location, location, before)


def _seen(one: Document, held: Mapping[uuid.UUID, Rights]) -> bool:
    return ("view" if one.body["isPrivate"] else "look") in held.get(one.uuid("workspaceId"), frozenset())


def _wanted(one: Document, query: QueryParams) -> bool:
    body, private = one.body, pages.flag(query, "is_private")
    wanted = pages.idents(query, "workspace_id")
    if (wanted and body["workspaceId"] not in wanted) or (private is not None and body["isPrivate"] is not private):
        return False
    for place, filters in ((body, FILTERS), (body["location"], OF_LOCATION)):
        for name, field in filters.items():
            said = pages.texts(query, name)
            if said and place[field] not in said:
                return False
    return tagged(body, query) and _inside(body["location"], query)


def _inside(location: Mapping[str, Any], query: QueryParams) -> bool:
    """Of any of the boxes."""
    boxes = [_box(text) for text in pages.texts(query, "bbox") if text is not None]
    x, y = location["longitude"], location["latitude"]
    return not boxes or any(west <= x <= east and south <= y <= north for west, south, east, north in boxes)


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(one) for one in text.split(","))
    except ValueError:
        raise Incorrect("bbox-incorrect", f"bbox: '{text[:60]}' is not west,south,east,north in degrees") from None
    return west, south, east, north


async def _expanded(parts: Parts, who: Caller, rows: Sequence[pages.Row]) -> list[pages.Row]:
    there = await documents.some(parts, who, "workspace", {uuid.UUID(row["workspaceId"]) for row in rows})
    told_of = {str(ident): workspaces.summary(one) for ident, one in there.items()}
    return [{**row, "workspace": told_of.get(row["workspaceId"])} for row in rows]
