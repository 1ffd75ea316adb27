"""DataReservoir's errors: its client raises by the status and shows what it finds under Message."""

import uuid

from fastapi import Request

from api.access import oauth2
from api.errors import Wording, body_under
from api.parts import Parts
from varve.errors import NotFound

PREFIX = "/datareservoir"
API = f"{PREFIX}/api"
WORDING = Wording(owns=lambda path: path.startswith(f"{PREFIX}/"), body=body_under("Message"))


def ident_of(text: str, noun: str) -> uuid.UUID:
    """NotFound where it cannot be one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("id-unknown", f"there is no {noun} {text[:60]!r}: an id is a GUID") from None


def base_of(parts: Parts, request: Request) -> str:
    """Of the addresses that answers hold: as this request found the server, under /generations/NAME too."""
    base, root = oauth2.base_of(parts.settings.access.public_url, request), str(request.scope.get("root_path", ""))
    return base if base.endswith(root) else base + root
