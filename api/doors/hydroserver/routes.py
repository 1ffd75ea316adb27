"""HydroServer's door: /api/data/..., in its client's words; behind them the same events and queries as everywhere. Log-ins are elsewhere,
in api/access.

Before: the client, whose host is set to ours. After: one file of routes for each family of resources.
"""

from fastapi import APIRouter

from api.doors.hydroserver import (
    routes_attached,
    routes_etl,
    routes_observations,
    routes_people,
    routes_things,
    routes_workspaces,
)
from api.doors.hydroserver.words import NOT_SERVED, not_served
from api.parts import Parts

FAMILIES = (routes_workspaces, routes_people, routes_things, routes_attached, routes_observations, routes_etl)


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["HydroServer"])
    for family in FAMILIES:
        family.add(routes, parts)
    _not_served(routes)
    return routes


def _not_served(routes: APIRouter) -> None:
    for path in NOT_SERVED:

        @routes.get(f"{path}/{{rest:path}}")
        async def read(rest: str) -> None:
            """Not served here: 501."""
            raise not_served(rest)

        @routes.post(f"{path}/{{rest:path}}")
        async def post(rest: str) -> None:
            """Not served here: 501."""
            raise not_served(rest)

        @routes.put(f"{path}/{{rest:path}}")
        async def put(rest: str) -> None:
            """Not served here: 501."""
            raise not_served(rest)

        @routes.patch(f"{path}/{{rest:path}}")
        async def patch(rest: str) -> None:
            """Not served here: 501."""
            raise not_served(rest)

        @routes.delete(f"{path}/{{rest:path}}")
        async def delete(rest: str) -> None:
            """Not served here: 501."""
            raise not_served(rest)
