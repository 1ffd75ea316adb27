"""Timetric's names of series: their ids as url-safe base64 without padding, 22 characters. Pure."""

import base64
import binascii
import uuid

from varve.errors import NotFound


def name_of(ident: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(ident.bytes).decode().rstrip("=")


def ident_of(name: str) -> uuid.UUID:
    """NotFound where it cannot name any."""
    try:
        return uuid.UUID(bytes=base64.b64decode(name + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise NotFound("series-unknown", f"there is no series {name[:60]}: an id has 22 characters, as create answered it") from None
