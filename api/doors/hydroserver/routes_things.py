"""Routes of things, of the vocabularies and of datastreams.

Before: routes.py. After: things.py, vocabularies.py, datastreams.py.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.doors.hydroserver import datastream_lists, datastreams, things, vocabularies
from api.doors.hydroserver.vocabularies import FAMILIES, Family
from api.doors.hydroserver.words import PREFIX, ident_of
from api.parts import Parts
from api.request import Caller, caller

Who = Annotated[Caller, Depends(caller)]
_THINGS = f"{PREFIX}/things"
_DATASTREAMS = f"{PREFIX}/datastreams"


def add(routes: APIRouter, parts: Parts) -> None:
    _things(routes, parts)
    for family in FAMILIES:
        _vocabulary(routes, parts, family)
    _datastreams(routes, parts)


def _things(routes: APIRouter, parts: Parts) -> None:
    one = f"{_THINGS}/{{thing_id}}"

    @routes.get(_THINGS)
    async def listed(request: Request, who: Who) -> Response:
        """The things that the caller may see."""
        return await things.listed(parts, request, who)

    @routes.post(_THINGS, status_code=201)
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """Make a thing in a workspace."""
        return await things.create(parts, request, who)

    @routes.get(one)
    async def read(thing_id: str, request: Request, who: Who) -> dict[str, Any]:
        """One thing."""
        return await things.read(parts, request, who, ident_of(thing_id, "thing"))

    @routes.patch(one)
    async def change(thing_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Change fields of a thing, or of its location."""
        return await things.change(parts, request, who, ident_of(thing_id, "thing"))

    @routes.delete(one, status_code=204)
    async def delete(thing_id: str, who: Who) -> Response:
        """Delete a thing with its datastreams."""
        return await things.delete(parts, who, ident_of(thing_id, "thing"))


def _vocabulary(routes: APIRouter, parts: Parts, family: Family) -> None:
    every, noun = f"{PREFIX}/{family.path}", family.noun.replace("-", " ")
    one = f"{every}/{{ident}}"

    @routes.get(every, description=f"The {family.path.replace('-', ' ')} that the caller may see.")
    async def listed(request: Request, who: Who) -> Response:
        return await vocabularies.listed(parts, request.query_params, who, family)

    @routes.post(every, status_code=201, description=f"Make one ({noun}), of a workspace or of none.")
    async def create(request: Request, who: Who) -> dict[str, Any]:
        return await vocabularies.create(parts, request, who, family)

    @routes.get(one, description=f"One {noun}.")
    async def read(ident: str, request: Request, who: Who) -> dict[str, Any]:
        return await vocabularies.read(parts, request.query_params, who, family, ident_of(ident, noun))

    @routes.patch(one, description=f"Change fields of one ({noun}).")
    async def change(ident: str, request: Request, who: Who) -> dict[str, Any]:
        return await vocabularies.change(parts, request, who, family, ident_of(ident, noun))

    @routes.delete(one, status_code=204, description=f"Delete one ({noun}) that no datastream uses.")
    async def delete(ident: str, who: Who) -> Response:
        return await vocabularies.delete(parts, who, family, ident_of(ident, noun))


def _datastreams(routes: APIRouter, parts: Parts) -> None:
    one = f"{_DATASTREAMS}/{{datastream_id}}"

    @routes.get(_DATASTREAMS)
    async def listed(request: Request, who: Who) -> Response:
        """The datastreams that the caller may see."""
        return await datastream_lists.listed(parts, request, who)

    @routes.post(_DATASTREAMS, status_code=201)
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """Make a datastream, and with it a series of the same id."""
        return await datastreams.create(parts, request, who)

    @routes.get(one)
    async def read(datastream_id: str, request: Request, who: Who) -> dict[str, Any]:
        """One datastream, with how many observations it has, and from when to when."""
        return await datastreams.read(parts, request, who, ident_of(datastream_id, "datastream"))

    @routes.patch(one)
    async def change(datastream_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Change fields of a datastream."""
        return await datastreams.change(parts, request, who, ident_of(datastream_id, "datastream"))

    @routes.delete(one, status_code=204)
    async def delete(datastream_id: str, who: Who) -> Response:
        """Delete a datastream with its series."""
        return await datastreams.delete(parts, who, ident_of(datastream_id, "datastream"))
