"""HydroServer's words: where its routes stand, and its errors, which its client shows as it finds them under detail.

Before: every room of this door. After: the client, which logs in anew at 401 and 403 and asks once more.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from pydantic.alias_generators import to_snake

from api.errors import Wording, body_under
from api.request import read_json
from varve.clock import new_id
from varve.errors import Incorrect, NotFound

PREFIX = "/api/data"
SENSOR_THINGS = "/api/sensorthings"
NOT_SERVED = (*(f"{PREFIX}/{one}" for one in ("monitoring", "products", "quality-control")), SENSOR_THINGS)
WORDING = Wording(owns=lambda path: path.startswith((f"{PREFIX}/", f"{SENSOR_THINGS}/")), body=body_under("detail"))
BODY_MB_MAX = 1
BAD_REQUEST, NOT_IMPLEMENTED = 400, 501


def bad(code: str, words: str) -> Incorrect:
    """What HydroServer answers with 400: well-formed, and it cannot be."""
    refused = Incorrect(code, words)
    refused.status = BAD_REQUEST
    return refused


def not_served(rest: str) -> Incorrect:
    words = "monitoring, data products, quality control and SensorThings are not served here"
    refused = Incorrect("not-served", f"{words} ({rest[:60]}): observations, tasks that load them, and their metadata are")
    refused.status = NOT_IMPLEMENTED
    return refused


def ident_of(text: str, noun: str) -> uuid.UUID:
    """NotFound where it cannot be one."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("id-unknown", f"there is no {noun} {text[:60]!r}: an id is a UUID") from None


async def object_of(request: Request) -> dict[str, Any]:
    """The body, a JSON object."""
    _, found = await read_json(request, BODY_MB_MAX)
    if not isinstance(found, dict):
        raise Incorrect("body-incorrect", "the body is one JSON object")
    return found


def chosen(said: Mapping[str, Any]) -> bool:
    """Whether the client chose the id of what its body makes."""
    return said.get("id") is not None


def new_ident(said: Mapping[str, Any]) -> uuid.UUID:
    """Of what a body makes: its own choice, or a new one."""
    ident = said.get("id")
    if ident is None:
        return new_id()
    try:
        return uuid.UUID(str(ident))
    except ValueError:
        raise Incorrect("id-incorrect", f"id: '{str(ident)[:60]}' is not a UUID: leave it out, and one is made") from None


def ident_in(said: Mapping[str, Any], name: str) -> uuid.UUID:
    """Of another resource, which a body names by this field, in camelCase or snake_case."""
    named = said.get(name, said.get(to_snake(name)))
    if named is None:
        raise Incorrect(f"{name}-missing", f"{name}: Field required")
    try:
        return uuid.UUID(str(named))
    except ValueError:
        raise Incorrect(f"{name}-incorrect", f"{name}: '{str(named)[:60]}' is not a UUID") from None
