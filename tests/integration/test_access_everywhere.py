"""Several servers over one log and one store: a user made at one is known at the other, and one that is taken back is refused there, with
sessions and tails."""

import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from tests.conftest import wait_until
from tests.integration.guarded_server import email, made
from tests.integration.parts import Parts
from varve.settings import AccessSettings, Settings
from varve.tokens import operator_token

pytestmark = pytest.mark.slow
ACCESS = AccessSettings(enabled=True, secret="one secret of all servers, 32 characters or more")
PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def parts(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    one = Parts(tmp_path_factory.mktemp("everywhere"), broker, f"everywhere{time.time_ns()}", ACCESS)
    try:
        one.start("store")
        one.start("api-1")
        one.until_started("api-1")
        for name in ("api-2", "sink-1", "worker-1"):
            one.start(name)
        one.until_ready("api-1", "api-2")
        yield one
    finally:
        one.stop()


def client(parts: Parts, name: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=parts.url(name), timeout=60, headers={"X-API-Key": key})


def test_what_one_server_gives_and_takes_back_every_other_believes_and_refuses(parts: Parts) -> None:
    operator = client(parts, "api-1", operator_token(Settings(access=ACCESS), time.time()))
    key = made(operator, "maria", "write", "meadow", PASSWORD)
    there = client(parts, "api-2", key)
    wait_until(lambda: there.get("/api/v1/me").status_code == 200, 30, "the other server knows the user")
    account = {"email": email("maria"), "password": PASSWORD}
    session = operator.post("/api/auth/app/session", json=account).json()["meta"]["session_token"]
    by_session = client(parts, "api-2", session)
    assert by_session.get("/api/v1/me").json()["user"] == email("maria")
    with there.stream("GET", "/api/v1/live") as tail:
        lines = tail.iter_lines()
        assert next(lines).startswith("id: ")
        operator.post(f"/api/v1/users/{email('maria')}/deactivate").raise_for_status()
        wait_until(lambda: there.get("/api/v1/me").status_code == 401, 30, "the other server refuses the key")
        assert by_session.get("/api/v1/me").status_code == 401
        assert not any(line.startswith("event: layers") for line in lines)  # the tail ends


def test_a_server_that_starts_lets_nobody_in_before_it_has_seen_what_the_log_held(parts: Parts) -> None:
    operator = client(parts, "api-1", operator_token(Settings(access=ACCESS), time.time()))
    key = made(operator, "olav", "read", "meadow")
    parts.kill("sink-1")
    operator.post(f"/api/v1/users/{email('olav')}/deactivate")  # on the log; no view shows it yet
    assert client(parts, "api-1", key).get("/api/v1/me").status_code == 200
    parts.start("api-3")
    parts.until_started("api-3")
    late = client(parts, "api-3", key).get("/api/v1/me")
    assert (late.status_code, late.json()["error"]["code"]) == (503, "users-unread")
    parts.start("sink-1")
    for name in ("api-1", "api-3"):
        one = client(parts, name, key)
        wait_until(partial(refused, one), 60, f"{name} refuses the key")


def refused(one: httpx.Client) -> bool:
    return one.get("/api/v1/me").status_code == 401
