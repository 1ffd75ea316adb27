"""HydroServer's roles, which are built in, and what each lets its bearer do in a workspace. Pure.

Before: collaborators and keys of a workspace have one. After: permission.py compares; routes list them.
"""

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from varve.access import Role

# look: at what is public there; view: all of it; load: observations; edit: everything but the workspace itself, which its owner has
Need = Literal["look", "view", "load", "edit", "own"]
Rights = frozenset[Need]
NOTHING: Rights = frozenset()
LOOK: Rights = frozenset({"look"})
EVERYTHING: Rights = frozenset({"look", "view", "load", "edit", "own"})


@dataclass(frozen=True)
class Grant:
    """id: as HydroServer ships it, so that programs which hold one go on. user, key: whose role it may be. access: what the bearer of such
    a key is to the rest of Varve."""

    id: uuid.UUID
    name: str
    description: str
    user: bool
    key: bool
    rights: Rights
    permissions: tuple[tuple[str, str], ...]  # resource, action
    access: Role

    def told(self) -> dict[str, Any]:
        said = {"id": str(self.id), "name": self.name, "description": self.description, "workspaceId": None, "workspace": None}
        permissions = [{"resource": resource, "action": action} for resource, action in self.permissions]
        return said | {"isUserRole": self.user, "isApikeyRole": self.key, "isAPIKeyRole": self.key, "permissions": permissions}


EDITOR = Grant(
    uuid.UUID("2f05f775-5d8a-4778-9942-3d13a64ec7a3"), "Editor", "Reads and writes everything in the workspace.", True, True,
    EVERYTHING - {"own"}, (("*", "*"),), Role.WRITE,
)  # fmt: skip
VIEWER = Grant(
    uuid.UUID("1d91bff7-edf6-4b69-bb26-674436335725"), "Viewer", "Reads everything in the workspace.", True, True,
    LOOK | {"view"}, (("*", "view"),), Role.READ,
)  # fmt: skip
LOADER = Grant(
    uuid.UUID("1f7ec829-eea8-415e-b6ee-72d31ae43d1a"), "Data Loader", "Reads all of the workspace and adds observations.", False, True,
    LOOK | {"view", "load"}, (("*", "view"), ("Observation", "create"), ("Datastream", "edit")), Role.WRITE,
)  # fmt: skip
GRANTS = {one.id: one for one in (VIEWER, EDITOR, LOADER)}


def grant_of(ident: object) -> Grant | None:
    try:
        return GRANTS.get(uuid.UUID(str(ident)))
    except ValueError:
        return None
