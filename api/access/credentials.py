"""What a caller shows: a key or token, an OAuth 1.0a signature, or nothing. Pure; nothing is believed yet.

Before: the headers, as they came. After: access.py looks whose it is. What is absurd is refused without a look at it.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from varve.errors import Unauthorized

CREDENTIAL_BYTES_MAX = 4_096
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Shown:
    """A key, or a token that was made here."""

    secret: str


@dataclass(frozen=True)
class Signed:
    """The fields of an Authorization: OAuth header, still to be checked against the whole request."""

    header: str


def credential_of(headers: Headers) -> Shown | Signed | None:
    """X-API-Key, else Authorization: Bearer, Basic (the secret is the password; or the name, without one) or OAuth."""
    given = {name: value for name, value in headers if name in (b"x-api-key", b"authorization")}
    if sum(name in given for name, _ in headers) > len(given):
        raise _unreadable("a header of credentials came twice")
    if any(len(value) > CREDENTIAL_BYTES_MAX for value in given.values()):
        raise _unreadable(f"no key has more than {CREDENTIAL_BYTES_MAX} characters")
    try:
        key, authorization = (given[name].decode("ascii").strip() if name in given else None for name in (b"x-api-key", b"authorization"))
    except UnicodeDecodeError:
        raise _unreadable("a key is ASCII") from None
    if key is not None:
        return Shown(key)
    if authorization is None:
        return None
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            return Shown(rest.strip())
        case "basic":
            return Shown(_basic(rest.strip()))
        case "oauth":
            return Signed(authorization)
        case _:
            raise _unreadable("Authorization: Bearer, Basic and OAuth are read here")


def basic_of(rest: str) -> tuple[str, str]:
    """Name and secret."""
    try:
        name, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _unreadable("Authorization: Basic is not base64 of name:secret") from None
    return name, secret


def _basic(rest: str) -> str:
    name, secret = basic_of(rest)
    return secret or name


def _unreadable(words: str) -> Unauthorized:
    return Unauthorized("key-unreadable", f"{words}: send the key once, as X-API-Key: <key>")


def unknown() -> Unauthorized:
    return Unauthorized("key-unknown", "invalid or inactive key: `varve users list` shows who there is, `regenerate-key` makes a new key")
