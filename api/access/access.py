"""Who a request's credentials belong to. On: everybody must show some; off: nobody is asked but for users and tenants.

Before: guard.py has a request. After: an Identity, or a refusal that does not tell what exactly was wrong. Nothing here waits for a store,
a thread or another process.
"""

from api.access.credentials import unknown
from api.access.directory import Directory
from api.access.identity import Identity
from api.access.log_in import LogIn
from api.access.oauth1 import OAuth1
from api.access.throttle import Throttle
from varve.access import Role, User, hash_of
from varve.clock import Clock
from varve.errors import Forbidden
from varve.series import DEFAULT_TENANT
from varve.settings import AccessSettings
from varve.tokens import KEY_PREFIX, Signer

OPERATOR, SESSION, OAUTH, REFRESH, CODE = "operator", "session", "oauth", "refresh", "code"
TOKEN_KINDS = (SESSION, OAUTH)
CONFINED_TO = ("/api/data/", "/api/v1/me")


class Access:
    def __init__(self, settings: AccessSettings, signer: Signer, directory: Directory, clock: Clock) -> None:
        self.on, self.settings, self.signer, self.directory = settings.enabled, settings, signer, directory
        self.log_in = LogIn(directory, Throttle(clock))
        self.oauth1 = OAuth1(signer, settings.public_url, self.now, self.of_token)
        self._clock = clock

    def identity_of(self, secret: str) -> Identity:
        """Of a key or token."""
        now = self.now()
        kind = secret.partition(".")[0]
        if kind == OPERATOR and self.signer.read(OPERATOR, secret, now) is not None:
            return Identity(OPERATOR, DEFAULT_TENANT, Role.OPERATOR)
        self.refuse_unread()
        if secret.startswith(KEY_PREFIX):
            return identity_of_user(self.directory.index.by_hash(hash_of(secret)), now)
        says = self.signer.read(kind, secret, now) if kind in TOKEN_KINDS else None
        if says is None or self.directory.index.ended(str(says.get("id"))):
            raise unknown()
        return self.of_token(str(says["user"]), str(says["stamp"]), float(says["until"]), str(says.get("id", "")))

    def of_token(self, email: str, stamp: str, until: float | None = None, ident: str = "") -> Identity:
        """Whose e-mail this is, where key and password are those of then."""
        self.refuse_unread()
        user = self.directory.index.users.get(email)
        if user is None or user.stamp != stamp:
            raise unknown()
        return identity_of_user(user, self.now(), until, ident)

    def token_of(self, kind: str, user: User | None, seconds: float, ident: str = "") -> str:
        """ident: by which it can be ended, or used once. Nobody's, while access is off."""
        says = {"user": "" if user is None else user.email, "stamp": "" if user is None else user.stamp} | ({"id": ident} if ident else {})
        return self.signer.token(kind, says, self.now() + seconds)

    def holds(self, identity: Identity) -> bool:
        """Whether who was believed would be believed now."""
        if (identity.until is not None and identity.until <= self.now()) or self.directory.index.ended(identity.ident):
            return False
        user = self.directory.index.users.get(identity.name)
        known = user is not None and user.active and user.stamp == identity.stamp and not _past(user, self.now())
        return known or identity.role is Role.OPERATOR

    def refuse_unread(self) -> None:
        self.directory.refuse_unread()

    def now(self) -> float:
        return self._clock.now() / 1e9

    def close(self) -> None:
        self.log_in.close()


def identity_of_user(user: User | None, now: float, until: float | None = None, ident: str = "") -> Identity:
    if user is None or not user.active or _past(user, now):
        raise unknown()
    return Identity(user.email, user.tenant, user.role, user.stamp, until, ident, user.confined)


def _past(user: User, now: float) -> bool:
    return user.confined is not None and user.confined.until is not None and user.confined.until <= now


def refuse_confined(route: str, identity: Identity) -> None:
    """A workspace's key is a member of its workspace, and nobody elsewhere."""
    if identity.confined is not None and not any(route.partition(" ")[2].startswith(path) for path in CONFINED_TO):
        words = f"this key is one of workspace {identity.confined.workspace}: it is for HydroServer's routes ({CONFINED_TO[0]}...) alone"
        raise Forbidden("key-confined", words)


def refuse_below(role: Role, identity: Identity) -> None:
    if identity.role < role:
        has, needs = (one.name.lower() for one in (identity.role, role))
        how = ": `varve` commands with --data on the server's machine have it, without VARVE_ACCESS__KEY" if role == Role.OPERATOR else ""
        raise Forbidden("role-missing", f"this needs the role {needs}, and {identity.name} has {has}{how}")
