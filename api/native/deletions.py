"""DELETE points of a span, or a whole series; the list of what was deleted; purges, which erase.

Before: request.py. After: api/append.py. A deletion hides by version and destroys nothing: reads as of an earlier time, and
history, still show what it hides. A purge erases the rows from the tables; the log keeps its bytes until its topic goes (I1).
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.append import append, told
from api.bodies.points import stamped
from api.names import id_of, instant_of
from api.native.lists import ListAsked, paged
from api.native.series import unknown
from api.native.words import WRITTEN, json_body
from api.parts import Parts
from api.request import Caller, WriteAsked, caller, parsed, read_json
from api.stamps import Stamp
from varve.errors import Incorrect
from varve.events import Event, Instant, Key, PointsDeleted, PurgeRequested, SeriesDeleted
from varve.instants import EARLIEST, LATEST
from varve.record import single
from varve.series import series_id

Who = Annotated[Caller, Depends(caller)]
_NO_BODY = b""


class DeletionAsked(WriteAsked):
    from_: str | None = Field(None, alias="from", description="first valid_time, included")
    until: str | None = Field(None, description="last valid_time, excluded")
    everything: bool = Field(False, alias="all", description="instead of from and until: all that the series holds")
    known_time: str | None = Field(None, description="when it was known that this is to go; now where absent")
    changed_by: str | None = Field(None, max_length=320)

    def span(self) -> tuple[int, int]:
        match (self.from_, self.until, self.everything):
            case (None, None, True):
                return EARLIEST, LATEST
            case (str(start), str(end), False):
                return _instant("from", start), _instant("until", end)
            case _:
                raise Incorrect("range-missing", "say from and until, the span to delete, or all=true to delete all that the series holds")


class SeriesDeletionAsked(WriteAsked):
    changed_by: str | None = Field(None, max_length=320)


class DeletionsAsked(ListAsked):
    key: list[str] = Field([], description="repeat for several series; without any, of all series")
    series_id: list[str] = Field([], description="repeat for several")


class Purge(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    series: Key | None = Field(None, description="the series' key")
    series_id: uuid.UUID | None = None
    from_: Instant | None = Field(None, alias="from", description="first valid_time, included; no bound where absent")
    until: Instant | None = Field(None, description="last valid_time, excluded; no bound where absent")
    dry_run: bool = Field(False, description="tell how many rows would be erased, and erase nothing")
    changed_by: str | None = Field(None, max_length=320)

    def ident(self, tenant: uuid.UUID) -> uuid.UUID:
        match (self.series, self.series_id):
            case (str(key), None):
                return series_id(tenant, key)
            case (None, uuid.UUID() as ident):
                return ident
            case _:
                raise Incorrect("series-missing", "a purge is of one series: give series (its key) or series_id")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["deletions"])

    @routes.delete("/api/v1/series/{series:path}/points", responses=WRITTEN)
    async def delete_points(series: str, who: Who, asked: Annotated[DeletionAsked, Query()]) -> Response:
        """Hide what a series holds in [from, until); reads as of an earlier time, and history, still show it."""
        ident, stamp, (start, until) = id_of(who.tenant, series), who.stamp(parts.clock, _NO_BODY), asked.span()
        await _refuse_unknown(parts, who, ident, series, stamp)
        known = None if asked.known_time is None else _instant("known_time", asked.known_time)
        words: dict[str, Any] = {"from": start, "until": until, "known_time": known}
        event = PointsDeleted(series_id=ident, **words, **stamped(who.tenant, stamp, changed_by=asked.changed_by))
        return await _appended(parts, event, asked)

    @routes.delete("/api/v1/series/{series:path}", responses=WRITTEN)
    async def delete_series(series: str, who: Who, asked: Annotated[SeriesDeletionAsked, Query()]) -> Response:
        """Hide a series with all that it holds; a write or create by its key makes it again, empty."""
        ident, stamp = id_of(who.tenant, series), who.stamp(parts.clock, _NO_BODY)
        await _refuse_unknown(parts, who, ident, series, stamp)
        event = SeriesDeleted(series_id=ident, **stamped(who.tenant, stamp, changed_by=asked.changed_by))
        # what the catalogue knows is asked from the store, so it may forget only when the store shows the deletion
        return await _appended(parts, event, WriteAsked(wait="view"))

    @routes.get("/api/v1/deletions")
    async def list_deletions(who: Who, asked: Annotated[DeletionsAsked, Query()]) -> Response:
        """What was deleted, rewritten or purged, when and by whom; from and until are null where the deletion has no such bound."""
        await parts.reads.after(asked.after)
        named = [*(id_of(who.tenant, f"key:{key}") for key in asked.key), *(id_of(who.tenant, one) for one in asked.series_id)]
        at = parts.reads.page(asked.cursor, ("deletions", who.tenant, named))
        rows = await parts.reads.deletions(who.tenant, at.vector, named, at.key, asked.limit + 1)
        return paged("deletions", rows, asked.limit, at, lambda row: {"series_id": row["series_id"], "version": row["version"]})

    @routes.post("/api/v1/purges", openapi_extra=json_body(Purge), responses=WRITTEN)
    async def purge(request: Request, who: Who, asked: Annotated[WriteAsked, Query()]) -> Response:
        """Erase a series' rows in [from, until) from the tables, now and on every replay; with dry_run, say how many."""
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        body, stamp = parsed(Purge, found), who.stamp(parts.clock, raw)
        ident = body.ident(who.tenant)
        words: dict[str, Any] = {"from": body.from_, "until": body.until}
        record = single(PurgeRequested(series_id=ident, **words, **stamped(who.tenant, stamp, changed_by=body.changed_by)))
        parts.writer.refuse(record)
        rows = await parts.reads.purged_count(who.tenant, ident, body.from_, body.until)
        if not rows:  # a deleted series may be purged, one that never was may not
            await _refuse_unknown(parts, who, ident, body.series or str(ident), stamp)
        if body.dry_run:
            return Response(b'{"rows":%d}' % rows, media_type="application/json")
        written = await append(parts, record, asked.wait)
        # how many the first time erased is not kept
        return told(written, {"token": str(written.token), "rows": None if written.repeated else rows})

    return routes


async def _appended(parts: Parts, event: Event, asked: WriteAsked) -> Response:
    written = await append(parts, single(event), asked.wait)
    return told(written, {"token": str(written.token)})


async def _refuse_unknown(parts: Parts, who: Caller, ident: uuid.UUID, said: str, stamp: Stamp) -> None:
    """404, but not for a request that is repeated: its first time may be why the series is not there."""
    if await parts.catalog.learn_id(who.tenant, ident) is not None:
        return
    if stamp.event_id is None or not await parts.reads.outcomes([(who.tenant, stamp.event_id)]):
        raise unknown(said)


def _instant(name: str, text: str) -> int:
    return instant_of(name, text)
