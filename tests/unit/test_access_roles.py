"""Every route of the application says in api/access/roles.py which role it needs; tests/integration/test_access_matrix.py asks them all."""

from typing import Any, cast

from api.access.guard import names_of
from api.access.roles import ROUTES, Open, needed
from api.app import create_app
from varve.access import Role

MAKES_NOTHING = {"POST /v1/database", "POST /v1/database/", "POST /datareservoir/api/metadata/search"}


def names() -> set[str]:
    return {name for route in create_app(cast(Any, None)).routes for name in names_of(route)}


def test_every_route_has_a_role() -> None:
    assert sorted(names() - set(ROUTES)) == [], "say in api/access/roles.py who may ask these; until then the operator alone may"


def test_every_role_is_of_a_route() -> None:
    assert sorted(set(ROUTES) - names()) == []


def test_what_changes_something_needs_more_than_to_read() -> None:
    reading = {name for name, role in ROUTES.items() if role in (Role.READ, Open.ALL) and name.split()[0] not in ("GET", "WS", "ANY")}
    assert reading == MAKES_NOTHING


def test_a_route_that_was_forgotten_is_the_operators_alone() -> None:
    assert needed("GET /api/v1/forgotten") is Role.OPERATOR


def test_what_checks_for_itself_is_known() -> None:
    """Each of these has tests of its own: log-ins, signed addresses, signed steps."""
    own = {name.split()[1].removeprefix("/timetric") for name, role in ROUTES.items() if role is Open.OWN}
    signed = {"/datareservoir/files/{file_id}", "/datareservoir/days/{series_id}/{day}"}
    steps = {"/oauth/request_token/", "/oauth/authorize/", "/oauth/access_token/"}
    assert own == signed | steps | {"/api/auth/app/session", "/datareservoir/oauth/token", "/account", "/datareservoir/account", "/load"}
