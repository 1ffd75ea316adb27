"""Collaborators of a workspace: users of the tenant with a role there, kept in the workspace's document.

Before: routes_people.py. After: documents.change.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import accounts, documents, pages
from api.doors.hydroserver.documents import Body
from api.doors.hydroserver.grants import GRANTS, Grant, grant_of
from api.doors.hydroserver.permission import may, refuse, refuse_keys, rights
from api.doors.hydroserver.words import bad, object_of
from api.parts import Parts
from api.request import Caller
from varve.access import email_of

NOUN = "workspace"


async def listed(parts: Parts, query: QueryParams, who: Caller, ident: uuid.UUID) -> Response:
    asked = pages.asked_of(query, ())
    workspace, roles = await may(parts, who, ident, "look"), pages.idents(query, "role_id")
    found = sorted((email, role) for email, role in workspace.body["collaborators"].items() if not roles or role in roles)
    rows: list[pages.Row] = [told(email, GRANTS[uuid.UUID(role)]) for email, role in found]
    return pages.answer(pages.cut(rows, asked), len(rows), asked)


async def add(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    refuse_keys(who, "add collaborators")
    await may(parts, who, ident, "edit")
    said = await object_of(request)
    email, grant = email_of(str(said.get("email", ""))), _grant_in(said)
    name = accounts.known(parts, who, email)
    if name is None:
        raise bad("account-unknown", f"there is no account {email}: an admin of this tenant makes users")

    def alter(body: Body) -> Body:
        if name in body["collaborators"]:
            raise bad("collaborator-there", f"{email} collaborates in this workspace already: PUT changes the role")
        if name == body["owner"]:
            raise bad("owner-already", f"{email} owns this workspace")
        return body | {"collaborators": body["collaborators"] | {name: str(grant.id)}}

    await documents.change(parts, who, NOUN, ident, alter)
    return told(name, grant)


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    refuse_keys(who, "change collaborators")
    await may(parts, who, ident, "edit")
    said = await object_of(request)
    email, grant = email_of(str(said.get("email", ""))), _grant_in(said)

    def alter(body: Body) -> Body:
        return body | {"collaborators": body["collaborators"] | {_place(body, email): str(grant.id)}}

    return told(_place((await documents.change(parts, who, NOUN, ident, alter)).body, email), grant)


async def remove(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """Whoever edits the workspace removes others, and everybody herself."""
    refuse_keys(who, "remove collaborators")
    workspace, said = await may(parts, who, ident, "look"), await object_of(request)
    email = email_of(str(said.get("email", "")))
    if accounts.accepted(accounts.name_of(who)) != accounts.accepted(email):
        refuse(rights(who, ident, workspace.body), "edit", NOUN, ident)

    def alter(body: Body) -> Body:
        place = _place(body, email)
        return body | {"collaborators": {name: role for name, role in body["collaborators"].items() if name != place}}

    await documents.change(parts, who, NOUN, ident, alter)
    return Response(status_code=204)


def told(email: str, grant: Grant) -> dict[str, Any]:
    return {"user": accounts.told(email), "role": grant.told()}


def _place(body: Mapping[str, Any], email: str) -> str:
    """As the document knows the collaborator."""
    found = next((name for name in body["collaborators"] if email in (name, accounts.accepted(name))), None)
    if found is None:
        raise bad("collaborator-unknown", f"{email} does not collaborate in this workspace")
    return str(found)


def _grant_in(said: Mapping[str, Any]) -> Grant:
    ident = said.get("roleId", said.get("role_id"))
    grant = grant_of(ident)
    if grant is None:
        raise bad("role-unknown", f"roleId: there is no role {str(ident)[:60]}: GET /api/data/roles lists them")
    if not grant.user:
        raise bad("role-of-keys", f"roleId: {grant.name} is a role of keys, not of people")
    return grant
