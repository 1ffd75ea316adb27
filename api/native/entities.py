"""Documents by kind and id: put whole, read, listed, deleted, with every version that there was.

Before: request.py. After: api/append.py for writes; the fold decides conditions in the order of the log, so of many who put one where there
is none exactly one does.
"""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api.append import append, told
from api.bodies.points import stamped
from api.errors import ConditionFailed
from api.listings import entity_key
from api.names import bound_of
from api.native.lists import ListAsked, paged
from api.native.words import WRITTEN
from api.parts import Parts
from api.request import Asked, Caller, WriteAsked, caller, read_json
from api.stamps import guarded
from sink.queries.entities import EntitySearch
from varve.errors import Incorrect, NotFound
from varve.events import EntityDeleted, EntityPut
from varve.record import single

Who = Annotated[Caller, Depends(caller)]
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_ONE = "/api/v1/entities/{kind}/{ident:path}"
_ABSENT = "entity-absent"


class PutAsked(WriteAsked):
    if_absent: bool = Field(False, description="only where there is none; else 409")
    expected_version: int | None = Field(None, ge=0, description="only at this version of the document, 0 where there is none; else 409")
    changed_by: str | None = Field(None, max_length=320)


class DeleteAsked(WriteAsked):
    expected_version: int | None = Field(None, ge=0, description="only at this version of the document; else 409")
    changed_by: str | None = Field(None, max_length=320)


class EntityAsked(Asked):
    after: str | None = Field(None, description="token of a write that must be visible")
    as_of_recorded: str | None = Field(None, description="as it was at this time")


class EntitiesAsked(ListAsked):
    prefix: str | None = Field(None, description="ids that begin so")
    field: list[str] = Field([], description="name:value of a field of the document; repeat for several, all of which hold")
    as_of_recorded: str | None = Field(None, description="as they were at this time")

    def fields(self) -> dict[str, str]:
        pairs = [one.partition(":") for one in self.field]
        if any(not name or not colon for name, colon, _ in pairs):
            raise Incorrect("field-incorrect", "field: say name:value, as in field=city:Kiruna")
        return {name: wanted for name, _, wanted in pairs}


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["entities"])
    _writes(routes, parts)
    _reads(routes, parts)
    return routes


def _writes(routes: APIRouter, parts: Parts) -> None:
    @routes.put(_ONE, openapi_extra=_BODY, responses=WRITTEN)
    async def put(kind: str, ident: str, request: Request, who: Who, asked: Annotated[PutAsked, Query()]) -> Response:
        """Put a document whole: a JSON object. Answers its version, which expected_version compares with."""
        raw, document = await read_json(request, parts.settings.http.body_mb_max)
        if not isinstance(document, dict):
            raise Incorrect("document-incorrect", "a document is one JSON object")
        stamp = guarded(who.stamp(parts.clock, raw))
        event = EntityPut(
            kind=_kind(kind), id=_ident(ident), document=document, if_absent=asked.if_absent, expected_version=asked.expected_version,
            **stamped(who.tenant, stamp, changed_by=asked.changed_by),
        )  # fmt: skip
        written = await append(parts, single(event), asked.wait)
        return told(written, {"version": written.series_version, "token": str(written.token)})

    @routes.delete(_ONE, responses=WRITTEN)
    async def delete(kind: str, ident: str, who: Who, asked: Annotated[DeleteAsked, Query()]) -> Response:
        """Delete a document; its versions stay."""
        stamp = guarded(who.stamp(parts.clock, b""))
        event = EntityDeleted(
            kind=_kind(kind), id=_ident(ident), expected_version=asked.expected_version,
            **stamped(who.tenant, stamp, changed_by=asked.changed_by),
        )  # fmt: skip
        try:
            written = await append(parts, single(event), asked.wait)
        except ConditionFailed as refused:
            if refused.message.startswith(_ABSENT):
                raise _unknown(kind, ident) from None
            raise
        return told(written, {"token": str(written.token)})


def _reads(routes: APIRouter, parts: Parts) -> None:
    @routes.get(_ONE)
    async def read(kind: str, ident: str, who: Who, asked: Annotated[EntityAsked, Query()]) -> dict[str, Any]:
        """One document as it is, or was at a time."""
        await parts.reads.after(asked.after)
        at = bound_of("as_of_recorded", asked.as_of_recorded)
        search = EntitySearch(who.tenant, parts.reads.watermark(parts.views.vector()), _kind(kind), _ident(ident), as_of_recorded=at)
        found = await parts.reads.entities(search)
        if not found:
            raise _unknown(kind, ident)
        return found[0]

    @routes.get("/api/v1/entities/{kind}")
    async def listed(kind: str, who: Who, asked: Annotated[EntitiesAsked, Query()]) -> Response:
        """Documents of a kind that match every filter, by id."""
        await parts.reads.after(asked.after)
        fields = asked.fields()
        page = parts.reads.page(asked.cursor, ("entities", who.tenant, kind, asked.prefix, sorted(fields.items()), asked.as_of_recorded))
        search = EntitySearch(
            who.tenant, parts.reads.watermark(page.vector), _kind(kind), prefix=asked.prefix, fields=fields,
            as_of_recorded=bound_of("as_of_recorded", asked.as_of_recorded),
            after=None if page.key is None else str(page.key["id"]), limit=asked.limit + 1,
        )  # fmt: skip
        return paged("entities", await parts.reads.entities(search), asked.limit, page, entity_key)

    @routes.get("/api/v1/entity-versions/{kind}/{ident:path}")
    async def versions(kind: str, ident: str, who: Who, after: str | None = None) -> Response:
        """Every version of a document, newest first; where it was deleted, document is null."""
        await parts.reads.after(after)
        search = EntitySearch(who.tenant, parts.reads.watermark(parts.views.vector()), _kind(kind), _ident(ident))
        found = await parts.reads.entity_versions(search)
        if not found:
            raise _unknown(kind, ident)
        return Response(orjson.dumps({"versions": found}), media_type="application/json")


def _kind(text: str) -> str:
    if not 1 <= len(text) <= 64:
        raise Incorrect("kind-incorrect", "kind: 1 to 64 characters")
    return text


def _ident(text: str) -> str:
    if not 1 <= len(text) <= 512:
        raise Incorrect("id-incorrect", "id: 1 to 512 characters")
    return text


def _unknown(kind: str, ident: str) -> NotFound:
    return NotFound("entity-unknown", f"there is no {kind[:64]} {ident[:512]} in this tenant")
