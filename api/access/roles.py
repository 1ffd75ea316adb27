"""Which role each route needs: the one place that says so. A route that is not here is the operator's alone, and a test fails.

Before: app.py has every route. After: guard.py asks before the route reads anything. "WS" is a WebSocket, "ANY" all below a path.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

from varve.access import Role

_TIMETRIC = ("", "/timetric")
_SLASHES = ("", "/")
_RESERVOIR = "/datareservoir/api"
_HYDRO = "/api/data"
_VOCABULARIES = tuple(f"{_HYDRO}/{one}" for one in ("observed-properties", "units", "sensors", "processing-levels", "result-qualifiers"))
_THINGS, _DATASTREAMS, _WORKSPACES = (f"{_HYDRO}/{one}" for one in ("things", "datastreams", "workspaces"))
_OBSERVATIONS = f"{_HYDRO}/datastreams/{{datastream_id}}/observations"
_NOT_SERVED = tuple(
    f"{one}/{{rest:path}}" for one in (f"{_HYDRO}/monitoring", f"{_HYDRO}/products", f"{_HYDRO}/quality-control", "/api/sensorthings")
)
_THING, _DATASTREAM, _WORKSPACE = f"{_THINGS}/{{thing_id}}", f"{_DATASTREAMS}/{{datastream_id}}", f"{_WORKSPACES}/{{workspace_id}}"

_CONNECTIONS, _TASKS = f"{_HYDRO}/etl/data-connections", f"{_HYDRO}/etl/tasks"
_CONNECTION, _TASK = f"{_CONNECTIONS}/{{connection_id}}", f"{_TASKS}/{{task_id}}"


class Open(Enum):
    """Nobody is asked. ALL: the route tells nothing of anybody's. OWN: it checks for itself what it is given, keys count for nothing."""

    ALL = "all"
    OWN = "own"


def _routes(methods: str, *paths: str) -> list[str]:
    return [f"{method} {path}" for path in paths for method in methods.split()]


def _both(methods: str, *paths: str) -> list[str]:
    """With the last slash and without."""
    return _routes(methods, *(path + slash for path in paths for slash in _SLASHES))


_ALL = [
    *_routes("GET", "/healthz", "/readyz", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"),
    "GET /",  # TimeDB's clients look there whether an API answers
]
_OWN = [
    "PUT /datareservoir/files/{file_id}",  # these two are asked with a signed address
    "GET /datareservoir/days/{series_id}/{day}",
    *_routes("POST DELETE", "/api/auth/app/session"),  # and these are how one comes to be known
    "POST /datareservoir/oauth/token",
    *_routes("GET POST", "/account", "/datareservoir/account"),
    *_routes("GET POST", "/load"),  # a form: a key stands in it, for a role that may write
    *_routes("GET", *(f"{own}/oauth/{step}/" for own in _TIMETRIC for step in ("request_token", "authorize", "access_token"))),
    *_routes("POST", *(f"{own}/oauth/authorize/" for own in _TIMETRIC)),
]
_READ = [
    *_routes("GET", "/api/v1/status", "/api/v1/me", "/api/v1/me/oauth1", "/api/v1/outcomes/{event_id}", "/api/v1/deletions"),
    *_routes("GET", "/api/v1/runs", "/api/v1/runs/{run_id}"),
    *_routes("GET", *(f"/api/v1/values/{shape}" for shape in ("flat", "overlapping", "history", "relative"))),
    *_routes("GET", "/api/v1/latest", "/api/v1/rollups", "/api/v1/series", "/api/v1/series/{series:path}", "/api/v1/events"),
    *_routes("GET", "/api/v1/entities/{kind}", "/api/v1/entities/{kind}/{ident:path}", "/api/v1/entity-versions/{kind}/{ident:path}"),
    *_routes("GET", "/api/v1/live", "/list_timeseries", "/values"),
    "WS /api/v1/live/ws",
    "ANY /generations",
    *_both("POST", "/v1/database"),
    *_both("GET", "/v1/series", "/v1/data", "/v1/single", "/v1/segment", "/v1/multi"),
    "GET /v1/series/{kind}/{named:path}",
    *_routes("GET", *(f"{own}/series/{{ident}}/{what}/" for own in _TIMETRIC for what in ("value/json", "csv"))),
    *_routes("GET", *(f"{_RESERVOIR}/{what}" for what in ("ping", "files/{file_id}/status", "timeseries/{series_id}"))),
    f"GET {_RESERVOIR}/timeseries/{{series_id}}/data/days",
    *_routes("GET", *(f"{_RESERVOIR}/reservoir/timeseries/{{series_id}}/samples/{what}" for what in ("raw", "aggregate"))),
    *_routes("GET", f"{_RESERVOIR}/timeseries/search/{{words:path}}", f"{_RESERVOIR}/metadata/{{asked:path}}"),
    f"POST {_RESERVOIR}/metadata/search",
    *_routes("GET", _CONNECTIONS, _CONNECTION, _TASKS, _TASK, f"{_TASK}/runs", f"{_TASK}/runs/{{run_id}}"),
    *_routes("GET", _OBSERVATIONS, f"{_OBSERVATIONS}/{{observation_id}}"),
    *_routes("GET", f"{_HYDRO}/roles", f"{_HYDRO}/roles/{{role_id}}", f"{_WORKSPACE}/collaborators", f"{_WORKSPACE}/api-keys"),
    *_routes("GET", f"{_WORKSPACE}/api-keys/{{key_id}}", _WORKSPACES, _WORKSPACE, _THINGS, _THING, _DATASTREAMS, _DATASTREAM),
    *_routes(
        "GET", *(f"{one}/{what}" for one in (_THING, _DATASTREAM) for what in ("tags", "file-attachments", "file-attachments/{name}"))
    ),
    *_routes("GET", *_NOT_SERVED),
    *_routes("GET", *(one for path in _VOCABULARIES for one in (path, f"{path}/{{ident}}"))),
]
_WRITE = [
    *_routes("POST PATCH", "/api/v1/points"),
    *_routes("POST PUT DELETE", "/api/v1/series/{series:path}/points"),
    *_routes("POST", "/api/v1/increments", "/api/v1/series/{series:path}/increments", "/api/v1/series/{series:path}/latest/increment"),
    *_routes("POST", "/api/v1/runs", "/api/v1/runs/{run_id}/points", "/api/v1/runs/{run_id}/seal", "/api/v1/series"),
    *_routes("PATCH DELETE", "/api/v1/series/{series:path}"),
    *_routes("PUT DELETE", "/api/v1/entities/{kind}/{ident:path}"),
    *_routes("POST", "/series", "/upload", "/runs"),
    "PUT /values",
    *_both("POST", "/v1/series", "/v1/data", "/v1/increment", "/v1/multi", "/v1/multi/increment"),
    *_both("DELETE", "/v1/series"),
    *_routes("POST PUT DELETE", "/v1/series/{kind}/{named:path}"),
    *_routes("POST", *(f"{own}/create/" for own in _TIMETRIC)),
    *_routes("POST PUT DELETE", *(f"{own}/series/{{ident}}/" for own in _TIMETRIC)),
    *_routes("POST", *(f"{_RESERVOIR}/{what}" for what in ("files/upload", "files/commit", "timeseries/create", "timeseries/add"))),
    *_routes("PUT DELETE", f"{_RESERVOIR}/timeseries/{{series_id}}", f"{_RESERVOIR}/timeseries/{{series_id}}/metadata"),
    *_routes("PUT", f"{_RESERVOIR}/metadata/{{pair:path}}"),
    *_routes("DELETE", f"{_RESERVOIR}/metadata/{{metadata_id}}"),
    *_routes("POST", _CONNECTIONS, _TASKS, f"{_TASK}/trigger"),
    *_routes("PATCH DELETE", _CONNECTION, _TASK),
    *_routes("POST", _WORKSPACES, _THINGS, _DATASTREAMS, *_VOCABULARIES),  # what in a workspace, that door asks for itself
    *_routes("PATCH DELETE", _WORKSPACE, _THING, _DATASTREAM, *(f"{path}/{{ident}}" for path in _VOCABULARIES)),
    *_routes("POST", _OBSERVATIONS, f"{_OBSERVATIONS}/bulk-create", f"{_OBSERVATIONS}/bulk-delete"),
    f"DELETE {_OBSERVATIONS}/{{observation_id}}",
    *_routes("POST PUT DELETE", f"{_WORKSPACE}/transfer", f"{_WORKSPACE}/collaborators"),
    *_routes("POST PUT DELETE", *(f"{one}/{what}" for one in (_THING, _DATASTREAM) for what in ("tags", "file-attachments"))),
    *_routes("POST PUT PATCH DELETE", *_NOT_SERVED),
    *_routes("POST", f"{_WORKSPACE}/api-keys"),
    *_routes("PATCH DELETE", f"{_WORKSPACE}/api-keys/{{key_id}}"),
    *_routes("PUT", f"{_WORKSPACE}/api-keys/{{key_id}}/regenerate"),
]
_USERS = [
    *_routes("GET POST", "/api/v1/users"),
    "GET /api/v1/tenants",
    *_routes("POST", *(f"/api/v1/users/{{email}}/{what}" for what in ("key", "deactivate", "activate", "password"))),
]
_ADMIN = ["POST /api/v1/purges", *_USERS]
_OPERATOR = [  # all tenants' at once
    "POST /api/v1/tenants",
    "GET /api/v1/loading",
    *_routes("GET POST", "/api/v1/generations"),
    *_routes("GET", "/api/v1/generations/{generation}/differences"),
    *_routes("POST", "/api/v1/generations/{generation}/serve"),
    *_routes("DELETE", "/api/v1/generations/{generation}"),
]

# Asked for a key also while access is off: who could make users now could do everything once it is on.
ALWAYS = frozenset([*_USERS, "POST /api/v1/tenants"])
# Answers without an end: they end with the key.
TAILS = frozenset({"GET /api/v1/live", "WS /api/v1/live/ws"})


def _table(rows: Iterable[tuple[Role | Open, Iterable[str]]]) -> Mapping[str, Role | Open]:
    return {route: role for role, routes in rows for route in routes}


ROUTES = _table(
    (
        (Open.ALL, _ALL), (Open.OWN, _OWN), (Role.READ, _READ), (Role.WRITE, _WRITE), (Role.ADMIN, _ADMIN), (Role.OPERATOR, _OPERATOR),
    )
)  # fmt: skip


def needed(route: str) -> Role | Open:
    return ROUTES.get(route, Role.OPERATOR)
