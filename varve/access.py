"""Users, their tenants, roles and keys, as documents of a tenant of their own: what the documents say, and the index made of them. Pure.

Before: the API and `varve users` put the documents, one for each thing that changes by itself, so that no change needs a read before it.
After: api/access/ asks the index who a key belongs to. Keys are random, 256 bits, so that a plain hash keeps them.
"""

import hashlib
import hmac
import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from varve.errors import Incorrect
from varve.events import EntityDeleted, EntityPut
from varve.settings import Settings

ACCESS_TENANT = uuid.UUID("acce55ed-0000-4000-8000-000000000000")  # nobody's: no key belongs to it, no door takes it
USER, KEY, PASSWORD, ACTIVITY, TENANT, ENDED = "user", "key", "password", "activity", "tenant", "ended"
GRANTED, USED = "granted", "used"
KINDS = (USER, KEY, PASSWORD, ACTIVITY, TENANT, ENDED, GRANTED)
EMAIL_LENGTH_MAX, PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 254, 8, 1024
_EMAIL = re.compile(r"[^\s@\"<>()\[\],;:\\/?#%\x00-\x1f\x7f]+@[^\s@\"<>()\[\],;:\\/?#%\x00-\x1f\x7f]+")  # it stands in paths
_TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Role(IntEnum):
    """Each may do what those before it may. An operator has the server's secret, and is no user."""

    READ = 1
    WRITE = 2
    ADMIN = 3
    OPERATOR = 4


ROLES = {"read": Role.READ, "write": Role.WRITE, "admin": Role.ADMIN}


@dataclass(frozen=True)
class Confined:
    """A key of one of HydroServer's workspaces: it opens that door alone. role: HydroServer's, by id. until: seconds since 1970."""

    workspace: uuid.UUID
    role: uuid.UUID
    until: float | None


@dataclass(frozen=True)
class User:
    """key_hash: of the one key; None where it has none yet. password: argon2's text; empty without one. confined: None of a person. stamp:
    another after each change of key or password, so that tokens made before it end."""

    email: str
    tenant: uuid.UUID
    role: Role
    active: bool
    key_hash: bytes | None
    password: str
    confined: Confined | None = None

    @property
    def stamp(self) -> str:
        return hashlib.sha256((self.key_hash or b"") + b"\0" + self.password.encode()).hexdigest()[:16]


@dataclass
class Index:
    """documents: by kind and id, the newest version of each, None where it was deleted; versions: theirs."""

    documents: dict[tuple[str, str], Mapping[str, Any] | None] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    by_key: dict[bytes, str] = field(default_factory=dict)

    def take(self, kind: str, ident: str, version: int, document: Mapping[str, Any] | None) -> None:
        """One version of a document; an older one than is known changes nothing."""
        name = (kind, ident)
        if kind not in KINDS or version <= self.versions.get(name, -1):
            return
        self.documents[name], self.versions[name] = document, version
        if kind not in (TENANT, ENDED, GRANTED):
            self._renew(ident)

    def by_hash(self, key_hash: bytes) -> User | None:
        """The user whose key has this hash, active or not."""
        found = self.users.get(self.by_key.get(key_hash, ""))
        return found if found is not None and found.key_hash is not None and hmac.compare_digest(found.key_hash, key_hash) else None

    def ended(self, ident: str) -> bool:
        """Whether this session was logged out of."""
        return self.documents.get((ENDED, ident)) is not None

    def granted(self, ident: str) -> bool:
        """Whether its user agreed to this request token."""
        return self.documents.get((GRANTED, ident)) is not None

    def forget_past(self, now: float) -> None:
        """Of what would have ended by now anyway nothing need be known."""
        for name, document in list(self.documents.items()):
            until = 0.0 if document is None else document.get("until")
            if name[0] in (ENDED, GRANTED) and not (isinstance(until, int | float) and until >= now):
                del self.documents[name], self.versions[name]

    def tenants(self) -> Iterator[tuple[uuid.UUID, str]]:
        """Of those with a name."""
        for (kind, ident), document in sorted(self.documents.items()):
            if kind == TENANT and document is not None:
                with suppress(ValueError):  # a producer's, not ours
                    yield uuid.UUID(ident), str(document.get("name", ""))

    def _renew(self, email: str) -> None:
        former = self.users.pop(email, None)
        if former is not None and former.key_hash is not None and self.by_key.get(former.key_hash) == email:
            del self.by_key[former.key_hash]
        user = self._user(email)
        if user is not None:
            self.users[email] = user
            if user.key_hash is not None:
                self.by_key[user.key_hash] = email

    def _user(self, email: str) -> User | None:
        """None where there is none, or where its documents are none of ours: then nobody gets in by them."""
        user, key, password, activity = (self.documents.get((kind, email)) for kind in (USER, KEY, PASSWORD, ACTIVITY))
        if user is None:
            return None
        try:
            return User(
                email, uuid.UUID(str(user["tenant"])), ROLES[str(user["role"])], activity is None or activity["active"] is True,
                None if key is None else bytes.fromhex(str(key["sha256"])), "" if password is None else str(password["argon2"]),
                _confined(user.get("confined")),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            return None


def _confined(said: Any) -> Confined | None:
    """KeyError, TypeError or ValueError where it is none of ours."""
    if said is None:
        return None
    until = said["until"]
    return Confined(uuid.UUID(str(said["workspace"])), uuid.UUID(str(said["role"])), None if until is None else float(until))


def refuse_unguarded(settings: Settings) -> None:
    """Who reaches a server without access may do everything there."""
    host = settings.http.host
    if settings.access.enabled or _is_loopback(host):
        return
    words = f"--host {host or '(every address)'}: others could reach this server, and it asks nobody for a key"
    raise Incorrect("access-off", f"{words}: set VARVE_ACCESS__ENABLED=1 and make users (`varve users create`), or listen on 127.0.0.1")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def hash_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def email_of(text: str) -> str:
    """As it is compared and kept: without blanks around, in lower case."""
    found = text.strip().lower()
    if len(found) > EMAIL_LENGTH_MAX or not _EMAIL.fullmatch(found):
        raise Incorrect("email-incorrect", f"e-mail: '{text[:80]}' is none: send name@domain, at most {EMAIL_LENGTH_MAX} characters")
    return found


def role_of(text: str) -> Role:
    if text not in ROLES:
        raise Incorrect("role-incorrect", f"role: '{text[:40]}' is none: {', '.join(ROLES)}")
    return ROLES[text]


def tenant_named(text: str) -> uuid.UUID:
    """A UUID is itself; a name's is its own, the same for everyone who asks."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        if not _TENANT_NAME.fullmatch(text):
            words = f"tenant: '{text[:80]}' is neither a UUID nor a name (lower-case letters, digits, '.', '_', '-'; at most 63)"
            raise Incorrect("tenant", words) from None
        return uuid.uuid5(ACCESS_TENANT, text)
    if found == ACCESS_TENANT:
        raise Incorrect("tenant", f"tenant: {found} is Varve's own: choose another")
    return found


def password_checked(text: str) -> str:
    if not PASSWORD_LENGTH_MIN <= len(text) <= PASSWORD_LENGTH_MAX:
        raise Incorrect("password-incorrect", f"password: {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters")
    return text


def user_put(email: str, tenant: uuid.UUID, role: Role) -> EntityPut:
    """Where there is none: an e-mail belongs to one tenant."""
    return _put(USER, email, {"tenant": str(tenant), "role": role.name.lower()}, if_absent=True)


def confined_put(email: str, tenant: uuid.UUID, role: Role, confined: Confined) -> EntityPut:
    """Also over what was there: a workspace's key is changed by its workspace's people alone."""
    only = {"workspace": str(confined.workspace), "role": str(confined.role), "until": confined.until}
    return _put(USER, email, {"tenant": str(tenant), "role": role.name.lower(), "confined": only})


def gone(email: str) -> tuple[EntityDeleted, ...]:
    """Of a user that is taken away: the key first, so that nobody who is made under this e-mail has it."""
    return tuple(EntityDeleted(tenant=ACCESS_TENANT, kind=kind, id=email) for kind in (KEY, USER))


def key_put(email: str, key: str) -> EntityPut:
    return _put(KEY, email, {"sha256": hash_of(key).hex()})


def password_put(email: str, argon2: str) -> EntityPut:
    return _put(PASSWORD, email, {"argon2": argon2})


def activity_put(email: str, *, active: bool) -> EntityPut:
    return _put(ACTIVITY, email, {"active": active})


def ended_put(session: str, until: float) -> EntityPut:
    return _put(ENDED, session, {"until": until})


def granted_put(request: str, until: float) -> EntityPut:
    return _put(GRANTED, request, {"until": until})


def used_put(code: str) -> EntityPut:
    """Of all who use a code, the fold lets one."""
    return _put(USED, code, {}, if_absent=True)


def tenant_put(name: str) -> EntityPut:
    return _put(TENANT, str(tenant_named(name)), {"name": name})


def _put(kind: str, ident: str, document: Mapping[str, Any], *, if_absent: bool = False) -> EntityPut:
    return EntityPut(tenant=ACCESS_TENANT, kind=kind, id=ident, document=dict(document), if_absent=if_absent)


def shown_users(index: Index, of_tenant: Callable[[uuid.UUID], bool] = lambda _: True) -> list[dict[str, Any]]:
    """By e-mail."""
    names = dict(index.tenants())
    return [_shown(user, names) for _, user in sorted(index.users.items()) if of_tenant(user.tenant)]


def shown_tenants(index: Index, of_tenant: Callable[[uuid.UUID], bool] = lambda _: True) -> list[dict[str, str]]:
    """Those with a name, or with users."""
    names = dict(index.tenants())
    there = sorted({*names, *(user.tenant for user in index.users.values())}, key=str)
    return [{"tenant": str(one), "name": names.get(one, "")} for one in there if of_tenant(one)]


def _shown(user: User, names: Mapping[uuid.UUID, str]) -> dict[str, Any]:
    """As lists tell of a user; names: of tenants."""
    return {
        "email": user.email, "tenant": str(user.tenant), "tenant_name": names.get(user.tenant, ""), "role": user.role.name.lower(),
        "active": user.active, "key": user.key_hash is not None, "password": bool(user.password),
    } | ({} if user.confined is None else {"workspace": str(user.confined.workspace)})  # fmt: skip
