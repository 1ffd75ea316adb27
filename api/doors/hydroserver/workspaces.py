"""Workspaces of a tenant: made, listed, changed, handed over, deleted with all that is in them. Collaborators, and a transfer that waits,
stand in the workspace's own document.

Before: routes_workspaces.py. After: documents.py; permission.py says who may.
"""

import uuid
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import accounts, bodies, documents, pages
from api.doors.hydroserver.contents import delete_contents
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.grants import grant_of
from api.doors.hydroserver.permission import all_powerful, may, refuse_keys, rights
from api.doors.hydroserver.words import bad, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from varve.errors import Conflict, Forbidden

NOUN = "workspace"
ORDERABLE = ("name", "isPrivate")


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    refuse_keys(who, "make workspaces")
    said = await object_of(request)
    body = bodies.checked(bodies.Workspace, said) | {"owner": accounts.name_of(who), "collaborators": {}, "transferTo": None}
    await _refuse_taken(parts, who, body["owner"], body["name"])
    return told(who, await documents.put_new(parts, who, NOUN, new_ident(said), body))


async def listed(parts: Parts, query: QueryParams, who: Caller) -> Response:
    """Those that the caller sees; is_associated: and takes part in."""
    associated, private = pages.flag(query, "is_associated"), pages.flag(query, "is_private")
    asked = pages.asked_of(query, ORDERABLE)
    found = [one for one in await documents.all_of(parts, who, NOUN) if "look" in rights(who, one.id, one.body)]
    if associated:
        found = [one for one in found if _takes_part(who, one)]
    if private is not None:
        found = [one for one in found if one.body["isPrivate"] is private]
    return pages.listed([told(who, one) for one in found], asked)


async def read(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    return told(who, await may(parts, who, ident, "look"))


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    refuse_keys(who, "change workspaces")
    workspace, said = await may(parts, who, ident, "own"), await object_of(request)
    name = bodies.checked(bodies.Workspace, said, workspace.body)["name"]
    if name != workspace.body["name"]:
        await _refuse_taken(parts, who, workspace.body["owner"], name)
    return told(who, await documents.change(parts, who, NOUN, ident, lambda body: body | bodies.checked(bodies.Workspace, said, body)))


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    """And everything in it: series are hidden, as every deletion does, and what was written stays in the history."""
    refuse_keys(who, "delete workspaces")
    await may(parts, who, ident, "own")
    await delete_contents(parts, who, ident)
    await documents.delete(parts, who, [(NOUN, str(ident))])
    return Response(status_code=204)


async def offer(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> str:
    """The workspace to another user, who must accept."""
    refuse_keys(who, "hand workspaces over")
    workspace, said = await may(parts, who, ident, "own"), await object_of(request)
    email = str(said.get("newOwner", said.get("new_owner", "")))
    name = accounts.known(parts, who, email)
    if name is None:
        raise bad("account-unknown", f"there is no account {email[:80]!r}: say newOwner, the e-mail of a user of this tenant")
    if name == workspace.body["owner"]:
        raise bad("owner-already", f"{email} owns this workspace already")

    def alter(body: Body) -> Body:
        if body["transferTo"] is not None:
            raise bad("transfer-pending", f"this workspace is being handed over to {body['transferTo']} already")
        return body | {"transferTo": name}

    await documents.change(parts, who, NOUN, ident, alter)
    return "Workspace transfer initiated"


async def accept(parts: Parts, who: Caller, ident: uuid.UUID) -> str:
    refuse_keys(who, "take workspaces over")
    await may(parts, who, ident, "look")
    name = accounts.name_of(who)

    def alter(body: Body) -> Body:
        _refuse_no_transfer(body)
        if body["transferTo"] != name and who.identity is not None:
            raise Forbidden("transfer-not-yours", "only the user to whom this workspace is handed over accepts it")
        left = {email: role for email, role in body["collaborators"].items() if email != body["transferTo"]}
        return body | {"owner": body["transferTo"], "collaborators": left, "transferTo": None}

    await documents.change(parts, who, NOUN, ident, alter)
    return "Workspace transfer accepted"


async def reject(parts: Parts, who: Caller, ident: uuid.UUID) -> str:
    """By the owner, or by whom it is handed over to."""
    refuse_keys(who, "refuse workspaces")
    await may(parts, who, ident, "look")

    def alter(body: Body) -> Body:
        _refuse_no_transfer(body)
        if accounts.name_of(who) not in (body["transferTo"], body["owner"]) and not all_powerful(who):
            raise Forbidden("transfer-not-yours", "only its owner, or whom it is handed over to, refuses a transfer")
        return body | {"transferTo": None}

    await documents.change(parts, who, NOUN, ident, alter)
    return "Workspace transfer rejected"


def told(who: Caller, workspace: Document) -> dict[str, Any]:
    body, name = workspace.body, accounts.name_of(who)
    grant = grant_of(body["collaborators"].get(name))
    pending = body["transferTo"] if all_powerful(who) or name in (body["owner"], body["transferTo"]) else None
    return summary(workspace) | {
        "owner": accounts.told(body["owner"]), "collaboratorRole": None if grant is None else grant.told(),
        "pendingTransferTo": None if pending is None else accounts.told(pending),
    }  # fmt: skip


def summary(workspace: Document) -> dict[str, Any]:
    """As other resources tell of theirs."""
    return {"id": str(workspace.id), "name": workspace.body["name"], "isPrivate": workspace.body["isPrivate"]}


def _takes_part(who: Caller, workspace: Document) -> bool:
    body, name, identity = workspace.body, accounts.name_of(who), who.identity
    if identity is not None and identity.confined is not None:
        return identity.confined.workspace == workspace.id
    return (
        all_powerful(who)
        or body["owner"] == accounts.ANONYMOUS
        or name in (body["owner"], body["transferTo"])
        or name in body["collaborators"]
    )


def _refuse_no_transfer(body: Body) -> None:
    if body["transferTo"] is None:
        raise bad("transfer-none", "this workspace is not being handed over")


async def _refuse_taken(parts: Parts, who: Caller, owner: str, name: str) -> None:
    if any(one.body["name"] == name for one in await documents.all_of(parts, who, NOUN, owner=owner)):
        raise Conflict("workspace-name-taken", f"{owner} has a workspace {name!r} already: choose another name")
