"""Reads of values: flat, overlapping, history, relative, latest. Each at one watermark vector, taken once (I9).

Before: the client's question. After: reads.py makes the query, answer.py streams what ClickHouse writes.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api.answer import FORMS, form_of, streamed
from api.cursor import Cursor
from api.names import bound_of, id_of, uuid_of
from api.native.series import SeriesAsked
from api.parts import Parts
from api.reads import Chosen
from api.request import JSON, Caller, caller
from api.rollup_answer import whole, written
from sink.downsampling import POINTS_MIN, Thinning, downsampled
from sink.queries.flat import FLAT
from sink.queries.history import HISTORY
from sink.queries.latest import LATEST
from sink.queries.overlapping import OVERLAPPING
from sink.queries.relative import Cutoff, DaysBefore, Lead, relative
from sink.queries.selection import Selection
from sink.queries.shape import Shape
from varve.errors import Incorrect
from varve.instants import NS_PER_SECOND

Who = Annotated[Caller, Depends(caller)]
_READ: dict[int | str, dict[str, Any]] = {200: {"description": "Rows", "content": {media: {} for media in FORMS}}}


class ChosenAsked(SeriesAsked):
    """Which series: ids, keys, or every one that matches the filters."""

    series_id: list[str] = Field([], description="repeat for several")


class ValuesAsked(ChosenAsked):
    """And which layers: bounds of valid, known and recorded time."""

    from_: str | None = Field(None, alias="from", description="first valid_time, included")
    until: str | None = Field(None, description="last valid_time, excluded")
    as_of: str | None = Field(None, description="only what was known at this time")
    as_of_recorded: str | None = Field(None, description="only what Varve had accepted at this time")
    known_from: str | None = Field(None, description="first known_time, included")
    known_until: str | None = Field(None, description="last known_time, excluded")
    run_id: str | None = Field(None, description="only layers of this run")
    watermark: str | None = Field(None, description="the Varve-Watermark of an earlier answer: read exactly what was visible to it")
    columns: str | None = Field(None, description="names of the columns to answer, separated by commas")
    limit: int = Field(0, ge=0, description="rows in one page; 0 is as many as the server allows")


class FlatAsked(ValuesAsked):
    max_points: int | None = Field(None, ge=POINTS_MIN, description="thins each series of numbers to so many points, in one page")
    downsample: Thinning = Field("minmax", description="how it is thinned: minmax keeps extremes, lttb the shape")


class RelativeAsked(ValuesAsked):
    """Known by a cut-off relative to each valid_time: some time before it, or a clock time some days before it in a zone."""

    before_seconds: int | None = Field(None, ge=0, description="the cut-off lies so long before each valid_time")
    days_before: int | None = Field(None, ge=0, le=3660, description="the cut-off lies on the day so many days before")
    at: str | None = Field(None, pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$", description="at this clock time of that day, e.g. 12:00")
    zone: str = Field("UTC", description="in this IANA zone, e.g. Europe/Stockholm")

    def cutoff(self) -> Cutoff:
        match (self.before_seconds, self.days_before):
            case (int(seconds), None):
                return Lead(seconds * NS_PER_SECOND)
            case (None, int(days)):
                hours, minutes, seconds = (int(part) for part in ((self.at or "00:00") + ":00").split(":")[:3])
                return DaysBefore(days, hours * 3600 + minutes * 60 + seconds, self.zone)
            case _:
                raise Incorrect("cut-off", "relative: give before_seconds, or days_before with at= and zone=")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["values"])

    @routes.get("/api/v1/values/flat", responses=_READ)
    async def flat(request: Request, who: Who, asked: Annotated[FlatAsked, Query()]) -> Response:
        """One row a series and valid_time: what is known of it (as of a moment, where asked)."""
        if asked.max_points is not None:
            return await _thinned(parts, request, who, asked, asked.max_points)
        return await _answer(parts, request, who, asked, FLAT)

    @routes.get("/api/v1/values/overlapping", responses=_READ)
    async def overlapping(request: Request, who: Who, asked: Annotated[ValuesAsked, Query()]) -> Response:
        """One row a series, valid_time and known_time: every forecast of it."""
        return await _answer(parts, request, who, asked, OVERLAPPING)

    @routes.get("/api/v1/values/history", responses=_READ)
    async def history(request: Request, who: Who, asked: Annotated[ValuesAsked, Query()]) -> Response:
        """Every layer, with the value that it led to: who changed what, and when."""
        return await _answer(parts, request, who, asked, HISTORY)

    @routes.get("/api/v1/values/relative", responses=_READ)
    async def relative_values(request: Request, who: Who, asked: Annotated[RelativeAsked, Query()]) -> Response:
        """One row a series and valid_time: what was known by a cut-off relative to it, e.g. the day before at 12:00."""
        return await _answer(parts, request, who, asked, relative(asked.cutoff()))

    @routes.get("/api/v1/latest", responses=_READ)
    async def latest(request: Request, who: Who, asked: Annotated[ValuesAsked, Query()]) -> Response:
        """The newest value of each series."""
        return await _answer(parts, request, who, asked, LATEST)

    return routes


async def _answer(parts: Parts, request: Request, who: Caller, asked: ValuesAsked, shape: Shape) -> Response:
    form, reads = form_of(request), parts.reads
    await reads.after(asked.after, asked.watermark)
    chosen = await select(parts, who, asked)
    at = reads.page(asked.cursor, (shape.name, who.tenant, chosen, asked.model_dump(exclude={"cursor", "after"})), asked.watermark)
    page = await reads.values(shape, selection_of(parts, who, asked, chosen, at))
    following = None if page.after is None else Cursor(at.vector, at.question, at.log, page.after)
    return await answered(parts, request, reads.stream(page.query, form), form.media, at, following)


async def answered(
    parts: Parts, request: Request, rows: AsyncIterator[bytes], media: str, at: Cursor, following: Cursor | None = None
) -> Response:
    """Rows as they are written (JSON: one a line), with what tells the watermark and the next page."""
    headers = {"Varve-Watermark": str(parts.views.token(at.vector))}
    if following is not None:
        headers["Link"] = f'<{request.url.include_query_params(cursor=str(following))}>; rel="next"'
    frame = (b'{"data":', _tail(following)) if media == JSON else None
    return await streamed(request, rows, media, headers, frame)


async def _thinned(parts: Parts, request: Request, who: Caller, asked: FlatAsked, max_points: int) -> Response:
    if asked.cursor is not None or asked.limit or asked.columns:
        raise Incorrect(
            "max-points", "max_points: what is thinned comes in one page, as valid_time and value: leave limit, cursor and columns out"
        )
    form, reads = form_of(request), parts.reads
    await reads.after(asked.after, asked.watermark)
    at = reads.page(None, (), asked.watermark)
    chosen = await reads.listed(who.tenant, at.vector, await select(parts, who, asked))
    table = downsampled(await reads.points(selection_of(parts, who, asked, chosen, at)), max_points, asked.downsample)
    rows = await asyncio.to_thread(written, table, form.media, with_series=len(table.series) != 1)
    return await answered(parts, request, whole(rows), form.media, at)


def selection_of(parts: Parts, who: Caller, asked: ValuesAsked, chosen: Chosen, at: Cursor) -> Selection:
    limit_max = parts.settings.http.page_rows_max
    from_, until = bound_of("from", asked.from_), bound_of("until", asked.until)
    if from_ is not None and until is not None and until < from_:
        raise Incorrect("range-backwards", "until lies before from: nothing lies between them")
    return Selection(
        who.tenant, parts.reads.watermark(at.vector), chosen.ids, from_=from_, until=until,
        known_from=bound_of("known_from", asked.known_from), known_until=bound_of("known_until", asked.known_until),
        as_of_known=bound_of("as_of", asked.as_of), as_of_recorded=bound_of("as_of_recorded", asked.as_of_recorded),
        run_id=None if asked.run_id is None else uuid_of(asked.run_id, "run"), after=at.key, limit=min(asked.limit or limit_max, limit_max),
        value_types=chosen.kinds, columns=tuple(name.strip() for name in asked.columns.split(",")) if asked.columns else (),
    )  # fmt: skip


def _tail(following: Cursor | None) -> Any:
    said = f'"{following}"' if following else "null"
    return lambda count: f',"count":{count},"next":{said}}}'.encode()


async def select(parts: Parts, who: Caller, asked: ChosenAsked) -> Chosen:
    """Named series must be there (404 names the one that is not); filters choose among those that are."""
    named = [(f"key:{key}", id_of(who.tenant, f"key:{key}")) for key in asked.key] + [
        (one, id_of(who.tenant, one)) for one in asked.series_id
    ]
    if named:
        return await parts.reads.named(who.tenant, named)
    return await parts.reads.filtered(who.tenant, parts.views.vector(), asked.filter())
