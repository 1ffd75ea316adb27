"""Datastreams: what is observed at a thing, by which sensor, in which unit; each is a series of the same id, which holds its observations.

Before: routes_things.py. After: documents.py, and in the same record the series. datastream_lists.py finds them.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from pydantic.alias_generators import to_snake

from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir.words import base_of
from api.doors.hydroserver import bodies, documents, pages, permission, statistics, things, vocabularies, workspaces
from api.doors.hydroserver.attachments import linked
from api.doors.hydroserver.contents import delete_datastreams
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.tags import tags_of
from api.doors.hydroserver.words import bad, ident_in, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from api.stamps import guarded
from varve.errors import Conflict, NotFound
from varve.events import SeriesDefined, SeriesDescribed
from varve.record import single

NOUN = "datastream"
REFERENCES = {family.named: family for family in vocabularies.FAMILIES if family.named}
DESCRIPTION_LENGTH_MAX = 4_096  # of a series


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    said = await object_of(request)
    thing = await _thing(parts, who, said)
    await permission.may(parts, who, thing.uuid("workspaceId"), "edit")
    named = {"thingId": str(thing.id), "workspaceId": thing.body["workspaceId"]}
    named |= {name: await _reference(parts, who, said, name, thing) for name in REFERENCES}
    body = bodies.checked(bodies.Datastream, said) | named | {"tags": tags_of(said), "fileAttachments": []}
    ident = new_ident(said)
    if await parts.catalog.learn_id(who.tenant, ident) is not None or await documents.found(parts, who, NOUN, ident) is not None:
        raise Conflict("datastream-there", f"there is a series {ident} already: leave the id out, and one is made")
    series = SeriesDefined(series_id=ident, tenant=who.tenant, value_type="number", **await _described(parts, who, body))
    document = await documents.put_new(parts, who, NOUN, ident, body, series)
    return linked_whole(await _told_one(parts, who, document), base_of(parts, request))


async def read(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    row: pages.Row = await _told_one(parts, who, await permission.datastream(parts, who, ident, "view"))
    if pages.flag(request.query_params, "expand_related"):
        (row,) = await expanded(parts, who, [row])
    return linked_whole(row, base_of(parts, request))


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    """Whoever loads observations may, as at HydroServer."""
    before = await permission.datastream(parts, who, ident, "load")
    said = await object_of(request)
    named: dict[str, Any] = {}
    if "thingId" in said or "thing_id" in said:
        thing = await _thing(parts, who, said)
        if thing.body["workspaceId"] != before.body["workspaceId"]:
            raise bad("thing-elsewhere", "thingId: that thing is in another workspace")
        named["thingId"] = str(thing.id)
    named |= {name: await _reference(parts, who, said, name, before) for name in REFERENCES if name in said or to_snake(name) in said}
    after = await documents.change(parts, who, NOUN, ident, lambda body: body | bodies.checked(bodies.Datastream, said, body) | named)
    was, now = await _described(parts, who, before.body), await _described(parts, who, after.body)
    if was != now:
        stamp = guarded(who.stamp(parts.clock, b""))
        await append(parts, single(SeriesDescribed(series_id=ident, **now, **stamped(who.tenant, stamp))), "view")
    return linked_whole(await _told_one(parts, who, after), base_of(parts, request))


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    await delete_datastreams(parts, who, [await permission.datastream(parts, who, ident, "edit")])
    return Response(status_code=204)


async def told(parts: Parts, who: Caller, rows: Sequence[pages.Row]) -> list[pages.Row]:
    """With what their observations are: how many, and from when to when."""
    extents = await statistics.of(parts, who, [uuid.UUID(row["id"]) for row in rows])
    return [{**row, **statistics.told(extents[uuid.UUID(row["id"])])} for row in rows]


async def expanded(parts: Parts, who: Caller, rows: Sequence[pages.Row]) -> list[pages.Row]:
    """With what they name, each whole."""
    found = [dict(row) for row in rows]
    nouns = {"thingId": "thing", "workspaceId": "workspace"} | {name: family.noun for name, family in REFERENCES.items()}
    for name, noun in nouns.items():
        there = await documents.some(parts, who, noun, {uuid.UUID(row[name]) for row in rows})
        tell = workspaces.summary if noun == "workspace" else things.told
        for row in found:
            one = there.get(uuid.UUID(row[name]))
            row[name.removesuffix("Id")] = None if one is None else tell(one)
    return list(found)


def linked_whole(row: pages.Row, base: str) -> dict[str, Any]:
    """With links to its files, and to its thing's where that is told."""
    whole = linked(row, NOUN, base)
    return whole | ({"thing": linked(row["thing"], "thing", base)} if row.get("thing") else {})


async def _told_one(parts: Parts, who: Caller, one: Document) -> dict[str, Any]:
    return dict((await told(parts, who, [things.told(one)]))[0])


async def _thing(parts: Parts, who: Caller, said: Mapping[str, Any]) -> Document:
    ident = ident_in(said, "thingId")
    try:
        return await permission.thing(parts, who, ident, "view")
    except NotFound as absent:
        raise bad("thing-unknown", f"thingId: {absent.message}") from None


async def _reference(parts: Parts, who: Caller, said: Mapping[str, Any], name: str, beside: Document) -> str:
    """An id of the datastream's workspace, or of none. beside: what is in that workspace."""
    ident, noun = ident_in(said, name), REFERENCES[name].noun
    found = await documents.found(parts, who, noun, ident)
    if found is None or found.body["workspaceId"] not in (None, beside.body["workspaceId"]):
        raise bad(f"{noun}-unknown", f"{name}: there is no {noun.replace('-', ' ')} {ident} in the datastream's workspace, or in none")
    return str(ident)


async def _described(parts: Parts, who: Caller, body: Body) -> dict[str, Any]:
    """What the series is called."""
    unit = await documents.found(parts, who, "unit", uuid.UUID(body["unitId"]))
    symbol = None if unit is None else unit.body["symbol"][: vocabularies.UNIT_LENGTH_MAX]
    return {"name": body["name"], "description": body["description"][:DESCRIPTION_LENGTH_MAX], "unit": symbol}
