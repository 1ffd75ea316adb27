"""Tags of things and datastreams: a value under a key, kept in the document of what is tagged.

Before: routes_tags.py. After: documents.change.
"""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams

from api.doors.hydroserver import bodies
from api.doors.hydroserver.pages import texts
from api.doors.hydroserver.words import bad
from varve.errors import Incorrect


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
