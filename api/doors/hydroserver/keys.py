"""API keys of a workspace, as HydroServer tells of them; a key itself is shown once.

Before: routes_people.py. After: documents.py keeps what is told, confined.py lets them in and shuts them out.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import bodies, confined, documents, pages, workspaces
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.grants import Grant, grant_of
from api.doors.hydroserver.permission import may, refuse_keys
from api.doors.hydroserver.words import bad, object_of
from api.parts import Parts
from api.request import Caller
from varve.clock import new_id
from varve.errors import Conflict
from varve.instants import format_instant, parse_instant

NOUN = "api-key"
ORDERABLE = ("name", "isActive", "expiresAt")


async def create(parts: Parts, request: Request, who: Caller, workspace_id: uuid.UUID) -> Response:
    _refuse_off(who)
    refuse_keys(who, "make keys")
    await may(parts, who, workspace_id, "edit")
    said, ident = await object_of(request), new_id()  # never of the caller's choice: the access knows keys of all tenants by theirs
    grant, created = _grant_in(said), format_instant(parts.clock.now())
    body = _checked(said, None) | {"roleId": str(grant.id), "workspaceId": str(workspace_id), "createdAt": created}
    document = await documents.put_new(parts, who, NOUN, ident, body, chosen=False)
    await confined.let_in(parts, who, document)
    return _shown(document, await confined.renew(parts, who, ident))


async def listed(parts: Parts, query: QueryParams, who: Caller, workspace_id: uuid.UUID) -> Response:
    asked = pages.asked_of(query, ORDERABLE)
    workspace = await may(parts, who, workspace_id, "view")
    refuse_keys(who, "see keys")
    roles = pages.idents(query, "role_id")
    found = await documents.all_of(parts, who, NOUN, workspaceId=str(workspace_id))
    rows: list[pages.Row] = [told(one) for one in found if not roles or one.body["roleId"] in roles]
    if pages.flag(query, "expand_related"):
        rows = [_expanded(row, workspace) for row in rows]
    return pages.listed(rows, asked)


async def read(parts: Parts, who: Caller, workspace_id: uuid.UUID, ident: uuid.UUID) -> dict[str, Any]:
    await may(parts, who, workspace_id, "view")
    refuse_keys(who, "see keys")
    return told(await _one(parts, who, workspace_id, ident))


async def change(parts: Parts, request: Request, who: Caller, workspace_id: uuid.UUID, ident: uuid.UUID) -> dict[str, Any]:
    await _may_change(parts, who, workspace_id, ident)
    said = await object_of(request)
    named = {"roleId": str(_grant_in(said).id)} if "roleId" in said or "role_id" in said else {}

    def alter(body: Body) -> Body:
        return body | _checked(said, body) | named

    document = await documents.change(parts, who, NOUN, ident, alter)
    await confined.let_in(parts, who, document)
    return told(document)


async def delete(parts: Parts, who: Caller, workspace_id: uuid.UUID, ident: uuid.UUID) -> Response:
    await _may_change(parts, who, workspace_id, ident)
    await confined.shut_out(parts, who, ident)  # first, so that who breaks off in between finds it and asks again
    await documents.delete(parts, who, [(NOUN, str(ident))])
    return Response(status_code=204)


async def regenerate(parts: Parts, who: Caller, workspace_id: uuid.UUID, ident: uuid.UUID) -> Response:
    """Another key instead of the one before, which is refused from now on."""
    await _may_change(parts, who, workspace_id, ident)
    document = await _one(parts, who, workspace_id, ident)
    return _shown(document, await confined.renew(parts, who, ident))


def told(one: Document) -> dict[str, Any]:
    return {"id": str(one.id)} | one.body


async def _may_change(parts: Parts, who: Caller, workspace_id: uuid.UUID, ident: uuid.UUID) -> None:
    _refuse_off(who)
    refuse_keys(who, "change keys")
    await may(parts, who, workspace_id, "edit")
    await _one(parts, who, workspace_id, ident)


async def _one(parts: Parts, who: Caller, workspace_id: uuid.UUID, ident: uuid.UUID) -> Document:
    found = await documents.one(parts, who, NOUN, ident)
    if found.body["workspaceId"] != str(workspace_id):
        raise documents.unknown(NOUN, ident)
    return found


def _checked(said: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    body = bodies.checked(bodies.ApiKey, said, before)
    if body["expiresAt"] is not None:
        body["expiresAt"] = format_instant(parse_instant(body["expiresAt"], naive_is_utc=True, where="expiresAt"))
    return body


def _grant_in(said: Mapping[str, Any]) -> Grant:
    ident = said.get("roleId", said.get("role_id"))
    grant = grant_of(ident)
    if grant is None:
        raise bad("role-unknown", f"roleId: there is no role {str(ident)[:60]}: GET /api/data/roles lists them")
    return grant


def _refuse_off(who: Caller) -> None:
    """Who made keys while nobody is asked for one would be let in once everybody is."""
    if who.identity is None:
        raise Conflict("access-off", "access is off, and nobody is asked for a key: keys are made once it is on (VARVE_ACCESS__ENABLED=1)")


def _expanded(row: pages.Row, workspace: Document) -> dict[str, Any]:
    grant = grant_of(row["roleId"])
    return {**row, "workspace": workspaces.summary(workspace), "role": None if grant is None else grant.told()}


def _shown(one: Document, key: str) -> Response:
    """No cache keeps it."""
    return Response(orjson.dumps(told(one) | {"key": key}), 201, {"Cache-Control": "no-store"}, "application/json")
