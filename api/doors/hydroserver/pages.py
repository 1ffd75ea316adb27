"""What HydroServer's lists are asked, and pages of them: filters, order and page from the address line; a bare list whose place the headers
tell. Pure.

Before: a list's room made the rows. After: the client goes on until X-Total-Pages. It writes None as null, and times as Python does.
"""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver.words import bad
from varve.errors import Incorrect
from varve.instants import parse_instant

PAGE_SIZE, PAGE_SIZE_MAX = 100, 100_000
NULL = "null"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """order: fields, each with whether it falls; rows that are equal in all of them stand by id."""

    page: int
    size: int
    order: tuple[tuple[str, bool], ...]


def asked_of(query: QueryParams, orderable: Collection[str]) -> Asked:
    page, size = whole(query, "page", 1), whole(query, "page_size", PAGE_SIZE)
    if page < 1 or not 0 <= size <= PAGE_SIZE_MAX:
        raise Incorrect(
            "page-incorrect", f"page begins at 1, page_size is 0 to {PAGE_SIZE_MAX}: page={page}, page_size={size} is not there"
        )
    return Asked(page, size, order_of(query, orderable))


def order_of(query: QueryParams, orderable: Collection[str]) -> tuple[tuple[str, bool], ...]:
    """order_by, repeated or with commas; a '-' in front falls."""
    said = [word for text in query.getlist("order_by") for word in text.split(",") if word and word != NULL]
    found = [(word.lstrip("-"), word.startswith("-")) for word in said]
    strange = [name for name, _ in found if name not in orderable]
    if strange:
        raise Incorrect("order-incorrect", f"order_by: '{strange[0][:40]}' is none of {', '.join(sorted(orderable))}")
    if len({name for name, _ in found}) < len(found):
        raise bad("order-repeated", "order_by: a field stands there twice")
    return tuple(found)


def ordered(rows: Sequence[Row], asked: Asked, places: Mapping[str, str] | None = None) -> list[Row]:
    """What is not there stands last, or first where it falls. places: where in a row a field stands, inside another."""
    found = sorted(rows, key=lambda row: str(row["id"]))
    for name, falls in reversed(asked.order):
        outer, _, inner = (places or {}).get(name, name).partition(".")
        found.sort(key=lambda row, outer=outer, inner=inner: _rank(row.get(outer), inner), reverse=falls)  # type: ignore[misc]
    return found


def cut(rows: Sequence[Row], asked: Asked) -> list[Row]:
    return list(rows[(asked.page - 1) * asked.size :][: asked.size])


def answer(rows: Sequence[Row], total: int, asked: Asked) -> Response:
    """rows: of this page."""
    return Response(orjson.dumps(rows), headers=place(total, asked), media_type="application/json")


def place(total: int, asked: Asked) -> dict[str, str]:
    """The page's, as headers."""
    headers = {"X-Total-Count": str(total), "X-Page-Size": str(asked.size)}
    if asked.size:
        headers |= {"X-Page": str(asked.page), "X-Total-Pages": str(-(-total // asked.size))}
    return headers


def listed(rows: Sequence[Row], asked: Asked, places: Mapping[str, str] | None = None) -> Response:
    return answer(cut(ordered(rows, asked, places), asked), len(rows), asked)


def texts(query: QueryParams, name: str) -> list[str | None]:
    """Each that is said, None where it is null; nothing where the filter is not there."""
    return [None if text.lower() == NULL else text for text in query.getlist(name)]


def idents(query: QueryParams, name: str) -> list[str | None]:
    """UUIDs, as documents hold them."""
    return [None if text is None else str(_parsed(name, text, uuid.UUID, "a UUID")) for text in texts(query, name)]


def flag(query: QueryParams, name: str) -> bool | None:
    text = _single(query, name)
    if text is None:
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise Incorrect(f"{name}-incorrect", f"{name}: '{text[:40]}' is neither true nor false")
    return text.lower() in ("true", "1")


def number(query: QueryParams, name: str) -> float | None:
    text = _single(query, name)
    return None if text is None else _parsed(name, text, float, "a number")


def whole(query: QueryParams, name: str, default: int) -> int:
    text = _single(query, name)
    return default if text is None else int(_parsed(name, text, int, "a whole number"))


def instant(query: QueryParams, name: str) -> int | None:
    """UTC ns. Python's str() of a time has a blank; where the client forgot to escape the +, that is one too."""
    text = _single(query, name)
    if text is None:
        return None
    day, blank, time = text.strip().partition(" ")
    return parse_instant(f"{day}T{time.replace(' ', '+')}" if blank else text, naive_is_utc=True, where=name)


def _single(query: QueryParams, name: str) -> str | None:
    found = texts(query, name)
    return found[-1] if found else None


def _parsed(name: str, text: str, kind: Callable[[str], Any], noun: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise Incorrect(f"{name}-incorrect", f"{name}: '{text[:60]}' is not {noun}") from None


def _rank(value: Any, inner: str) -> tuple[bool, Any]:
    if inner and isinstance(value, Mapping):
        value = value.get(inner)
    return value is None, 0 if value is None else value
