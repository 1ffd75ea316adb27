"""TempoDB's door: /v1 for its clients of both generations (0.5.0 and 1.0.1); behind it the same events and queries as everywhere.

Before: a TempoDB client with another address. After: series.py, write.py, datasets.py, segments.py, single.py. Only 200 is success
there, 207 where some items of many were refused. A series' path is read undecoded, since keys hold slashes.
"""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Response

from api.doors.tempodb import datasets, segments, series, single, write
from api.doors.tempodb.items import bulk_items, multi_items, series_items
from api.doors.tempodb.names import path_of
from api.doors.tempodb.pages import raw_path
from api.parts import Parts
from api.request import JSON, Caller, caller
from varve.errors import Incorrect

Who = Annotated[Caller, Depends(caller)]
SERIES = "/v1/series/{kind}/{named:path}"


async def credentials(request: Request) -> None:
    """Key and secret come as HTTP basic; any are accepted while there are no keys to check them against."""


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["TempoDB"], dependencies=[Depends(credentials)])
    _add_series(routes, parts)
    _add_writes(routes, parts)
    _add_reads(routes, parts)
    _without_slash(routes)
    _add_one(routes, parts)
    return routes


async def undecoded(
    request: Request,
    kind: Annotated[str, Path(description="key or id")],  # noqa: ARG001
    named: Annotated[str, Path(description="the series' key or id, and what is asked of it")],  # noqa: ARG001
) -> str:
    return raw_path(request)


Asked = Annotated[str, Depends(undecoded)]


def _add_series(routes: APIRouter, parts: Parts) -> None:
    @routes.post("/v1/database/")
    async def create_database(who: Who) -> Response:
        """There is one database a tenant, and it is there: its id; any password is accepted."""
        return Response(orjson.dumps({"id": who.tenant.hex, "password": who.tenant.hex}), media_type=JSON)

    @routes.post("/v1/series/")
    async def create_series(request: Request, who: Who) -> Response:
        """Make a series, with the key given or a random one; with a key that is there it is the same series."""
        return await series.create(parts, request, who)

    @routes.get("/v1/series/")
    async def list_series(request: Request, who: Who) -> Response:
        """Series by id or key (any of them), tag and attr[name]=value (all of them); limit= pages, by Link."""
        return await series.listing(parts, request, who)

    @routes.delete("/v1/series/")
    async def delete_series(request: Request, who: Who) -> Response:
        """Delete the series that the filters choose; without a filter only with allow_truncation=true."""
        return await series.delete_some(parts, request, who)


def _add_writes(routes: APIRouter, parts: Parts) -> None:
    @routes.post("/v1/data/")
    async def write_bulk(request: Request, who: Who) -> Response:
        """Write values of many series at one instant."""
        return await write.write_many(parts, request, who, "set", bulk_items)

    @routes.post("/v1/increment/")
    async def increment_bulk(request: Request, who: Who) -> Response:
        """Add to values of many series at one instant."""
        return await write.write_many(parts, request, who, "add", bulk_items)

    @routes.post("/v1/multi/increment/")
    async def increment_multi(request: Request, who: Who) -> Response:
        """Add to values of many series at many instants; 207 with a status an item where some were refused."""
        return await write.write_many(parts, request, who, "add", multi_items)

    @routes.post("/v1/multi/")
    async def write_multi(request: Request, who: Who) -> Response:
        """Write values of many series at many instants; 207 with a status an item where some were refused."""
        return await write.write_many(parts, request, who, "set", multi_items)


def _add_reads(routes: APIRouter, parts: Parts) -> None:
    @routes.get("/v1/data/")
    async def read(request: Request, who: Who) -> Response:
        """A DataSet of each series that the filters choose: raw, rolled up by interval and function, or as the span's length suggests."""
        return await datasets.of_many(parts, request, who)

    @routes.get("/v1/single/")
    async def single_values(request: Request, who: Who) -> Response:
        """Of each series that the filters choose, the point at ts, or before, after, nearest to it."""
        return await single.of_many(parts, request, who)

    @routes.get("/v1/segment/")
    async def aggregate(request: Request, who: Who) -> Response:
        """One series out of many: values at equal instants folded by aggregation.fold, after rollup and interpolation; pages by Link."""
        return await segments.aggregate(parts, request, who)

    @routes.get("/v1/multi/")
    async def read_multi(request: Request, who: Who) -> Response:
        """Values of many series side by side, one row an instant; pages by Link."""
        return await segments.multi(parts, request, who)


def _without_slash(routes: APIRouter) -> None:
    """Clients differ about the last slash; a redirect would lose a body."""
    for route in list(routes.routes):
        endpoint: Any = route
        routes.add_api_route(endpoint.path.removesuffix("/"), endpoint.endpoint, methods=list(endpoint.methods), include_in_schema=False)


def _add_one(routes: APIRouter, parts: Parts) -> None:
    reads = {
        "data/rollups/segment": segments.rollups,
        "segment": segments.one,
        "find": segments.find,
        "summary": datasets.summary,
        "single": single.of_one,
        "data": datasets.of_one,
    }

    @routes.get(SERIES)
    async def read_one(path: Asked, request: Request, who: Who) -> Response:
        """Of the series key/KEY or id/ID: itself; /data/ a DataSet; /segment, /data/rollups/segment, /find points; /summary; /single."""
        named, action = path_of(path, tuple(reads))
        return await reads[action](parts, request, who, named) if action else await series.one(parts, who, named)

    @routes.post(SERIES)
    async def write_one(path: Asked, request: Request, who: Who) -> Response:
        """Of the series key/KEY or id/ID: /data/ writes points, /increment/ adds to them; a series that is not there is made."""
        named, action = path_of(path, ("data", "increment"))
        if not action:
            raise Incorrect("path", "POST to the series' /data/ or /increment/")
        return await write.write_one(parts, request, who, "set" if action == "data" else "add", lambda found: series_items(found, named))

    @routes.put(SERIES)
    async def update_series(path: Asked, request: Request, who: Who) -> Response:
        """Replace name, tags and attributes of the series key/KEY or id/ID."""
        return await series.update(parts, request, who, path_of(path, ())[0])

    @routes.delete(SERIES)
    async def delete_one(path: Asked, request: Request, who: Who) -> Response:
        """Of the series key/KEY or id/ID: itself; /data/ the points in [start, end)."""
        named, action = path_of(path, ("data",))
        return await write.delete_range(parts, request, who, named) if action else await series.delete_one(parts, who, named)
