"""The server's secret, and what is signed with it: tokens that say who holds them, of what kind and until when; secrets of OAuth 1.0a.

Before: the setting, or DATA/access.secret, which its owner alone may read. After: api/access/ checks; commands on this machine sign as the
operator. A token of one kind is none of another: each kind is signed with a key of its own.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from varve.clock import new_id, new_secret
from varve.errors import Incorrect, Unavailable
from varve.settings import Settings

FILE = "access.secret"
KEY_PREFIX = "varve_"
SECRET_LENGTH_MIN = 32
TOKEN_LENGTH_MAX = 2_048
OPERATOR_SECONDS = 24 * 3600.0
_SHORTENED = 22  # characters of base64: 128 bits


def new_key() -> str:
    return KEY_PREFIX + new_secret()


def secret_of(settings: Settings) -> bytes:
    """The setting's, else the file's; the file is made where there is none."""
    given = settings.access.secret
    if given:
        if len(given) < SECRET_LENGTH_MIN:
            words = f"VARVE_ACCESS__SECRET has {len(given)} characters: give at least {SECRET_LENGTH_MIN} random ones"
            raise Incorrect("secret-short", words)
        return given.encode()
    try:
        return _secret_in(settings.data / FILE)
    except OSError as reason:
        words = f"cannot read {settings.data / FILE} ({reason.strerror}): ask as its owner, or set VARVE_ACCESS__SECRET"
        raise Unavailable("secret-unreadable", words) from None


def operator_token(settings: Settings, now: float) -> str:
    return Signer(secret_of(settings)).token("operator", {}, now + OPERATOR_SECONDS)


def _secret_in(file: Path) -> bytes:
    """Of two who make it at once, one does."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{new_id()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(new_secret())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    found = file.read_text().strip()
    if len(found) < SECRET_LENGTH_MIN:
        words = f"{file} does not hold the secret any more: bring it back, or remove it, which ends all sessions and tokens"
        raise Incorrect("secret-short", words)
    return found.encode()


@dataclass(frozen=True)
class Signer:
    secret: bytes

    def token(self, kind: str, says: Mapping[str, Any], until: float) -> str:
        """until: seconds since 1970."""
        body = base64.urlsafe_b64encode(orjson.dumps({**says, "until": int(until)})).rstrip(b"=")
        return f"{kind}.{body.decode()}.{self._signature(kind, body)}"

    def read(self, kind: str, token: str, now: float) -> Mapping[str, Any] | None:
        """What the token says; None where it is none of this kind, was not signed here, or has ended."""
        parts = token.split(".")
        if len(token) > TOKEN_LENGTH_MAX or len(parts) != 3 or parts[0] != kind or not token.isascii():
            return None
        body = parts[1].encode()
        if not hmac.compare_digest(self._signature(kind, body), parts[2]):
            return None
        try:
            says: Mapping[str, Any] = orjson.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
        except (binascii.Error, ValueError):
            return None
        return says if says["until"] > now else None

    def derived(self, purpose: str, name: str) -> str:
        """A secret that need not be kept: the same each time for one name."""
        return self._signature(f"secret of {purpose}", name.encode())[: 2 * _SHORTENED]

    def _signature(self, kind: str, body: bytes) -> str:
        key = hmac.digest(self.secret, f"varve {kind}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(hmac.digest(key, body, hashlib.sha256)).rstrip(b"=").decode()
