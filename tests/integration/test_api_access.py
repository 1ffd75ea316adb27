"""Users, keys and tenants over HTTP: who is let in by which credential, what events say of them, and that a revocation is seen at once."""

import base64
import socket
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.integration.api_server import Served
from tests.integration.guarded_server import Guarded, email, made
from varve.access import ACCESS_TENANT

pytestmark = pytest.mark.slow
POINT = {"series": "a", "valid_time": "2025-01-01T00:00:00Z", "value": 1.0, "changed_by": "somebody else"}

UPDATE = {"updates": [{"series": "a", "valid_time": POINT["valid_time"], "value": 2}], "changed_by": "somebody else"}


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def named() -> str:
    return f"u{uuid.uuid4().hex[:10]}"


@pytest.mark.parametrize(
    "shown",
    [
        lambda key: {"X-API-Key": key},
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": f"bearer   {key}"},
        lambda key: basic("whatever", key),
        lambda key: basic(key, ""),
    ],
)
def test_a_key_may_be_shown_in_any_of_the_documented_ways(guarded: Guarded, shown: Callable[[str], dict[str, str]]) -> None:
    answer = guarded.client("").get("/api/v1/me", headers=shown(guarded.keys["read"]))
    assert answer.json()["user"] == email("read"), answer.text


def test_every_door_writes_into_the_tenant_of_the_key_and_says_whose_it_was(guarded: Guarded) -> None:
    name, tenant = named(), uuid.uuid4()
    key = made(guarded.operator, name, "write", str(tenant))
    with httpx.Client(base_url=guarded.served.url, timeout=60, headers=basic("name", key)) as http:
        said = [
            http.post("/api/v1/points", json=POINT),
            http.put("/api/v1/series/key:a/points", json={one: POINT[one] for one in ("valid_time", "value", "changed_by")}),
            http.patch("/api/v1/points", json=UPDATE),
            http.post("/api/v1/increments", json=POINT | {"series": "b"}),
            http.post("/api/v1/series/key:b/latest/increment", json={"amount": 1, "changed_by": "x"}),
            http.post("/api/v1/runs", json={"changed_by": "x"}),
            http.put("/api/v1/entities/thing/1?changed_by=x", json={}),
            http.delete("/api/v1/entities/thing/1?changed_by=x"),
            http.delete("/api/v1/series/key:a/points?all=true&changed_by=x"),
            http.delete("/api/v1/series/key:b?changed_by=x"),
            http.post("/series", json={"name": "c"}),
            http.post("/v1/series/key/d/data/", json=[{"t": "2025-01-01T00:00:00Z", "v": 1}]),
            http.post("/create/", data={"title": "e", "caption": "f"}),
        ]
        assert [(answer.request.url.path, answer.text) for answer in said if not answer.is_success] == []
        events = http.get("/api/v1/events?limit=500").json()["events"]
    assert len(events) >= len(said)
    assert {(event["tenant"], event["changed_by"]) for event in events} == {(str(tenant), email(name))}


def test_an_email_belongs_to_one_tenant(guarded: Guarded) -> None:
    name = named()
    made(guarded.operator, name, "read", "meadow")
    again = guarded.operator.post("/api/v1/users", json={"email": email(name).upper(), "role": "read", "tenant": "wood"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "user-there")


def test_an_admin_keeps_the_users_of_the_own_tenant_alone(guarded: Guarded) -> None:
    admin, new = guarded.client("admin"), {"email": email(named()), "role": "read"}
    assert admin.post("/api/v1/users", json=new | {"tenant": "wood"}).status_code == 403
    assert admin.post("/api/v1/users", json=new).json()["tenant"] == admin.get("/api/v1/me").json()["tenant"]
    assert email("other") not in admin.get("/api/v1/users").text
    assert admin.post(f"/api/v1/users/{email('other')}/deactivate").status_code == 404
    assert [one["name"] for one in admin.get("/api/v1/tenants").json()["tenants"]] == ["meadow"]
    assert {"meadow", "wood"} <= {one["name"] for one in guarded.operator.get("/api/v1/tenants").json()["tenants"]}


def test_a_new_key_ends_the_one_before_and_a_user_can_be_taken_back(guarded: Guarded) -> None:
    name = named()
    first = made(guarded.operator, name, "read", "meadow")
    second = guarded.operator.post(f"/api/v1/users/{email(name)}/key").json()["key"]

    def status(key: str) -> int:
        return guarded.client("").get("/api/v1/me", headers={"X-API-Key": key}).status_code

    assert [status(first), status(second)] == [401, 200]
    guarded.operator.post(f"/api/v1/users/{email(name)}/deactivate").raise_for_status()
    assert status(second) == 401
    guarded.operator.post(f"/api/v1/users/{email(name)}/activate").raise_for_status()
    assert status(second) == 200


def test_a_key_is_told_once_and_its_hash_never(guarded: Guarded) -> None:
    listed = guarded.operator.get("/api/v1/users").text
    assert not any(key in listed for key in guarded.keys.values())
    assert "sha256" not in listed


def test_nobody_reads_or_writes_the_documents_of_users_as_documents(guarded: Guarded, served: Served) -> None:
    """Neither the operator, nor anybody where access is off."""
    for http in (guarded.operator, httpx.Client(base_url=served.url, timeout=60)):
        headers = {"X-Tenant": str(ACCESS_TENANT)}
        for path in ("/api/v1/entities/user", f"/api/v1/entity-versions/key/{email('read')}", "/api/v1/events", "/api/v1/live", "/values"):
            assert http.get(path, headers=headers).status_code == 403, path
        assert http.put(f"/api/v1/entities/user/{email('evil')}", json={"role": "admin"}, headers=headers).status_code == 403
        row = {"valid_time": "2025-01-01T00:00:00Z", "value_key": "a", "value": 1}
        upload = {"tenant_id": str(ACCESS_TENANT), "run_start_time": "2025-01-01T00:00:00Z", "value_rows": [row]}
        assert http.post("/upload", json=upload).status_code == 403


def test_users_are_asked_for_their_key_also_while_access_is_off(served: Served) -> None:
    with httpx.Client(base_url=served.url, timeout=60) as http:
        assert http.get("/api/v1/users").status_code == 401
        assert http.post("/api/v1/users", json={"email": email("evil"), "role": "admin"}).status_code == 401
        assert http.get("/api/v1/me").json() == {"user": None, "tenant": str(uuid.UUID(int=0)), "role": None}


def test_a_body_cannot_name_another_tenant(guarded: Guarded) -> None:
    row = {"valid_time": "2025-01-01T00:00:00Z", "value_key": "a", "value": 1}
    upload = {"tenant_id": str(uuid.uuid4()), "run_start_time": "2025-01-01T00:00:00Z", "value_rows": [row]}
    assert guarded.client("write").post("/upload", json=upload).status_code == 403
    change = {"updates": [{"tenant_id": str(uuid.uuid4()), "run_id": str(uuid.uuid4()), "series_id": str(uuid.uuid4()), **row}]}
    del change["updates"][0]["value_key"]
    assert guarded.client("write").put("/values", json=change).status_code == 403


def test_a_tail_of_server_sent_events_ends_when_its_key_is_taken_back(guarded: Guarded) -> None:
    name = named()
    key = made(guarded.operator, name, "read", "meadow")
    with guarded.client("", **{"X-API-Key": key}) as http, http.stream("GET", "/api/v1/live") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("id: ")
        guarded.operator.post(f"/api/v1/users/{email(name)}/deactivate").raise_for_status()
        assert [line for line in lines if line.startswith("event: layers")] == []  # it ends, in order


def test_a_tail_by_websocket_ends_when_its_key_is_replaced(guarded: Guarded) -> None:
    name = named()
    key = made(guarded.operator, name, "read", "meadow")
    url = guarded.served.url.replace("http", "ws", 1) + "/api/v1/live/ws"
    with connect(url, additional_headers={"X-API-Key": key}) as socket:
        assert '"position"' in str(socket.recv(timeout=30))
        guarded.operator.post(f"/api/v1/users/{email(name)}/key").raise_for_status()
        with pytest.raises(ConnectionClosed) as closed:
            _all_of(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def _all_of(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=30)


@pytest.mark.parametrize(
    "headers",
    [
        [("X-API-Key", "varve_" + "x" * 5_000)],
        [("X-API-Key", "")],
        [("X-API-Key", "a.b.c")],
        [("X-API-Key", "operator.e30.AAAA")],
        [("X-API-Key", "session." + "A" * 3_000 + ".B")],
        [("Authorization", "Basic !!!")],
        [("Authorization", "Basic " + base64.b64encode(b"\xff\xfe").decode())],
        [("Authorization", "Bearer")],
        [("Authorization", "Negotiate YII")],
        [("Authorization", "")],
        [("Authorization", 'OAuth oauth_token="x"')],
        [("X-API-Key", "\u00e9".encode())],
        [("X-API-Key", "one"), ("X-API-Key", "two")],
    ],
)
def test_absurd_credentials_are_refused_as_any_wrong_key(guarded: Guarded, headers: list[tuple[str, str | bytes]]) -> None:
    shown = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    answer = guarded.client("").get("/api/v1/me", headers=shown)
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"]
    assert len(answer.content) < 500


def test_doors_refuse_in_the_words_that_their_clients_know(guarded: Guarded) -> None:
    http = guarded.client("")
    assert http.get("/values").json() == {"detail": "API key required. Please provide X-API-Key header."}
    assert http.get("/values").headers["WWW-Authenticate"] == "ApiKey"
    assert http.get("/values", headers={"X-API-Key": "wrong"}).json() == {"detail": "Invalid or inactive API key."}
    tempodb = http.get("/v1/series/", headers=basic("key", "secret"))
    assert (tempodb.status_code, list(tempodb.json())) == (403, ["error"])
    timetric = http.get("/series/AAAAAAAAAAAAAAAAAAAAAA/csv/", headers=basic("key", "secret"))
    assert (timetric.status_code, list(timetric.json())) == (401, ["error"])


@pytest.mark.parametrize(
    "path", ["/api/v1/points", "/upload", "/v1/multi/", "/create/", "/datareservoir/api/timeseries/create", "/api/v1/generations"]
)
@pytest.mark.parametrize("shown", ["", "X-API-Key: wrong\r\n", 'Authorization: OAuth oauth_consumer_key="x", oauth_token="y"\r\n'])
def test_who_is_not_known_is_refused_before_any_body_is_read(guarded: Guarded, path: str, shown: str) -> None:
    address = urlsplit(guarded.served.url)
    form = "Content-Type: application/x-www-form-urlencoded\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{shown}{form}Content-Length: {1 << 30}\r\n\r\n"
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as line:
        line.sendall(head.encode())
        status = int(line.makefile("rb").readline().split()[1])
    assert status in (401, 403)
