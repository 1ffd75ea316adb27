"""Timetric's door: its addresses at the root and under /timetric, in its words; behind them the same events and queries as everywhere.

Before: a Timetric client whose requests are sent here. After: body.py reads them, write.py appends. api/access checks token and signature.
"""

import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.answer import Form, streamed
from api.doors.timetric import write
from api.doors.timetric.names import ident_of
from api.parts import Parts
from api.request import Caller, caller
from sink.queries.epoch import in_seconds
from sink.queries.flat import FLAT
from sink.queries.selection import Selection

Who = Annotated[Caller, Depends(caller)]
CSV = Form("text/csv", "CSV", {})
PREFIXES = ("", "/timetric")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["Timetric"])
    for prefix in PREFIXES:
        _add(routes, parts, prefix)
    return routes


def _add(routes: APIRouter, parts: Parts, prefix: str) -> None:
    name = prefix.removeprefix("/")

    @routes.post(f"{prefix}/create/", operation_id=f"{name}create", status_code=201)
    async def create(request: Request, who: Who) -> Response:
        """Create a series: title, caption, whatever else describes it, and its rows where a file csv is sent along."""
        return await write.create(parts, request, who, prefix)

    @routes.get(f"{prefix}/series/{{ident}}/value/json/", operation_id=f"{name}latest")
    async def latest(ident: str, who: Who) -> dict[str, float]:
        """The newest value, with its seconds since 1970."""
        return await write.latest_of(parts, who, ident_of(ident))

    @routes.get(f"{prefix}/series/{{ident}}/csv/", operation_id=f"{name}csv")
    async def csv(ident: str, request: Request, who: Who) -> Response:
        """All rows by time: seconds since 1970 and value, without a header; nulls are left out."""
        chosen = await parts.reads.named(who.tenant, [(ident, ident_of(ident))])
        return await streamed(request, _rows(parts, who, chosen.ids or ()), CSV.media, {}, None)

    @routes.post(f"{prefix}/series/{{ident}}/", operation_id=f"{name}update", status_code=204)
    async def update(ident: str, request: Request, who: Who) -> Response:
        """Set the value of now (value=), add to the latest one (increment=), or write the rows of a file csv."""
        return await write.update(parts, request, who, ident_of(ident))

    @routes.put(f"{prefix}/series/{{ident}}/", operation_id=f"{name}rewrite", status_code=204)
    async def rewrite(ident: str, request: Request, who: Who) -> Response:
        """Replace everything by the rows of the body, a CSV."""
        return await write.rewrite(parts, request, who, ident_of(ident))

    @routes.delete(f"{prefix}/series/{{ident}}/", operation_id=f"{name}clear", status_code=204)
    async def clear(ident: str, who: Who) -> Response:
        """Clear the series; it stays, empty."""
        return await write.clear(parts, who, ident_of(ident))


async def _rows(parts: Parts, who: Caller, idents: tuple[uuid.UUID, ...]) -> AsyncIterator[bytes]:
    """Page by page, at one watermark vector, so that a long series is not held."""
    vector, after = parts.views.vector(), None
    while True:
        selection = Selection(
            who.tenant, parts.reads.watermark(vector), idents, after=after, limit=parts.settings.http.page_rows_max,
            columns=("valid_time", "value"),
        )  # fmt: skip
        page = await parts.reads.values(FLAT, selection)
        async for piece in parts.reads.stream(in_seconds(page.query), CSV):
            yield piece
        if page.after is None:
            return
        after = page.after
