"""PATCH points: tri-state updates in native words. A field that is absent keeps, null clears; what changes nothing is told.

Before: request.py. After: api/changes.py.
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictFloat, StrictInt, StrictStr

from api.append import told
from api.changes import Change, change
from api.lookups import Cell
from api.native.words import WRITTEN, json_body
from api.parts import Parts
from api.request import Caller, WriteAsked, caller, parsed, read_json
from api.writer import Written
from varve.errors import BadRow, Incorrect
from varve.events import Instant, Key
from varve.position import Token
from varve.series import series_id

Who = Annotated[Caller, Depends(caller)]
FIELDS = ("value", "annotation", "tags", "valid_time_end")


class Update(BaseModel):
    """One cell: of a run (its own record, at its known_time), or the newest knowledge of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    series: Key | None = None
    series_id: uuid.UUID | None = None
    valid_time: Instant
    run_id: uuid.UUID | None = None
    known_time: Instant | None = None
    value: StrictBool | StrictInt | StrictFloat | FiniteFloat | StrictStr | None = None
    annotation: str | None = None
    tags: list[str] | None = None
    valid_time_end: Instant | None = None


class Updates(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    updates: list[Update] = Field(min_length=1)
    changed_by: str | None = Field(None, max_length=320)


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["points"])

    @routes.patch("/api/v1/points", openapi_extra=json_body(Updates), responses=WRITTEN)
    async def update_points(request: Request, who: Who, asked: Annotated[WriteAsked, Query()]) -> Response:
        """Update fields of cells: absent keeps, null clears; answers how many changed and which rows changed nothing."""
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        body = parsed(Updates, found)
        changed = await change(parts, _changes(body, who.tenant), who.stamp(parts.clock, raw), asked.wait)
        written = changed.written or Written(Token(parts.log.log_id, {}))
        no_ops = [row for row, version in enumerate(changed.versions) if version is None]
        return told(written, {"token": str(written.token), "updated": len(changed.versions) - len(no_ops), "no_ops": no_ops})

    return routes


def _changes(body: Updates, tenant: uuid.UUID) -> list[Change]:
    bad = [BadRow(row, column, reason) for row, one in enumerate(body.updates) for column, reason in _complaints(one)]
    if bad:
        raise Incorrect("update-incorrect", f"updates: row {bad[0].row}: {bad[0].column} {bad[0].reason}", tuple(bad))
    return [_change(one, tenant, body.changed_by) for one in body.updates]


def _complaints(one: Update) -> list[tuple[str, str]]:
    found = []
    if (one.series is None) == (one.series_id is None):
        found.append(("series", "or series_id names the series: give one of them"))
    if not set(FIELDS) & one.model_fields_set:
        found.append(("value", f"is absent and so are {', '.join(FIELDS[1:])}: name a field to change"))
    return found


def _change(one: Update, tenant: uuid.UUID, changed_by: str | None) -> Change:
    ident = one.series_id or series_id(tenant, str(one.series))
    fields: dict[str, Any] = {name: getattr(one, name) for name in FIELDS if name in one.model_fields_set}
    return Change(Cell(tenant, one.run_id, ident, one.valid_time), fields, one.known_time, changed_by)
