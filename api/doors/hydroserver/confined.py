"""What the access knows of a workspace's key: a user of the tenant that is confined to the workspace (varve/access.py), and its key.

Before: keys.py made or changed what HydroServer tells of it. After: api/access/keeper.py; the key logs in as everybody's does.
"""

import uuid

from api.access.keeper import Keeper
from api.doors.hydroserver.accounts import name_of
from api.doors.hydroserver.documents import Document
from api.doors.hydroserver.grants import GRANTS
from api.parts import Parts
from api.request import Caller
from varve.access import Confined, activity_put, confined_put
from varve.instants import parse_instant


def email_of(ident: uuid.UUID) -> str:
    """By which the access knows it, and events who wrote."""
    return f"key-{ident}@workspace.example.com"


async def let_in(parts: Parts, who: Caller, one: Document) -> None:
    """As its document says; asked again, the same."""
    grant, body, keeper = GRANTS[one.uuid("roleId")], one.body, Keeper(parts, name_of(who))
    until = None if body["expiresAt"] is None else parse_instant(body["expiresAt"]) / 1e9
    await keeper.put(activity_put(email_of(one.id), active=body["isActive"]))
    await keeper.put(confined_put(email_of(one.id), who.tenant, grant.access, Confined(one.uuid("workspaceId"), grant.id, until)))
    await parts.access.directory.refresh()


async def renew(parts: Parts, who: Caller, ident: uuid.UUID) -> str:
    """Another key, which nobody can ask for again."""
    return await Keeper(parts, name_of(who)).regenerate(email_of(ident))


async def shut_out(parts: Parts, who: Caller, ident: uuid.UUID) -> None:
    await Keeper(parts, name_of(who)).remove(email_of(ident))
