"""Who may ask what: every route of the application, by nobody, by wrong and inactive keys, by another tenant's, by each role's."""

from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.access.guard import names_of
from api.access.roles import Open, needed
from api.app import create_app
from tests.integration.guarded_server import TENANT, Guarded
from varve.access import Role

pytestmark = pytest.mark.slow
NAMES = sorted(name for route in create_app(cast(Any, None)).routes for name in names_of(route))
PLACES = {
    "{series:path}": "key:none", "{ident:path}": "none", "{kind}/{named:path}": "key/none/data", "{email}": "nobody@example.org",
    "{ident}": "AAAAAAAAAAAAAAAAAAAAAA", "{run_id}": "00000000-0000-0000-0000-000000000001",
}  # fmt: skip
UNKNOWN = {"no key": {}, "wrong key": {"X-API-Key": "varve_" + "x" * 43}}
ROLES = {"read": Role.READ, "write": Role.WRITE, "admin": Role.ADMIN}
PASSES, NOT_IMPLEMENTED = "passes", 501


@pytest.fixture(scope="module")
def http(guarded: Guarded) -> Iterator[httpx.Client]:
    with guarded.client("") as client:
        yield client


@pytest.mark.parametrize("name", NAMES)
def test_a_route_lets_in_whom_it_should_and_nobody_else(name: str, guarded: Guarded, http: httpx.Client) -> None:
    given = UNKNOWN | {"inactive key": {"X-API-Key": guarded.keys["gone"]}}
    given["other tenant's key"] = {"X-API-Key": guarded.keys["other"], "X-Tenant": TENANT}
    given |= {f"{role} key": {"X-API-Key": guarded.keys[role]} for role in ROLES}
    found = {who: asked(http, name, headers) for who, headers in given.items()}
    if needed(name) is Open.OWN:
        assert len(set(found.values())) == 1, "whatever key is shown counts for nothing"
    else:
        assert found == {who: expected(name, who) for who in given}


def expected(name: str, who: str) -> str | int:
    role = needed(name)
    if isinstance(role, Open):
        return PASSES
    if who in UNKNOWN or who == "inactive key":
        return 403 if " /v1/" in name else 401  # TempoDB knows no 401
    if who.startswith("other"):
        return 403
    return PASSES if ROLES[who.removesuffix(" key")] >= role else 403


def asked(http: httpx.Client, name: str, headers: dict[str, str]) -> str | int:
    """The status where it is a refusal; whatever else a route says of a request that says nothing, it was let in."""
    method, path = name.split()
    for place, word in PLACES.items():
        path = path.replace(place, word)
    path = path.replace("{", "").replace("}", "") + ("/none/api/v1/status" if method == "ANY" else "")
    status = shaken(http, path, headers) if method == "WS" else sent(http, "GET" if method == "ANY" else method, path, headers)
    assert status < 500 or status == NOT_IMPLEMENTED, (name, headers)
    return status if status in (401, 403) else PASSES


def sent(http: httpx.Client, method: str, path: str, headers: dict[str, str]) -> int:
    with http.stream(method, path, headers=headers) as answer:  # a tail has no end
        return answer.status_code


def shaken(http: httpx.Client, path: str, headers: dict[str, str]) -> int:
    try:
        with connect(str(http.base_url).replace("http", "ws", 1).rstrip("/") + path, additional_headers=headers):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code
