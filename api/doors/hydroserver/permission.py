"""Who may do what in a workspace: its owner everything, collaborators and keys what their role says, everybody in the tenant looks at what
is public. Admins of the tenant and the operator may everything, and so may everybody while access is off.

Before: every room of this door. After: documents.py. What somebody may not see is told as what is not there.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from api.doors.hydroserver import documents
from api.doors.hydroserver.accounts import ANONYMOUS, name_of
from api.doors.hydroserver.documents import Document
from api.doors.hydroserver.grants import EVERYTHING, LOOK, NOTHING, VIEWER, Need, Rights, grant_of
from api.parts import Parts
from api.request import Caller
from varve.access import Role
from varve.errors import Forbidden

WORDS = {
    "look": "see", "view": "see", "load": "add observations to", "edit": "change what is in", "own": "administer",
}  # fmt: skip


def rights(who: Caller, ident: uuid.UUID, body: Mapping[str, Any]) -> Rights:
    """body: the workspace's."""
    identity = who.identity
    if all_powerful(who) or identity is None:
        return EVERYTHING
    open_to_all = NOTHING if body["isPrivate"] else LOOK
    if identity.confined is not None:
        grant = grant_of(identity.confined.role) if identity.confined.workspace == ident else None
        return open_to_all if grant is None else grant.rights
    name = name_of(who)
    if body["owner"] == name:
        return EVERYTHING
    if body["owner"] == ANONYMOUS:  # made while nobody was asked who he is: as all of that, the tenant's
        return EVERYTHING if identity.role >= Role.WRITE else VIEWER.rights
    grant = grant_of(body["collaborators"].get(name))
    if grant is not None:
        return grant.rights
    return LOOK if body["transferTo"] == name else open_to_all


def all_powerful(who: Caller) -> bool:
    return who.identity is None or (who.identity.role >= Role.ADMIN and who.identity.confined is None)


async def may(parts: Parts, who: Caller, workspace_id: uuid.UUID, need: Need) -> Document:
    """The workspace. need "look" is enough to see it, "view" to see what is private in it."""
    workspace = await documents.one(parts, who, "workspace", workspace_id)
    refuse(rights(who, workspace.id, workspace.body), need, "workspace", workspace_id)
    return workspace


def refuse(held: Rights, need: Need, noun: str, ident: object, *, sees: Need = "look") -> None:
    """sees: what it takes to know that it is there."""
    if sees not in held:
        raise documents.unknown(noun, ident)
    if need not in held:
        raise Forbidden("permission-missing", f"you may not {WORDS[need]} this workspace: ask its owner for a role that may")


async def standings(parts: Parts, who: Caller) -> dict[uuid.UUID, Rights]:
    """What the caller may in each workspace of the tenant."""
    return {one.id: rights(who, one.id, one.body) for one in await documents.all_of(parts, who, "workspace")}


async def visible(parts: Parts, who: Caller) -> set[uuid.UUID] | None:
    """The workspaces of which the caller sees everything; None: all."""
    if all_powerful(who):
        return None
    return {ident for ident, held in (await standings(parts, who)).items() if "view" in held}


def of_global(who: Caller, need: Need) -> None:
    """Of vocabulary that belongs to no workspace: everybody reads it."""
    if need not in ("look", "view") and not all_powerful(who):
        raise Forbidden("admin-needed", "what belongs to no workspace is made and changed by admins: name a workspace")


async def datastream(parts: Parts, who: Caller, ident: uuid.UUID, need: Need) -> Document:
    """The datastream, where the caller may: "view" its observations, "load" some, "edit" (or delete) it and them."""
    found = await documents.one(parts, who, "datastream", ident)
    place, thing_id = found.uuid("workspaceId"), found.uuid("thingId")
    there = await documents.these(parts, who, (("workspace", place), ("thing", thing_id)))
    workspace, thing = there.get(("workspace", place)), there.get(("thing", thing_id))
    held = NOTHING if workspace is None else rights(who, place, workspace.body)
    refuse_part(held, need, "datastream", ident, private=bool(found.body["isPrivate"] or thing is None or thing.body["isPrivate"]))
    return found


async def thing(parts: Parts, who: Caller, ident: uuid.UUID, need: Need) -> Document:
    found = await documents.one(parts, who, "thing", ident)
    refuse_part(await rights_in(parts, who, found), need, "thing", ident, private=bool(found.body["isPrivate"]))
    return found


def refuse_part(held: Rights, need: Need, noun: str, ident: uuid.UUID, *, private: bool) -> None:
    """What is not private is public where its workspace is."""
    sees: Need = "view" if private else "look"
    refuse(held, sees if need == "view" else need, noun, ident, sees=sees)


async def rights_in(parts: Parts, who: Caller, found: Document) -> Rights:
    """In the document's workspace; none where that was deleted."""
    ident = found.uuid("workspaceId")
    workspace = await documents.found(parts, who, "workspace", ident)
    return NOTHING if workspace is None else rights(who, ident, workspace.body)


def refuse_keys(who: Caller, what: str) -> None:
    """Of what only people do."""
    if who.identity is not None and who.identity.confined is not None:
        raise Forbidden("person-needed", f"a workspace's key cannot {what}: log in as a user")
