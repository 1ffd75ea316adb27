"""Observed properties, units, sensors, processing levels and result qualifiers: vocabulary of a workspace, or, of none, everybody's.

Before: routes_vocabularies.py. After: documents.py. What a datastream uses is not deleted.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import bodies, documents, pages, permission, workspaces
from api.doors.hydroserver.documents import Document
from api.doors.hydroserver.grants import LOOK, Need
from api.doors.hydroserver.words import chosen, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from varve.errors import Conflict, Incorrect
from varve.events import SeriesDescribed

UNIT_LENGTH_MAX = 128  # of a series


@dataclass(frozen=True)
class Family:
    """path: of its routes. named: the field by which a datastream names its own, if it does. filters: of lists, and their fields."""

    noun: str
    path: str
    model: type[bodies.Fields]
    named: str
    orderable: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)


FAMILIES = (
    Family(
        "observed-property", "observed-properties", bodies.ObservedProperty, "observedPropertyId",
        ("name", "type", "code"), {"type": "type"},
    ),
    Family("unit", "units", bodies.Unit, "unitId", ("name", "symbol", "type"), {"type": "type"}),
    Family(
        "sensor", "sensors", bodies.Sensor, "sensorId", ("name", "encodingType", "manufacturer", "model", "methodType", "methodCode"),
        {"encoding_type": "encodingType", "manufacturer": "manufacturer", "method_type": "methodType"},
    ),
    Family("processing-level", "processing-levels", bodies.ProcessingLevel, "processingLevelId", ("code",)),
    Family("result-qualifier", "result-qualifiers", bodies.ResultQualifier, "", ("code",)),
)  # fmt: skip


async def create(parts: Parts, request: Request, who: Caller, family: Family) -> dict[str, Any]:
    said = await object_of(request)
    workspace_id = _workspace_of(said)
    if workspace_id is None:
        permission.of_global(who, "edit")
    else:
        await permission.may(parts, who, workspace_id, "edit")
    body = bodies.checked(family.model, said) | {"workspaceId": None if workspace_id is None else str(workspace_id)}
    return told(await documents.put_new(parts, who, family.noun, new_ident(said), body, chosen=chosen(said)))


async def listed(parts: Parts, query: QueryParams, who: Caller, family: Family) -> Response:
    asked = pages.asked_of(query, family.orderable)
    held = await permission.standings(parts, who)
    found = [one for one in await documents.all_of(parts, who, family.noun) if _seen(one, held)]
    if wanted := pages.idents(query, "workspace_id"):
        found = [one for one in found if one.body["workspaceId"] in wanted]
    for name, place in family.filters.items():
        if said := pages.texts(query, name):
            found = [one for one in found if one.body[place] in said]
    if family.named and (used := await _used_by(parts, query, who, family)) is not None:
        found = [one for one in found if str(one.id) in used]
    rows = pages.ordered([told(one) for one in found], asked)
    page = pages.cut(rows, asked)
    if pages.flag(query, "expand_related"):
        page = await _expanded(parts, who, page)
    return pages.answer(page, len(rows), asked)


async def read(parts: Parts, query: QueryParams, who: Caller, family: Family, ident: uuid.UUID) -> dict[str, Any]:
    row = told(await _one(parts, who, family, ident, "look"))
    return dict((await _expanded(parts, who, [row]))[0]) if pages.flag(query, "expand_related") else row


async def change(parts: Parts, request: Request, who: Caller, family: Family, ident: uuid.UUID) -> dict[str, Any]:
    before = await _one(parts, who, family, ident, "edit")
    said = await object_of(request)
    after = await documents.change(parts, who, family.noun, ident, lambda body: body | bodies.checked(family.model, said, body))
    if family.noun == "unit" and after.body["symbol"] != before.body["symbol"]:
        await _rename_units(parts, who, after)
    return told(after)


async def delete(parts: Parts, who: Caller, family: Family, ident: uuid.UUID) -> Response:
    await _one(parts, who, family, ident, "edit")
    if family.named and await documents.all_of(parts, who, "datastream", **{family.named: str(ident)}):
        raise Conflict(
            f"{family.noun}-used", f"datastreams use this {family.noun.replace('-', ' ')}: give them another, or delete them, first"
        )
    await documents.delete(parts, who, [(family.noun, str(ident))])
    return Response(status_code=204)


def told(one: Document) -> dict[str, Any]:
    return {"id": str(one.id)} | one.body


async def _one(parts: Parts, who: Caller, family: Family, ident: uuid.UUID, need: Need) -> Document:
    found = await documents.one(parts, who, family.noun, ident)
    if found.body["workspaceId"] is None:
        permission.of_global(who, need)
    else:
        permission.refuse(await permission.rights_in(parts, who, found), need, family.noun, ident)
    return found


def _seen(one: Document, held: Mapping[uuid.UUID, Any]) -> bool:
    return one.body["workspaceId"] is None or held.get(one.uuid("workspaceId"), frozenset()) >= LOOK


async def _rename_units(parts: Parts, who: Caller, unit: Document) -> None:
    """Of the series of its datastreams."""
    found = await documents.all_of(parts, who, "datastream", unitId=str(unit.id))
    symbol = unit.body["symbol"][:UNIT_LENGTH_MAX]
    await documents.write(parts, who, [SeriesDescribed(series_id=one.id, tenant=who.tenant, unit=symbol) for one in found])


async def _used_by(parts: Parts, query: QueryParams, who: Caller, family: Family) -> set[str] | None:
    """By the datastreams asked for, or those of the things asked for."""
    things, streams = pages.idents(query, "thing_id"), pages.idents(query, "datastream_id")
    if not things and not streams:
        return None
    found = await documents.all_of(parts, who, "datastream")
    found = [one for one in found if (not things or one.body["thingId"] in things) and (not streams or str(one.id) in streams)]
    return {one.body[family.named] for one in found}


async def _expanded(parts: Parts, who: Caller, rows: Sequence[pages.Row]) -> list[pages.Row]:
    """With the workspace itself."""
    idents = {uuid.UUID(row["workspaceId"]) for row in rows if row["workspaceId"] is not None}
    there = {str(ident): workspaces.summary(one) for ident, one in (await documents.some(parts, who, "workspace", idents)).items()}
    return [{**row, "workspace": there.get(row["workspaceId"])} for row in rows]


def _workspace_of(said: Mapping[str, Any]) -> uuid.UUID | None:
    named = said.get("workspaceId", said.get("workspace_id"))
    if named is None:
        return None
    try:
        return uuid.UUID(str(named))
    except ValueError:
        raise Incorrect("workspace-id-incorrect", f"workspaceId: '{str(named)[:60]}' is not a UUID") from None
