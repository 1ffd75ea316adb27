"""Tags of things and datastreams: a value under a key, kept in the document of what is tagged.

Before: routes_attached.py. After: documents.change.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import bodies, documents
from api.doors.hydroserver.documents import Body
from api.doors.hydroserver.pages import texts
from api.doors.hydroserver.words import bad
from api.parts import Parts
from api.request import Caller
from varve.errors import Incorrect, NotFound


def tags_of(said: Mapping[str, Any]) -> list[dict[str, str]]:
    """Those with which something is made."""
    given = said.get("tags") or []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise Incorrect("tags-incorrect", 'tags: send a list of {"key": "...", "value": "..."}')
    found = [bodies.checked(bodies.Tag, one) for one in given]
    if len({one["key"] for one in found}) < len(found):
        raise bad("tags-repeated", "tags: a key stands there twice")
    return found


def tagged(body: Mapping[str, Any], query: QueryParams) -> bool:
    """With all tags that are asked for, as key:value."""
    for text in texts(query, "tag"):
        key, colon, value = (text or "").partition(":")
        if not colon:
            raise Incorrect("tag-incorrect", f"tag: '{key[:60]}' is not key:value")
        if {"key": key, "value": value} not in body["tags"]:
            return False
    return True


async def add(parts: Parts, said: Mapping[str, Any], who: Caller, noun: str, ident: uuid.UUID) -> dict[str, Any]:
    tag = bodies.checked(bodies.Tag, said)

    def alter(body: Body) -> Body:
        if any(one["key"] == tag["key"] for one in body["tags"]):
            raise bad("tag-there", f"there is a tag {tag['key']!r} already: PUT changes it")
        return body | {"tags": [*body["tags"], tag]}

    await documents.change(parts, who, noun, ident, alter)
    return tag


async def change(parts: Parts, said: Mapping[str, Any], who: Caller, noun: str, ident: uuid.UUID) -> dict[str, Any]:
    tag = bodies.checked(bodies.Tag, said)

    def alter(body: Body) -> Body:
        _refuse_absent(body, tag["key"], None)
        return body | {"tags": [tag if one["key"] == tag["key"] else one for one in body["tags"]]}

    await documents.change(parts, who, noun, ident, alter)
    return tag


async def remove(parts: Parts, said: Mapping[str, Any], who: Caller, noun: str, ident: uuid.UUID) -> Response:
    """value: only where it is this one."""
    key, value = str(said.get("key", "")), said.get("value")

    def alter(body: Body) -> Body:
        _refuse_absent(body, key, value)
        return body | {"tags": [one for one in body["tags"] if one["key"] != key]}

    await documents.change(parts, who, noun, ident, alter)
    return Response(status_code=204)


def _refuse_absent(body: Body, key: str, value: object) -> None:
    if not any(one["key"] == key and value in (None, one["value"]) for one in body["tags"]):
        raise NotFound("tag-unknown", f"there is no tag {key[:60]!r} here" + ("" if value is None else f" of value {str(value)[:60]!r}"))
