"""POST increments: amounts added to cells, with bodies as those of points; and to the latest value of one series.

Before: points.py reads the body. After: api/append.py; api/latest_increment.py where the fold does not know the latest value.
return=value: the answer is of the moment right after this request in the log's order, the same when its key is repeated.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.append import append, told
from api.latest_increment import Amount, increment_latest
from api.names import column_of, id_of
from api.native.points import PointsAsked, read_record
from api.native.words import INCREMENTED, POINTS_BODY, WRITTEN, json_body, parameters
from api.parts import Parts
from api.request import WriteAsked, caller_of, parsed, read_json
from api.writer import Written
from varve.errors import Incorrect
from varve.instants import format_instant
from varve.record import Record

RETURNED_CELLS_MAX = 10_000


class IncrementsAsked(PointsAsked):
    returned: Literal["value"] | None = Field(None, alias="return", description="value: answer the new value of each cell, of one series")


class LatestAmount(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    amount: float = Field(strict=True, allow_inf_nan=False, description="added to the series' latest value")
    changed_by: str | None = Field(None, max_length=320)


_BODY = POINTS_BODY | parameters(IncrementsAsked)
_LATEST = json_body(LatestAmount) | parameters(WriteAsked)
_NOTHING_ASKED = IncrementsAsked()


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["increments"])

    @routes.post("/api/v1/increments", openapi_extra=_BODY, responses=WRITTEN)
    async def increment(request: Request) -> Response:
        """Add amounts to cells of one or many series: all of them, or none; a cell never set counts from 0."""
        return await _increment(parts, request, {})

    @routes.post("/api/v1/series/{series:path}/increments", openapi_extra=_BODY, responses=WRITTEN)
    async def increment_series(series: str, request: Request) -> Response:
        """Add amounts to cells of one series, named by its id or as key:<key>."""
        return await _increment(parts, request, column_of(series))

    @routes.post("/api/v1/series/{series:path}/latest/increment", openapi_extra=_LATEST, responses=INCREMENTED)
    async def increment_latest_value(series: str, request: Request) -> Response:
        """Write the latest value plus an amount at a new instant: now, or 1 ms after the latest one."""
        who = await caller_of(request)
        asked = parsed(WriteAsked, dict(request.query_params))
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        body, stamp = parsed(LatestAmount, found), who.stamp(parts.clock, raw)
        key = series.removeprefix("key:") if series.startswith("key:") else None
        amount = Amount(who.tenant, id_of(who.tenant, series), key, body.amount, body.changed_by)
        done = await increment_latest(parts, amount, stamp, asked.wait)
        cell = {"valid_time": format_instant(done.valid_time), "value": done.value}
        return told(done.written, {"token": str(done.written.token), **cell})

    return routes


async def _increment(parts: Parts, request: Request, fixed: Mapping[str, str]) -> Response:
    who = await caller_of(request)
    asked = parsed(IncrementsAsked, dict(request.query_params)) if request.url.query else _NOTHING_ASKED
    returns = asked.returned is not None
    record = await read_record(parts, request, who, "points_incremented", asked.given(), fixed, outcome=returns)
    if returns:
        _refuse_return(parts, record)
    written = await append(parts, record, asked.wait)
    answer: dict[str, Any] = {"token": str(written.token), "rows": len(record.points)}
    if returns:
        answer["values"] = await _values(parts, record, written)
    return told(written, answer)


def _refuse_return(parts: Parts, record: Record) -> None:
    named = {record.points.targets[at].series_id for at in np.unique(record.points.target).tolist()}
    if len(named) > 1:
        words = f"return=value tells the cells of one series, this body has {len(named)}: send one series, or read with after=<token>"
        raise Incorrect("return-several-series", words)
    if len(record.points) > RETURNED_CELLS_MAX or not parts.writer.fits(record):
        words = f"return=value tells at most {RETURNED_CELLS_MAX:,} rows: send less at once, or read with after=<token>"
        raise Incorrect("return-too-many", words)


async def _values(parts: Parts, record: Record, written: Written) -> list[dict[str, Any]]:
    """Each cell of the record once, in order of first use, as it was right after the event."""
    instants = list(dict.fromkeys(record.points.valid_time.tolist()))
    target = record.points.targets[int(record.points.target[0])]
    if len(instants) == 1:  # a counter: its last layer tells the sum, however many came before
        made = await parts.reads.layer(target.tenant, target.series_id, written.series_version)
        if made.running is not None:
            return [{"valid_time": format_instant(instants[0]), "value": made.running}]
    found = await parts.reads.values_at(target.tenant, target.series_id, instants, written.series_version)
    return [{"valid_time": format_instant(instant), "value": found.get(instant)} for instant in instants]
