"""HydroServer's words without a server: pages, filters, bodies, accounts, and what a workspace's key is to the access."""

import uuid
from typing import Any, cast

import orjson
import pytest
from starlette.datastructures import QueryParams

from api.access.access import refuse_confined
from api.access.identity import Identity
from api.doors.hydroserver import accounts, bodies, grants, pages, permission
from api.request import Caller
from varve.access import Confined, Index, Role, activity_put, confined_put, gone, hash_of, key_put
from varve.errors import Forbidden, Incorrect, VarveError
from varve.events import EntityDeleted, EntityPut

TENANT, WORKSPACE, ELSEWHERE = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
ROWS: list[dict[str, Any]] = [
    {"id": str(number), "name": name, "place": {"x": x}} for number, (name, x) in enumerate([("b", 2), ("a", None), ("b", 1)])
]


def ids(rows: list[pages.Row]) -> str:
    return "".join(row["id"] for row in rows)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "012"),
        ("order_by=name", "102"),
        ("order_by=-name", "021"),
        ("order_by=-name,x", "201"),
        ("order_by=x", "201"),
        ("order_by=-x", "102"),
    ],
)
def test_rows_stand_in_the_order_asked_what_is_not_there_last(query: str, expected: str) -> None:
    asked = pages.asked_of(QueryParams(query), ("name", "x"))
    assert ids(pages.ordered(ROWS, asked, {"x": "place.x"})) == expected


@pytest.mark.parametrize(
    ("query", "expected", "total_pages"),
    [
        ("page_size=2", "01", "2"),
        ("page_size=2&page=2", "2", "2"),
        ("page_size=2&page=3", "", "2"),
        ("page=null", "012", "1"),
        ("page_size=0", "", None),
    ],
)
def test_a_page_tells_its_place(query: str, expected: str, total_pages: str | None) -> None:
    answer = pages.listed(ROWS, pages.asked_of(QueryParams(query), ()))
    assert ids(orjson.loads(bytes(answer.body))) == expected
    assert (answer.headers["X-Total-Count"], answer.headers.get("X-Total-Pages")) == ("3", total_pages)


@pytest.mark.parametrize(
    "query", ["page=0", "page=nan", "page=1.5", "page=x", "page_size=-1", "page_size=100001", "page_size=inf", "order_by=z"]
)
def test_a_page_that_cannot_be_is_refused_in_words(query: str) -> None:
    with pytest.raises(Incorrect) as refused:
        pages.asked_of(QueryParams(query), ("name",))
    assert query.partition("=")[0] in refused.value.message


def test_a_field_stands_once_in_an_order() -> None:
    with pytest.raises(Incorrect) as refused:
        pages.asked_of(QueryParams("order_by=name&order_by=-name"), ("name",))
    assert refused.value.status == 400


def test_filters_are_read_as_the_client_writes_them() -> None:
    query = QueryParams(
        [("a", "null"), ("a", "x"), ("flag", "True"), ("no", "False"), ("none", "null"), ("at", "2026-01-01 00:00:00+00:00")]
    )
    assert pages.texts(query, "a") == [None, "x"] and pages.texts(query, "b") == []
    assert (pages.flag(query, "flag"), pages.flag(query, "no"), pages.flag(query, "none"), pages.flag(query, "b")) == (
        True,
        False,
        None,
        None,
    )
    assert pages.instant(query, "at") == 1_767_225_600 * 10**9 == pages.instant(QueryParams("at=2026-01-01 01:00:00+01:00"), "at")
    for name, read in (("flag", pages.instant), ("at", pages.flag), ("flag", pages.number), ("a", pages.idents)):
        with pytest.raises(VarveError):
            cast(Any, read)(query, name)


def test_a_body_is_read_by_every_name_that_a_client_uses() -> None:
    said = {"name": "C", "symbol": "C", "definition": "", "unitType": "Temperature", "colour": "red"}
    assert bodies.checked(bodies.Unit, said) == {"name": "C", "symbol": "C", "definition": "", "type": "Temperature"}
    snake = {"name": "w", "is_private": True}
    assert bodies.checked(bodies.Workspace, snake) == bodies.checked(bodies.Workspace, {"name": "w", "isPrivate": True})
    place = {"latitude": 1, "longitude": 2, "elevationM": 3, "admin_area_1": "x"}
    assert bodies.checked(bodies.Location, place)["elevation_m"] == 3 and bodies.checked(bodies.Location, place)["adminArea1"] == "x"


def test_what_a_change_does_not_say_stays_and_null_clears() -> None:
    before = bodies.checked(bodies.Sensor, {"name": "S", "description": "", "encodingType": "t", "methodType": "m", "model": "CS"})
    after = bodies.checked(bodies.Sensor, {"methodLink": "l", "sensor_model": None}, before | {"workspaceId": "kept elsewhere"})
    assert after == before | {"methodLink": "l", "model": None}
    with pytest.raises(Incorrect):
        bodies.checked(bodies.Sensor, {"name": None}, before)


@pytest.mark.parametrize(
    ("email", "told"),
    [
        ("maria@example.org", "maria@example.org"), ("x@localhost", "x@localhost.example.com"),
        ("x@varve.test", "x@varve.test.example.com"),
        ("x@printer.local", "x@printer.local.example.com"), ("operator", "operator@example.com"),
    ],
)  # fmt: skip
def test_an_account_has_an_email_that_the_clients_accept(email: str, told: str) -> None:
    assert (accounts.told(email)["email"], accounts.told(email)["name"]) == (told, email)


def caller(name: str, role: Role = Role.WRITE, confined: Confined | None = None) -> Caller:
    return Caller(TENANT, None, "", "", Identity(name, TENANT, role, confined=confined))


def test_a_key_has_its_roles_rights_in_its_workspace_and_a_strangers_elsewhere() -> None:
    body = {"isPrivate": True, "owner": "o@e.org", "collaborators": {}, "transferTo": None}
    key = caller("key", Role.ADMIN, Confined(WORKSPACE, grants.LOADER.id, None))  # whatever its role in the tenant
    assert permission.rights(key, WORKSPACE, body) == {"look", "view", "load"}
    assert permission.rights(key, ELSEWHERE, body) == grants.NOTHING
    assert permission.rights(key, ELSEWHERE, body | {"isPrivate": False}) == grants.LOOK
    strange = caller("key", Role.WRITE, Confined(WORKSPACE, uuid.uuid4(), None))
    assert permission.rights(strange, WORKSPACE, body) == grants.NOTHING


def test_what_was_made_while_nobody_was_asked_is_everybodys_in_the_tenant() -> None:
    body = {"isPrivate": True, "owner": accounts.ANONYMOUS, "collaborators": {}, "transferTo": None}
    assert permission.rights(caller("maria@e.org"), WORKSPACE, body) == grants.EVERYTHING
    assert permission.rights(caller("eve@e.org", Role.READ), WORKSPACE, body) == grants.VIEWER.rights
    key = caller("key", Role.WRITE, Confined(ELSEWHERE, grants.EDITOR.id, None))
    assert permission.rights(key, WORKSPACE, body) == grants.NOTHING


def index_of(*events: EntityPut | EntityDeleted) -> Index:
    index = Index()
    for version, event in enumerate(events, 1):
        index.take(event.kind, event.id, version, event.document if isinstance(event, EntityPut) else None)
    return index


def test_a_workspaces_key_is_a_user_that_is_confined_until_it_is_gone() -> None:
    confined, email = Confined(WORKSPACE, grants.EDITOR.id, 7.5), "key-1@workspace.example.com"
    events: list[EntityPut | EntityDeleted] = [
        confined_put(email, TENANT, Role.WRITE, confined),
        key_put(email, "k"),
        activity_put(email, active=True),
    ]
    user = index_of(*events).by_hash(hash_of("k"))
    assert user is not None and (user.confined, user.tenant, user.role) == (confined, TENANT, Role.WRITE)
    assert index_of(*events, *gone(email)).by_hash(hash_of("k")) is None
    made_again = confined_put(email, TENANT, Role.ADMIN, confined)
    assert index_of(*events, *gone(email), made_again).by_hash(hash_of("k")) is None, "the key is gone too"


@pytest.mark.parametrize(
    "said", ["x", {}, {"workspace": "x", "role": "y", "until": None}, {"workspace": str(WORKSPACE), "role": str(WORKSPACE)}]
)
def test_nobody_gets_in_by_a_confinement_that_says_nothing(said: Any) -> None:
    put = confined_put("a@b.c", TENANT, Role.WRITE, Confined(WORKSPACE, WORKSPACE, None))
    broken = put.model_copy(update={"document": put.document | {"confined": said}})
    assert index_of(broken, key_put("a@b.c", "k")).users == {}


@pytest.mark.parametrize(
    "route", ["GET /api/v1/series", "POST /api/v1/points", "GET /list_timeseries", "ANY /generations", "WS /api/v1/live/ws"]
)
def test_a_workspaces_key_opens_one_door(route: str) -> None:
    key = Identity("k", TENANT, Role.WRITE, confined=Confined(WORKSPACE, grants.EDITOR.id, None))
    with pytest.raises(Forbidden):
        refuse_confined(route, key)
    refuse_confined("GET /api/data/things", key)
    refuse_confined(route, Identity("person", TENANT, Role.WRITE))
