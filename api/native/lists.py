"""Lists of described things (series, runs): a page of rows, and where the next one is. The cursor keeps the vector (I9)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import orjson
from fastapi import Query, Response

from api.cursor import Cursor
from api.request import Asked

LIST_MAX = 10_000


class ListAsked(Asked):
    limit: Annotated[int, Query(ge=1, le=LIST_MAX, description="rows in one page")] = 1000
    cursor: Annotated[str | None, Query(description="where the former page's `next` left off")] = None
    after: Annotated[str | None, Query(description="token of a write that must be visible")] = None


def paged(
    name: str, rows: Sequence[Mapping[str, Any]], limit: int, at: Cursor, key_of: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Response:
    """rows: one more than the limit where there is a next page."""
    more = str(Cursor(at.vector, at.question, at.log, key_of(rows[limit - 1]))) if len(rows) > limit else None
    return Response(orjson.dumps({name: list(rows[:limit]), "next": more}), media_type="application/json")
