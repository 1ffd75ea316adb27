"""HydroServer's door: /api/data/..., in its client's words; behind them the same events and queries as everywhere. Log-ins are elsewhere,
in api/access.

Before: the client, whose host is set to ours. After: one file of routes for each family of resources.
"""

from fastapi import APIRouter

from api.doors.hydroserver import routes_etl, routes_observations, routes_people, routes_things, routes_workspaces
from api.parts import Parts


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["HydroServer"])
    for family in (routes_workspaces, routes_people, routes_things, routes_observations, routes_etl):
        family.add(routes, parts)
    return routes
