"""Datastreams: what is observed at a thing, by which sensor, in which unit; each is a series of the same id, which holds its observations.

Before: routes_things.py. After: documents.py, and in the same record the series. datastream_lists.py finds them.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from pydantic.alias_generators import to_snake

from api.doors.datareservoir.words import base_of
from api.doors.hydroserver import bodies, documents, pages, permission, statistics, things, vocabularies, workspaces
from api.doors.hydroserver.attachments import linked
from api.doors.hydroserver.contents import delete_datastreams
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.grants import NOTHING, Need
from api.doors.hydroserver.tags import tags_of
from api.doors.hydroserver.words import bad, chosen, ident_in, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from varve.errors import Conflict, NotFound
from varve.events import SeriesDefined, SeriesDescribed

NOUN = "datastream"
REFERENCES = {family.named: family for family in vocabularies.FAMILIES if family.named}
DESCRIPTION_LENGTH_MAX = 4_096  # of a series


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    said = await object_of(request)
    named = {name: ident_in(said, name) for name in ("thingId", *REFERENCES)}
    there = await documents.these(parts, who, [(_noun(name), ident) for name, ident in named.items()])
    thing = await _thing(parts, who, there.get(("thing", named["thingId"])), named["thingId"], "edit")
    for name in REFERENCES:
        _refuse_elsewhere(there.get((_noun(name), named[name])), name, named[name], thing)
    body = bodies.checked(bodies.Datastream, said) | {name: str(ident) for name, ident in named.items()}
    body |= {"workspaceId": thing.body["workspaceId"], "tags": tags_of(said), "fileAttachments": []}
    ident = new_ident(said)
    if chosen(said):
        await _refuse_taken(parts, who, ident)
    described = _described(body, there[("unit", named["unitId"])])
    series = SeriesDefined(series_id=ident, tenant=who.tenant, value_type="number", **described)
    document = await documents.put_new(parts, who, NOUN, ident, body, series, chosen=chosen(said))
    return linked_whole(things.told(document) | statistics.told(statistics.Extent()), base_of(parts, request))


async def read(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    row: pages.Row = await _told_one(parts, who, await permission.datastream(parts, who, ident, "view"))
    if pages.flag(request.query_params, "expand_related"):
        (row,) = await expanded(parts, who, [row])
    return linked_whole(row, base_of(parts, request))


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    """Whoever loads observations may, as at HydroServer."""
    before = await permission.datastream(parts, who, ident, "load")
    said = await object_of(request)
    named = {name: ident_in(said, name) for name in ("thingId", *REFERENCES) if name in said or to_snake(name) in said}
    there = await documents.these(parts, who, [(_noun(name), one) for name, one in named.items()])
    for name, one in named.items():
        found = there.get((_noun(name), one))
        if name == "thingId":
            found = await _thing(parts, who, found, one, "view")
        _refuse_elsewhere(found, name, one, before)
    more = {name: str(one) for name, one in named.items()}
    after = await documents.change(parts, who, NOUN, ident, lambda body: body | bodies.checked(bodies.Datastream, said, body) | more)
    units = await documents.some(parts, who, "unit", (before.uuid("unitId"), after.uuid("unitId")))
    was, now = (_described(one.body, units.get(one.uuid("unitId"))) for one in (before, after))
    if was != now:
        await documents.write(parts, who, [SeriesDescribed(series_id=ident, tenant=who.tenant, **now)])
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


def _noun(name: str) -> str:
    return "thing" if name == "thingId" else REFERENCES[name].noun


async def _thing(parts: Parts, who: Caller, found: Document | None, ident: uuid.UUID, need: Need) -> Document:
    """That it is not there is the body's fault, not the path's."""
    held = NOTHING if found is None else await permission.rights_in(parts, who, found)
    try:
        permission.refuse_part(held, need, "thing", ident, private=found is not None and bool(found.body["isPrivate"]))
    except NotFound as absent:
        raise bad("thing-unknown", f"thingId: {absent.message}") from None
    assert found is not None, "nobody has rights in nothing"
    return found


def _refuse_elsewhere(found: Document | None, name: str, ident: uuid.UUID, beside: Document) -> None:
    """What a datastream names is in its workspace, or, but for its thing, in none. beside: what is in that workspace."""
    allowed = (beside.body["workspaceId"],) if name == "thingId" else (None, beside.body["workspaceId"])
    if found is None or found.body["workspaceId"] not in allowed:
        noun, last = _noun(name), "" if name == "thingId" else ", or in none"
        raise bad(f"{noun}-unknown", f"{name}: there is no {noun.replace('-', ' ')} {ident} in the datastream's workspace{last}")


async def _refuse_taken(parts: Parts, who: Caller, ident: uuid.UUID) -> None:
    if await parts.catalog.learn_id(who.tenant, ident) is not None or await documents.found(parts, who, NOUN, ident) is not None:
        raise Conflict("datastream-there", f"there is a series {ident} already: leave the id out, and one is made")


def _described(body: Body, unit: Document | None) -> dict[str, Any]:
    """What the series is called."""
    symbol = None if unit is None else unit.body["symbol"][: vocabularies.UNIT_LENGTH_MAX]
    return {"name": body["name"], "description": body["description"][:DESCRIPTION_LENGTH_MAX], "unit": symbol}
