"""POST points: JSON columns or rows, NDJSON, CSV, Arrow; to many series, to one, or under a run. PUT points: a series rewritten.

Before: request.py reads the body, bodies/ makes the record. After: api/append.py. One bad row refuses the whole body.
increments.py reads its bodies by read_record too.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from api.append import append, told
from api.bodies.points import point_record
from api.bodies.tables import Body, read_table
from api.names import column_of, uuid_of
from api.native.words import POINTS_BODY, WRITTEN, parameters
from api.parts import Parts
from api.request import ARROW, CSV, INLINE_BYTES_MAX, JSON, NDJSON, Caller, WriteAsked, caller_of, content_type, parsed, read_body
from api.stamps import guarded
from varve.errors import Incorrect
from varve.instants import format_instant
from varve.record import Record


class PointsAsked(WriteAsked):
    """What a body without room for it (CSV, Arrow, NDJSON) says here; JSON may say it in the body."""

    series: str | None = None
    series_id: str | None = None
    known_time: str | None = None
    run_id: str | None = None
    changed_by: str | None = None
    if_series_version: int | None = None

    def given(self) -> dict[str, Any]:
        """Beside the body: what holds for all of its rows."""
        return self.model_dump(include=GIVEN, exclude_none=True)


GIVEN = {"series", "series_id", "known_time", "run_id", "changed_by", "if_series_version"}
_NOTHING_ASKED = PointsAsked()
# Read by hand, since they are the hot path: FastAPI's reading of parameters costs a fifth of a small write.
_BODY = POINTS_BODY | parameters(PointsAsked)


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["points"])

    @routes.post("/api/v1/points", openapi_extra=_BODY, responses=WRITTEN)
    async def write_points(request: Request) -> Response:
        """Write points of one or many series: all of them, or none."""
        return await _write(parts, request, await caller_of(request), _asked(request), {})

    @routes.post("/api/v1/series/{series:path}/points", openapi_extra=_BODY, responses=WRITTEN)
    async def write_series_points(series: str, request: Request) -> Response:
        """Write points of one series, named by its id or as key:<key>."""
        return await _write(parts, request, await caller_of(request), _asked(request), column_of(series))

    @routes.put("/api/v1/series/{series:path}/points", openapi_extra=_BODY, responses=WRITTEN)
    async def rewrite_series_points(series: str, request: Request) -> Response:
        """Rewrite a series: what it held is hidden and the rows are written, in one; reads never see one without the other."""
        return await _write(parts, request, await caller_of(request), _asked(request), column_of(series), "series_rewritten")

    @routes.post("/api/v1/runs/{run_id}/points", openapi_extra=_BODY, responses=WRITTEN)
    async def write_run_points(run_id: str, request: Request) -> Response:
        """Write points under an open run; they get its known_time where it has one."""
        ident, who = uuid_of(run_id, "run"), await caller_of(request)
        known_time = await parts.runs.known_time(who.tenant, ident)
        fixed = {"run_id": str(ident)} | ({} if known_time is None else {"known_time": format_instant(known_time)})
        return await _write(parts, request, who, _asked(request), fixed)

    return routes


def _asked(request: Request) -> PointsAsked:
    return parsed(PointsAsked, dict(request.query_params)) if request.url.query else _NOTHING_ASKED


async def _write(
    parts: Parts, request: Request, who: Caller, asked: PointsAsked, fixed: Mapping[str, str], kind: str = "points_written"
) -> Response:
    record = await read_record(parts, request, who, kind, asked.given(), fixed)
    written = await append(parts, record, asked.wait)
    return told(written, {"token": str(written.token), "rows": len(record.points)})


async def read_record(
    parts: Parts, request: Request, who: Caller, kind: str, given: Mapping[str, Any], fixed: Mapping[str, str], *, outcome: bool = False
) -> Record:
    """given, fixed: what query and path say for all rows. outcome: its outcome is asked for, so it needs an id; as with a condition."""
    form = content_type(request, JSON, NDJSON, CSV, ARROW)
    raw = await read_body(request, parts.settings.http.body_mb_max)
    stamp = who.stamp(parts.clock, raw)

    def record_of() -> Record:
        body = with_given(with_given(read_table(raw, form), given), fixed)
        asked = outcome or body.envelope.get("if_series_version") is not None
        return point_record(kind, body, who.tenant, guarded(stamp) if asked else stamp)

    return record_of() if len(raw) <= INLINE_BYTES_MAX else await asyncio.to_thread(record_of)


def with_given(body: Body, given: Mapping[str, Any]) -> Body:
    """What the path or the query says holds for all rows; saying it twice is refused."""
    twice = sorted(set(given) & {*body.envelope, *body.columns})
    if twice:
        raise Incorrect("said-twice", f"{', '.join(twice)}: said in the body and beside it; say it once")
    named = {name: given[name] for name in ("series", "series_id") if name in given}
    return Body({**body.envelope, **{name: given[name] for name in given if name not in named}}, {**body.columns, **named})
