"""Series: create, find, describe. What a series holds is read in values.py.

Before: request.py. After: api/append.py for writes, reads.py for reads. Creating twice is the same series (its id is its key's).
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.append import append, told
from api.bodies.points import stamped
from api.listings import BEGINS, SeriesFilter, series_key
from api.names import id_of
from api.native.lists import ListAsked, paged
from api.native.words import WRITTEN, json_body
from api.parts import Parts
from api.request import Caller, WriteAsked, caller, parsed, read_json
from api.stamps import new_series_id, series_id_of
from varve.errors import Conflict, Incorrect, NotFound
from varve.events import Key, SeriesDefined, SeriesDescribed, ValueType
from varve.record import single
from varve.series import series_id

Who = Annotated[Caller, Depends(caller)]


class Description(BaseModel):
    """Of a change: a field that is present replaces, null clears, absent stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(None, max_length=512)
    description: str | None = Field(None, max_length=4096)
    unit: str | None = Field(None, max_length=128)
    tags: list[str] | None = None
    attributes: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class NewSeries(Description):
    key: Key | None = Field(None, description="unique in the tenant; a series without one is known by its id alone")
    value_type: ValueType | None = Field(None, description="number where absent; it never changes")


class SeriesAsked(ListAsked):
    key: list[str] = Field([], description="repeat for several")
    name: str | None = None
    description: str | None = None
    unit: str | None = None
    tag: list[str] = Field([], description="a series must have all of them")
    attribute: list[str] = Field([], description="name:value; a series must have all of them")
    label: list[str] = Field([], description="name:value; a series must have all of them")
    prefix: str | None = Field(None, description="beginning of the key")
    begins: list[str] = Field([], description="name:text, description:text or unit:text, how that field begins; repeat for several")

    def filter(self) -> SeriesFilter:
        begins = tuple(_begins(one) for one in self.begins)
        if len(dict(begins)) < len(begins):
            raise Incorrect("filter-incorrect", "begins: one beginning a field")
        return SeriesFilter(
            keys=tuple(self.key), name=self.name, description=self.description, unit=self.unit, tags=tuple(self.tag), prefix=self.prefix,
            begins=begins,
            attributes=tuple(_pair("attribute", one) for one in self.attribute), labels=tuple(_pair("label", one) for one in self.label),
        )  # fmt: skip


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["series"])

    @routes.post("/api/v1/series", openapi_extra=json_body(NewSeries), responses=WRITTEN)
    async def create_series(request: Request, who: Who, asked: Annotated[WriteAsked, Query()]) -> Response:
        """Create a series; with a key that is there it is the same series, and what is given here is set on it."""
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        new, stamp = parsed(NewSeries, found), who.stamp(parts.clock, raw)
        if new.key is not None:
            ident = series_id(who.tenant, new.key)
        else:
            ident = new_series_id() if stamp.event_id is None else series_id_of(stamp.event_id)
        holds = await parts.catalog.learn_id(who.tenant, ident)
        if holds is not None and new.value_type not in (None, holds):
            raise Conflict("value-type", f"series {new.key or ident} is there and holds {holds}: a value type never changes")
        given = new.model_dump(exclude_unset=True, exclude_none=True, exclude={"key", "value_type"})
        kind: dict[str, Any] = {} if holds is not None else {"value_type": new.value_type or "number"}
        event = SeriesDefined(series_id=ident, **({"series": new.key} if new.key else {}), **given, **kind, **stamped(who.tenant, stamp))
        written = await append(parts, single(event), asked.wait)
        return told(written, {"series_id": str(ident), "key": new.key, "token": str(written.token)}, 201)

    @routes.get("/api/v1/series")
    async def find_series(who: Who, asked: Annotated[SeriesAsked, Query()]) -> Response:
        """Series that match every filter, by key."""
        await parts.reads.after(asked.after)
        at = parts.reads.page(asked.cursor, ("series", who.tenant, asked.filter()))
        rows = await parts.reads.series(who.tenant, at.vector, asked.filter(), at.key, asked.limit + 1)
        return paged("series", rows, asked.limit, at, series_key)

    @routes.get("/api/v1/series/{series:path}")
    async def one_series(series: str, who: Who, after: str | None = None) -> dict[str, Any]:
        """One series, by its id or as key:<key>; series_version is what if_series_version compares with."""
        await parts.reads.after(after)
        return await _one(parts, who, series)

    @routes.patch("/api/v1/series/{series:path}", openapi_extra=json_body(Description), responses=WRITTEN)
    async def describe_series(series: str, request: Request, who: Who, asked: Annotated[WriteAsked, Query()]) -> Response:
        """Change how a series is described: present replaces, null clears, absent stays."""
        raw, found = await read_json(request, parts.settings.http.body_mb_max)
        change, stamp, ident = parsed(Description, found), who.stamp(parts.clock, raw), id_of(who.tenant, series)
        if not change.model_fields_set:
            raise Incorrect("nothing-to-change", "the body names no field: send name, description, unit, tags, attributes or labels")
        if await parts.catalog.learn_id(who.tenant, ident) is None:
            raise unknown(series)
        event = SeriesDescribed(series_id=ident, **change.model_dump(exclude_unset=True), **stamped(who.tenant, stamp))
        written = await append(parts, single(event), asked.wait)
        return told(written, {"series_id": str(ident), "token": str(written.token)})

    return routes


async def _one(parts: Parts, who: Caller, series: str) -> dict[str, Any]:
    ident = id_of(who.tenant, series)
    found = await parts.reads.series(who.tenant, parts.views.vector(), SeriesFilter(ids=(ident,)))
    if not found:
        raise unknown(series)
    return found[0] | {"series_version": await parts.reads.series_version(who.tenant, ident)}


def unknown(series: str) -> NotFound:
    return NotFound("series-unknown", f"there is no series {series} in this tenant")


def _begins(text: str) -> tuple[str, str]:
    name, beginning = _pair("begins", text)
    if name not in BEGINS:
        raise Incorrect("filter-incorrect", f"begins: '{name[:40]}' is none of {', '.join(BEGINS)}; the key has prefix=")
    return name, beginning


def _pair(what: str, text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise Incorrect("filter-malformed", f"{what}: '{text}' is not name:value")
    return name, value
