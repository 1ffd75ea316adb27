"""Signed addresses: who holds one may do the one thing that it says, until it expires, without a key of his own. HMAC-SHA256 over what it
is for, the tenant, what it names and the expiry, by the secret that all servers of a data directory share.

Before: a route that knows who asks makes an address. After: the route behind it checks, before it looks at anything else.
"""

import hashlib
import hmac
import uuid
from collections.abc import Mapping
from urllib.parse import urlencode

from varve.clock import Clock
from varve.errors import Forbidden
from varve.instants import NS_PER_SECOND


class Addresses:
    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret, self._clock = secret, clock

    def query(self, purpose: str, tenant: uuid.UUID, named: Mapping[str, str], seconds: int) -> str:
        """Of the address: what is named, the tenant, the expiry, the signature."""
        said = dict(named) | {"tenant": str(tenant), "expires": str(self._clock.now() // NS_PER_SECOND + seconds)}
        return urlencode(said | {"signature": self._signature(purpose, said)})

    def check(self, purpose: str, asked: Mapping[str, str], named: Mapping[str, str]) -> uuid.UUID:
        """The tenant, where the address is as it was signed; named: what its path and query say. Forbidden otherwise."""
        said = dict(named) | {"tenant": asked.get("tenant", ""), "expires": asked.get("expires", "")}
        if not hmac.compare_digest(self._signature(purpose, said).encode(), asked.get("signature", "").encode()):
            raise Forbidden("signature-wrong", "the signature does not fit this address: use it as it was answered, unchanged")
        if int(said["expires"]) < self._clock.now() // NS_PER_SECOND:
            raise Forbidden("signature-expired", "this address has expired: ask for a new one")
        return uuid.UUID(said["tenant"])

    def expires(self, seconds: int) -> int:
        """UTC ns."""
        return (self._clock.now() // NS_PER_SECOND + seconds) * NS_PER_SECOND

    def _signature(self, purpose: str, said: Mapping[str, str]) -> str:
        key = hmac.digest(self._secret, f"varve address {purpose}".encode(), hashlib.sha256)
        lines = "\n".join(f"{name}={said[name]!r}" for name in sorted(said))
        return hmac.new(key, lines.encode(), hashlib.sha256).hexdigest()
