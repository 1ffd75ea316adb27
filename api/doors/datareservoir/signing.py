"""Signed addresses: who holds one may do the one thing that it says, until it expires, without a key of his own. HMAC-SHA256 over
purpose, tenant, what is named and the expiry; the secret stands in the data directory, so that all its servers know it.

Before: a route that knows who asks makes an address. After: the route behind it checks, before it looks at anything else.
"""

import contextlib
import hashlib
import hmac
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from api.stamps import new_secret
from varve.clock import Clock
from varve.errors import Forbidden
from varve.instants import NS_PER_SECOND

SECRET_FILE = "signing.key"


class Signer:
    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._secret = b""

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
        if not self._secret:
            self._secret = shared_secret(self._directory)
        lines = "\n".join([purpose, *(f"{name}={said[name]!r}" for name in sorted(said))])
        return hmac.new(self._secret, lines.encode(), hashlib.sha256).hexdigest()


def shared_secret(directory: Path) -> bytes:
    """The same for every server of a data directory: whoever comes first writes it, and a link that is there already is not replaced."""
    path = directory / SECRET_FILE
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        draft = directory / f"{SECRET_FILE}.{os.getpid()}"
        draft.touch(mode=0o600)
        with draft.open("wb") as file:
            file.write(new_secret())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()
