"""Who owns a workspace or takes part in it: users by their e-mail, told as HydroServer's clients accept one.

Before: permission.py and workspaces.py. After: api/access knows the users. While access is off everything is nobody's in particular.
"""

from typing import Any

from api.access.identity import Identity
from api.parts import Parts
from api.request import Caller
from varve.access import User

ANONYMOUS = "anonymous@example.com"
SUFFIX = ".example.com"
# RFC 6761's and the like: the clients refuse e-mails there
_RESERVED = ("test", "local", "localhost", "invalid", "arpa", "onion", "localdomain", "internal", "lan", "home", "corp")


def name_of(who: Caller) -> str:
    return ANONYMOUS if who.identity is None else who.identity.name


def told(email: str) -> dict[str, Any]:
    """An account. Of a user Varve knows the e-mail alone."""
    unknown = dict.fromkeys(("organizationName", "phone", "address", "link"))
    return {"name": email, "email": accepted(email), "type": "Other"} | unknown


def accepted(email: str) -> str:
    """The e-mail, or one that the clients do not refuse, where they would: at localhost, .test, ..."""
    domain = email.partition("@")[2]
    if not domain:
        return f"{email}@example.com"
    return email + SUFFIX if "." not in domain or domain.rpartition(".")[2] in _RESERVED else email


def known(parts: Parts, who: Caller, email: str) -> str | None:
    """The user of the caller's tenant whom this names, as told() says or as it is; None where there is none. Access off: whoever."""
    if who.identity is None:
        return email
    users = parts.access.directory.index.users
    for name in (email, email.removesuffix(SUFFIX)):
        user = users.get(name)
        if user is not None and is_person(user) and user.tenant == who.tenant and accepted(name) == accepted(email):
            return name
    return None


def is_person(one: User | Identity) -> bool:
    """Else a workspace's key."""
    return one.confined is None
