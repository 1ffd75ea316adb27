"""Who asks, once a key, token or signature was believed; it travels with the request.

Before: access.py made it, guard.py put it there. After: request.py's Caller has its tenant, and events its name.
"""

import uuid
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from varve.access import Confined, Role

_PLACE = "varve.identity"


@dataclass(frozen=True)
class Identity:
    """name: the user's e-mail, or "operator". stamp: the user's of then; another one ends it. until: seconds since 1970, of a
    token; ident: by which that can be ended. confined: of a workspace's key."""

    name: str
    tenant: uuid.UUID
    role: Role
    stamp: str = ""
    until: float | None = None
    ident: str = ""
    confined: Confined | None = None


def identity_in(scope: MutableMapping[str, Any]) -> Identity | None:
    found = scope.get(_PLACE)
    return found if isinstance(found, Identity) else None


def remember(scope: MutableMapping[str, Any], identity: Identity) -> None:
    scope[_PLACE] = identity
