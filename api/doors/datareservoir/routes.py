"""DataReservoir's door: /datareservoir/api/..., in its client's words; behind them the same events and queries as everywhere. Addresses
of files and days are signed, since the client asks them without its token.

Before: the client, whose base URL is set to ours. After: transfer.py, series.py and metadata.py. api/access checks the token.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.doors.datareservoir import assigned, metadata, samples, series, transfer
from api.doors.datareservoir.days import Digests
from api.doors.datareservoir.words import API, PREFIX, ident_of
from api.parts import Parts
from api.request import Caller, caller
from varve.instants import format_instant

Who = Annotated[Caller, Depends(caller)]


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["DataReservoir"])
    _files(routes, parts)
    _assigned(routes, parts)
    _series(routes, parts)
    _reads(routes, parts)
    _metadata(routes, parts)
    return routes


def _files(routes: APIRouter, parts: Parts) -> None:
    @routes.post(f"{API}/files/upload")
    async def upload(request: Request, who: Who) -> dict[str, Any]:
        """Where to put the lines of one file: an address that is signed, for an hour."""
        return transfer.address(parts, request, who)

    @routes.put(f"{PREFIX}/files/{{file_id}}", status_code=201)
    async def put(file_id: str, request: Request) -> Response:
        """Put a file's lines: nanoseconds and value, without a header. Again is allowed until it is committed."""
        return await transfer.receive(parts, request, file_id)

    @routes.post(f"{API}/files/commit", status_code=204)
    async def commit(request: Request, who: Who) -> Response:
        """The file is complete: it is validated from now on."""
        return await transfer.commit(parts, request, who)

    @routes.get(f"{API}/files/{{file_id}}/status")
    async def status(file_id: str, who: Who) -> dict[str, Any]:
        """Ready, or Failed with the line; waits some seconds for either."""
        return await transfer.status(parts, who, ident_of(file_id, "file"))

    @routes.get(f"{API}/ping")
    async def ping(_who: Who) -> dict[str, Any]:
        """The server answers."""
        return {"Time": format_instant(parts.clock.now()), "Status": "pong", "BackendStatus": {}, "AuthScheme": "Bearer", "Claims": []}


def _series(routes: APIRouter, parts: Parts) -> None:
    @routes.post(f"{API}/timeseries/create")
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """A series of an uploaded file (form field FileId)."""
        return await transfer.create(parts, request, who)

    @routes.post(f"{API}/timeseries/add")
    async def add(request: Request, who: Who) -> dict[str, Any]:
        """An uploaded file's points into a series (form fields TimeSeriesId, FileId): what is there at the same times is overwritten."""
        return await transfer.add(parts, request, who)

    @routes.put(f"{API}/timeseries/{{series_id}}")
    async def create_empty(series_id: str, who: Who) -> dict[str, Any]:
        """An empty series under an id of the client's choice."""
        return await series.create_empty(parts, who, ident_of(series_id, "time series"))

    @routes.get(f"{API}/timeseries/{{series_id}}")
    async def about(series_id: str, who: Who) -> dict[str, Any]:
        """Times of the first and last sample, who made and changed it, its metadata."""
        return await series.about(parts, who, ident_of(series_id, "time series"))

    @routes.delete(f"{API}/timeseries/{{series_id}}")
    async def delete(series_id: str, who: Who) -> Response:
        """Delete a series, and take it off its metadata."""
        return await series.delete(parts, who, ident_of(series_id, "time series"))


def _reads(routes: APIRouter, parts: Parts) -> None:
    digests = Digests()

    @routes.get(f"{API}/timeseries/{{series_id}}/data/days")
    async def listed_days(series_id: str, request: Request, who: Who) -> Response:
        """The UTC days that hold samples in [start, end], each with the MD5 of its text and a signed address."""
        return await series.listed_days(parts, digests, request, who, ident_of(series_id, "time series"))

    @routes.get(f"{API}/reservoir/timeseries/{{series_id}}/samples/aggregate")
    async def aggregate(series_id: str, request: Request, who: Who) -> Response:
        """Avg, Min, Max or Stdev by period, a page of them, with the next page's address."""
        return await samples.aggregate(parts, request, who, ident_of(series_id, "time series"))

    @routes.get(f"{API}/reservoir/timeseries/{{series_id}}/samples/raw")
    async def raw(series_id: str, request: Request, who: Who) -> Response:
        """Samples as they are, a page of them, with the next page's address."""
        return await samples.raw(parts, request, who, ident_of(series_id, "time series"))

    @routes.get(f"{PREFIX}/days/{{series_id}}/{{day}}")
    async def one_day(series_id: str, day: str, request: Request) -> Response:
        """A day's lines, by a signed address."""
        return await series.one_day(parts, request, series_id, day)


def _assigned(routes: APIRouter, parts: Parts) -> None:
    @routes.get(f"{API}/timeseries/search/{{words:path}}")
    async def search(words: str, who: Who) -> Any:
        """Series by their metadata: NAMESPACE[/KEY[/NAME[/VALUE]]], of the key its beginning, of the value its beginning or end."""
        return await assigned.find(parts, who, words.split("/", 3))

    @routes.put(f"{API}/timeseries/{{series_id}}/metadata")
    async def assign(series_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Put metadata, by a list of ids, on a series."""
        ident = await series.known(parts, who, ident_of(series_id, "time series"))
        await assigned.assign(parts, request, who, ident)
        return await series.about(parts, who, ident)

    @routes.delete(f"{API}/timeseries/{{series_id}}/metadata")
    async def remove(series_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Take metadata, by a list of ids, off a series; the metadata stays."""
        ident = await series.known(parts, who, ident_of(series_id, "time series"))
        await assigned.remove(parts, request, who, ident)
        return await series.about(parts, who, ident)


def _metadata(routes: APIRouter, parts: Parts) -> None:
    @routes.put(f"{API}/metadata/{{pair:path}}")
    async def put(pair: str, request: Request, who: Who) -> dict[str, Any]:
        """Set the fields under NAMESPACE/KEY; 409 where there are some and overwrite is false."""
        return await metadata.put(parts, request, who, pair)

    @routes.get(f"{API}/metadata/{{asked:path}}")
    async def read(asked: str, who: Who) -> Any:
        """One entry by its id or as NAMESPACE/KEY; the keys of NAMESPACE; all namespaces."""
        return await metadata.read(parts, who, asked)

    @routes.post(f"{API}/metadata/search")
    async def find(request: Request, who: Who) -> list[dict[str, Any]]:
        """Entries of a namespace whose keys begin so, with all of these fields."""
        return await metadata.find(parts, request, who)

    @routes.delete(f"{API}/metadata/{{metadata_id}}", status_code=204)
    async def delete(metadata_id: str, who: Who) -> Response:
        """Delete an entry, and take it off its series."""
        return await metadata.delete(parts, who, ident_of(metadata_id, "metadata"))
