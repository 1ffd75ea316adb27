"""Runs: open, seal, list, one. Points are written under a run in points.py.

Before: request.py. After: api/append.py for writes, reads.py for reads.
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.append import append, told
from api.bodies.points import stamped
from api.listings import run_key
from api.names import uuid_of
from api.native.lists import ListAsked, paged
from api.native.words import WRITTEN, json_body
from api.parts import Parts
from api.request import Caller, WriteAsked, caller, parsed, read_json
from varve.errors import NotFound
from varve.events import Instant, RunOpened, RunSealed
from varve.record import single

Who = Annotated[Caller, Depends(caller)]


class NewRun(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: uuid.UUID | None = Field(None, description="chosen by the server where absent")
    workflow_id: str | None = Field(None, max_length=512)
    known_time: Instant | None = Field(None, description="given to every point of the run that brings none")
    started: Instant | None = None
    finished: Instant | None = None
    params: dict[str, Any] | None = None
    changed_by: str | None = Field(None, max_length=320)


class Seal(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    finished: Instant | None = None
    points: int | None = Field(None, ge=0, description="how many points the run holds")
    changed_by: str | None = Field(None, max_length=320)


class RunsAsked(ListAsked):
    workflow_id: str | None = None


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["runs"])

    @routes.post("/api/v1/runs", openapi_extra=json_body(NewRun), responses=WRITTEN)
    async def open_run(request: Request, who: Who, asked: Annotated[WriteAsked, Query()]) -> Response:
        """Open a run: one upload of many series, with what made it."""
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        new, stamp = parsed(NewRun, found), who.stamp(parts.clock, raw)
        run_id = new.run_id or stamp.run_id
        given = new.model_dump(exclude_unset=True, exclude={"run_id"})
        event = RunOpened(run_id=run_id, **(given | stamped(who.tenant, stamp)))
        written = await append(parts, single(event), asked.wait)
        return told(written, {"run_id": str(run_id), "token": str(written.token)}, 201)

    @routes.post("/api/v1/runs/{run_id}/seal", openapi_extra=json_body(Seal), responses=WRITTEN)
    async def seal_run(run_id: str, request: Request, who: Who, asked: Annotated[WriteAsked, Query()]) -> Response:
        """Say that the run is complete."""
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        seal, stamp, ident = parsed(Seal, found), who.stamp(parts.clock, raw), uuid_of(run_id, "run")
        await parts.runs.known_time(who.tenant, ident)
        event = RunSealed(run_id=ident, **(seal.model_dump(exclude_unset=True) | stamped(who.tenant, stamp)))
        written = await append(parts, single(event), asked.wait)
        return told(written, {"run_id": str(ident), "token": str(written.token)})

    @routes.get("/api/v1/runs")
    async def list_runs(who: Who, asked: Annotated[RunsAsked, Query()]) -> Response:
        """Runs, newest first; state is sealed where a run is complete, else opened."""
        await parts.reads.after(asked.after)
        at = parts.reads.page(asked.cursor, ("runs", who.tenant, asked.workflow_id))
        rows = await parts.reads.runs(who.tenant, at.vector, workflow_id=asked.workflow_id, key=at.key, limit=asked.limit + 1)
        return paged("runs", rows, asked.limit, at, run_key)

    @routes.get("/api/v1/runs/{run_id}")
    async def one_run(run_id: str, who: Who, after: str | None = None) -> dict[str, Any]:
        """One run by its id."""
        await parts.reads.after(after)
        ident = uuid_of(run_id, "run")
        rows = await parts.reads.runs(who.tenant, parts.views.vector(), run_id=ident)
        if not rows:
            raise NotFound("run-unknown", f"there is no run {ident} in this tenant")
        return rows[0]

    return routes
