"""The FastAPI application of given parts: every route of the native API and of each door, one error handler. No IO here.

Before: server.py or a test makes the parts. After: uvicorn serves it.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from fastapi import FastAPI

from api import errors
from api.access import dance, oauth2, sessions
from api.access.guard import guard
from api.doors.datareservoir import routes as datareservoir
from api.doors.datareservoir.words import WORDING as DATARESERVOIR
from api.doors.hydroserver import routes as hydroserver
from api.doors.hydroserver.words import WORDING as HYDROSERVER
from api.doors.tempodb import routes as tempodb
from api.doors.tempodb.words import WORDING as TEMPODB
from api.doors.timedb import routes as timedb
from api.doors.timedb.words import WORDING as TIMEDB
from api.doors.timetric import routes as timetric
from api.doors.timetric.words import WORDING as TIMETRIC
from api.load import routes as load
from api.named import NamedGenerations
from api.native import (
    deletions,
    entities,
    events,
    generations,
    increments,
    live,
    loading,
    points,
    rollups,
    runs,
    series,
    status,
    updates,
    users,
    values,
)
from api.parts import Parts

# routes are tried one after another: what is asked most comes first
_NATIVE = (points, increments, deletions, updates, runs, values, rollups, series, entities, live, events)
_DOORS = (timedb, tempodb, timetric, datareservoir, hydroserver)
_ACCESS = (users, sessions, oauth2, dance)
WORDINGS = (TIMEDB, TEMPODB, TIMETRIC, DATARESERVOIR, HYDROSERVER)


def create_app(parts: Parts) -> FastAPI:
    app = _app_of(parts, (*_NATIVE, status, generations, *_ACCESS, *_DOORS, loading, load))
    app.mount("/generations", NamedGenerations(parts, lambda own: _guarded(_app_of(own, (*_NATIVE, status, *_DOORS)), own)))
    return _guarded(app, parts)


def _guarded(app: FastAPI, parts: Parts) -> FastAPI:
    guard(app.routes, parts)
    return app


def _app_of(parts: Parts, rooms: Iterable[ModuleType]) -> FastAPI:
    app = FastAPI(
        title="Varve",
        version=own_version(),
        description="Bitemporal time series: nothing is ever overwritten. Native routes under /api/v1; TimeDB's at /.",
    )
    for room in rooms:
        app.router.routes.extend(room.router(parts).routes)  # not include_router, which makes its own of each when asked
    errors.install(app, WORDINGS)
    return app


def own_version() -> str:
    try:
        return version("varvedb")
    except PackageNotFoundError:
        return "0"
