"""TempoDB's pages: limit= in the query, the next one by a Link header that keeps the watermark vector (I9). Pure.

Before: a route found that there is more. After: the client follows the address, which is relative to the server's root.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request

from api.cursor import Cursor
from varve.errors import Incorrect

LIMIT_MAX = 100_000


@dataclass(frozen=True)
class Page:
    """limit: rows of a page; 0 is no limit."""

    limit: int
    cursor: str | None

    @classmethod
    def of(cls, request: Request, limit: int) -> "Page":
        """limit: where the request names none."""
        text = request.query_params.get("limit", "")
        if text and (not text.isdecimal() or not 1 <= int(text) <= LIMIT_MAX):
            raise Incorrect("limit-out-of-range", f"limit: '{text[:20]}' is not a number from 1 to {LIMIT_MAX}")
        return cls(int(text) if text else limit, request.query_params.get("cursor"))


def linked(request: Request, at: Cursor, key: Mapping[str, Any]) -> dict[str, str]:
    """The header of a page after which there is another; the path as it came, since keys in it are escaped."""
    following = Cursor(at.vector, at.question, at.log, key)
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return {"Link": f'<{raw_path(request)}?{urlencode([*asked, ("cursor", str(following))])}>; rel="next"'}


def raw_path(request: Request) -> str:
    found = request.scope.get("raw_path")
    return found.partition(b"?")[0].decode("ascii", "replace") if isinstance(found, bytes) else str(request.scope["path"])
