"""TimeDB's door: its routes at the root, in its words; behind them the same events and the same queries as everywhere.

Before: a TimeDB client with another base URL. After: upload.py, read.py, update.py. Writes answer when they are visible.
"""

import asyncio
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from api.append import append, told
from api.bodies.points import stamped
from api.doors.timedb import read, update
from api.doors.timedb.upload import Upload, upload_record
from api.doors.timedb.words import ABOUT
from api.native.words import json_body
from api.parts import Parts
from api.request import INLINE_BYTES_MAX, Caller, caller, parse_json, parsed, read_body
from api.request import chosen_tenant as own_or_refused
from varve.errors import Forbidden, Incorrect
from varve.events import SeriesDefined
from varve.record import single
from varve.series import KEY_LENGTH_MAX, series_id

Who = Annotated[Caller, Depends(caller)]


class NewSeries(BaseModel):
    name: str = Field(min_length=1, max_length=KEY_LENGTH_MAX)
    description: str | None = Field(None, max_length=4096)
    unit: str | None = Field(None, max_length=128, description="dimensionless where absent")


class Updates(BaseModel):
    updates: list[dict[str, Any]]


async def any_key(x_api_key: Annotated[str | None, Header(description="any key is accepted")] = None) -> str | None:
    return x_api_key


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["TimeDB"], dependencies=[Depends(any_key)])
    _add_writes(routes, parts)
    _add_reads(routes, parts)
    return routes


def _add_writes(routes: APIRouter, parts: Parts) -> None:
    @routes.post("/series", openapi_extra=json_body(NewSeries))
    async def create_series(request: Request, who: Who) -> Response:
        """Create a new time series; its name is its key, so that uploads by that value_key are of this series."""
        raw, found = await _body(parts, request)
        new, stamp = parsed(NewSeries, found), who.stamp(parts.clock, raw)
        ident = series_id(who.tenant, new.name)
        holds = await parts.catalog.learn_id(who.tenant, ident)
        given = new.model_dump(exclude_none=True, exclude={"name"}) | ({} if holds else {"value_type": "number"})
        event = SeriesDefined(series_id=ident, series=new.name, name=new.name, **given, **stamped(who.tenant, stamp))
        written = await append(parts, single(event), "view")
        return told(written, {"series_id": str(ident), "message": "Series created successfully"})

    async def upload(request: Request, who: Who) -> Response:
        """Upload time series data: create a new run with values."""
        raw, found = await _body(parts, request)
        if not isinstance(found, dict):
            raise Incorrect("body-malformed", "the body is not an object")
        rows = found.pop("value_rows", None)
        asked = parsed(Upload, found)
        tenant = chosen_tenant(request, who, asked.tenant_id)
        stamp = who.stamp(parts.clock, raw, tenant)
        if len(raw) <= INLINE_BYTES_MAX:
            made = upload_record(asked, rows, tenant, stamp)
        else:
            made = await asyncio.to_thread(upload_record, asked, rows, tenant, stamp)
        written = await append(parts, made.record, "view")
        idents = {key: str(ident) for key, ident in made.series_ids.items()}
        return told(written, {"run_id": str(made.run_id), "message": "Run created successfully", "series_ids": idents})

    for path in ("/upload", "/runs"):
        routes.add_api_route(path, upload, methods=["POST"], openapi_extra=json_body(Upload), name=path.strip("/"))

    @routes.put("/values", openapi_extra=json_body(Updates))
    async def update_records(request: Request, who: Who) -> Response:
        """Update records: a field that is absent keeps, null clears; what changes nothing is reported as skipped."""
        raw, found = await _body(parts, request)
        asked = update.asked_of(found, who.tenant)
        for one in asked:
            chosen_tenant(request, who, one.tenant_id)
        return await update.answer(parts, asked, who.stamp(parts.clock, raw))


def _add_reads(routes: APIRouter, parts: Parts) -> None:
    @routes.get("/", include_in_schema=True)
    async def about() -> JSONResponse:
        """What this API is and which routes it has, as TimeDB's check_api reads it."""
        return JSONResponse(ABOUT)

    @routes.get("/list_timeseries")
    async def list_timeseries(who: Who) -> Response:
        """All time series: id to key, description and unit."""
        return await read.listing(parts, who.tenant)

    @routes.get("/values")
    async def read_values(
        request: Request, who: Who, start_valid: str | None = None, end_valid: str | None = None, start_known: str | None = None,
        end_known: str | None = None, mode: Annotated[str, Query(description="flat or overlapping")] = "flat", all_versions: bool = False,
    ) -> Response:  # fmt: skip
        """Read time series values."""
        asked = read.ValuesRead.of(mode, all_versions, start_valid, end_valid, start_known, end_known)
        return await read.values(parts, request, who.tenant, asked)


def chosen_tenant(request: Request, who: Caller, given: uuid.UUID | None) -> uuid.UUID:
    """The body's tenant; a caller who named one by header may not write another's."""
    if given is None:
        return who.tenant
    if "x-tenant" in request.headers and given != who.tenant:
        raise Forbidden("tenant-foreign", f"tenant {given} is not yours: X-Tenant says {who.tenant}")
    return own_or_refused(given, who.tenant, who.identity)


async def _body(parts: Parts, request: Request) -> tuple[bytes, Any]:
    """TimeDB does not look at the content type."""
    raw = await read_body(request, parts.settings.http.body_mb_max)
    return raw, parse_json(raw) if len(raw) <= INLINE_BYTES_MAX else await asyncio.to_thread(parse_json, raw)
