"""How TempoDB names series: by id or key in a path that must be read undecoded (keys hold slashes), by filters in a query. Pure.

Before: routes.py with the request. After: chosen.py asks the store.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from starlette.datastructures import QueryParams

from api.listings import SeriesFilter
from varve.errors import Incorrect, NotFound
from varve.series import KEY_LENGTH_MAX, series_id

PREFIX = "/v1/series/"
_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"attr\[(.*)\]", re.DOTALL)


@dataclass(frozen=True)
class Named:
    """text: the id or key that the client wrote."""

    kind: Literal["id", "key"]
    text: str

    def __str__(self) -> str:
        return f"with {self.kind} {self.text}"

    def candidates(self, tenant: uuid.UUID) -> tuple[uuid.UUID, ...]:
        """Ids that it may mean, the likelier first: a series without a key is called by its id, an id that is none of ours is a key."""
        given = given_id(self.text)
        by_key = series_id(tenant, self.text)
        if given is None:
            return (by_key,)
        return (given, by_key) if self.kind == "id" else (by_key, given)

    @property
    def new_key(self) -> str:
        """The key of a series that is made under this name; "" where it is known by its id alone."""
        return "" if self.kind == "id" and given_id(self.text) is not None else self.text


def given_id(text: str) -> uuid.UUID | None:
    """TempoDB's ids are 32 hex characters; with dashes they are read as well."""
    return uuid.UUID(text) if _HEX.fullmatch(text) else None


def path_of(raw_path: str, actions: Sequence[str]) -> tuple[Named, str]:
    """The series and what is asked of it, '' for itself. actions: suffixes in the order in which they are tried."""
    kind, _, rest = raw_path.removeprefix(PREFIX).partition("/")
    trimmed = rest.removesuffix("/")
    action = next((one for one in actions if trimmed.endswith("/" + one) and len(trimmed) > len(one) + 1), "")
    text = unquote(trimmed[: len(trimmed) - len(action) - 1] if action else trimmed)
    if kind not in ("id", "key") or not text:
        raise NotFound("no-such-route", "a series is named as /v1/series/key/<key>/ or /v1/series/id/<id>/")
    if len(text) > KEY_LENGTH_MAX:
        raise Incorrect("key-too-long", f"a series' key has at most {KEY_LENGTH_MAX} characters")
    return Named("id" if kind == "id" else "key", text), action


def filter_of(query: QueryParams, tenant: uuid.UUID) -> SeriesFilter:
    """ids and keys: any of them; tags and attributes: all of them. Other parameters are not looked at."""
    named = [Named("id", text) for text in query.getlist("id")] + [Named("key", text) for text in query.getlist("key")]
    idents = tuple(dict.fromkeys(ident for one in named for ident in one.candidates(tenant)))
    attributes = [(found[1], value) for name, value in query.multi_items() if (found := _ATTRIBUTE.fullmatch(name))]
    if len(dict(attributes)) != len(set(attributes)):
        raise Incorrect("filter-malformed", "attr: one attribute is asked to have two values: no series has")
    return SeriesFilter(ids=idents, tags=tuple(query.getlist("tag")), attributes=tuple(attributes))
