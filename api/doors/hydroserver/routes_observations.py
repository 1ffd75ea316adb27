"""HydroServer's routes of a datastream's observations.

Before: the client. After: observations.py. api/access has asked for a key; permission.py decides what it may.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.doors.hydroserver import observations
from api.doors.hydroserver.observations_write import Turns
from api.doors.hydroserver.words import PREFIX, ident_of
from api.parts import Parts
from api.request import Caller, caller

Who = Annotated[Caller, Depends(caller)]
OBSERVATIONS = f"{PREFIX}/datastreams/{{datastream_id}}/observations"


def add(routes: APIRouter, parts: Parts) -> None:
    turns = Turns()
    _many(routes, parts, turns)
    _single(routes, parts, turns)


def _many(routes: APIRouter, parts: Parts, turns: Turns) -> None:
    @routes.get(OBSERVATIONS)
    async def listed(datastream_id: str, request: Request, who: Who) -> Response:
        """A page of a datastream's observations, as format=record (the default), row or column."""
        return await observations.listed(parts, request, who, ident_of(datastream_id, "datastream"))

    @routes.post(f"{OBSERVATIONS}/bulk-create", status_code=201)
    async def bulk_create(datastream_id: str, request: Request, who: Who) -> Response:
        """Add observations, all or none, in mode insert, append (the default), backfill or replace."""
        return await observations.bulk_create(parts, turns, request, who, ident_of(datastream_id, "datastream"))

    @routes.post(f"{OBSERVATIONS}/bulk-delete", status_code=204)
    async def bulk_delete(datastream_id: str, request: Request, who: Who) -> Response:
        """Delete observations from phenomenonTimeStart to phenomenonTimeEnd, both included."""
        return await observations.bulk_delete(parts, request, who, ident_of(datastream_id, "datastream"))


def _single(routes: APIRouter, parts: Parts, turns: Turns) -> None:
    @routes.post(OBSERVATIONS, status_code=201)
    async def create(datastream_id: str, request: Request, who: Who) -> Response:
        """Add one observation; 409 where there is one at its time."""
        return await observations.create(parts, turns, request, who, ident_of(datastream_id, "datastream"))

    @routes.get(f"{OBSERVATIONS}/{{observation_id}}")
    async def one(datastream_id: str, observation_id: str, who: Who) -> Response:
        """One observation."""
        return await observations.one(parts, who, ident_of(datastream_id, "datastream"), ident_of(observation_id, "observation"))

    @routes.delete(f"{OBSERVATIONS}/{{observation_id}}", status_code=204)
    async def delete(datastream_id: str, observation_id: str, who: Who) -> Response:
        """Delete one observation."""
        return await observations.delete(parts, who, ident_of(datastream_id, "datastream"), ident_of(observation_id, "observation"))
