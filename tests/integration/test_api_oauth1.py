"""OAuth 1.0a over HTTP: requests signed by another's library, the three steps, and signatures that are wrong, late, or used before."""

import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from oauthlib.oauth1 import Client
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.guarded_server import Guarded, email, made, start_guarded

pytestmark = pytest.mark.slow
SERIES = {"title": "Sheep", "caption": "in the meadow"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Known to its clients by other addresses than its own."""
    found = start_guarded(tmp_path_factory.mktemp("signed"), "--public", "http://timetric.com,https://timetric.com")
    yield found
    found.served.stop()


@pytest.fixture
def http(guarded: Guarded) -> httpx.Client:
    return guarded.client("")


@pytest.fixture
def given(guarded: Guarded) -> dict[str, str]:
    """A user's consumer key and token."""
    found: dict[str, str] = guarded.client("write").get("/api/v1/me/oauth1").json()
    return found


def signed(
    http: httpx.Client, given: Mapping[str, str], method: str, path: str, form: Mapping[str, str] | None = None, **words: Any
) -> httpx.Response:
    client = Client(
        given["consumer_key"], given["consumer_secret"], given.get("oauth_token"), given.get("oauth_secret"),
        timestamp=words.get("timestamp"), nonce=words.get("nonce"),
    )  # fmt: skip
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    body = urlencode(form) if form else None
    sign: Any = client.sign  # whatever the method
    _, headers, _ = sign(words.get("base", "http://timetric.com") + path, method, body, kind)
    return http.request(method, path, content=urlencode(words.get("sent", form) or {}) or None, headers=headers)


def test_a_signed_request_is_its_users(http: httpx.Client, given: dict[str, str]) -> None:
    made_at = signed(http, given, "POST", "/create/", SERIES, base="https://timetric.com").headers["Location"]
    path = made_at.removeprefix(str(http.base_url).rstrip("/"))
    assert signed(http, given, "POST", path, {"value": "14"}).status_code == 204
    assert signed(http, given, "GET", f"{path}value/json/").json()["value"] == 14
    assert signed(http, given, "GET", "/api/v1/me").json()["user"] == email("write")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"base": "http://127.0.0.1"}, "signature-wrong"),
        ({"sent": SERIES | {"title": "Goats"}}, "signature-wrong"),
        ({"sent": SERIES | {"value": "1"}}, "signature-wrong"),
        ({"timestamp": "1"}, "signature-late"),
        ({"timestamp": str(int(time.time()) + 4_000)}, "signature-late"),
    ],
)
def test_a_signature_covers_address_fields_and_time(http: httpx.Client, given: dict[str, str], words: dict[str, Any], code: str) -> None:
    answer = signed(http, given, "POST", "/timetric/create/", SERIES, **words)
    assert answer.status_code == 401
    assert {"signature-wrong": "signature is wrong", "signature-late": "timestamp"}[code] in answer.json()["error"]
    assert answer.headers["WWW-Authenticate"].startswith("OAuth")


def test_a_signature_by_another_secret_is_refused(http: httpx.Client, given: dict[str, str]) -> None:
    for name in ("consumer_secret", "oauth_secret"):
        assert signed(http, given | {name: "guessed"}, "GET", "/api/v1/me").status_code == 401
    for name in ("consumer_key", "oauth_token"):
        assert signed(http, given | {name: given["consumer_key"][:-1]}, "GET", "/api/v1/me").status_code == 401


def test_a_nonce_counts_once(http: httpx.Client, given: dict[str, str]) -> None:
    words: dict[str, Any] = {"nonce": uuid.uuid4().hex, "timestamp": str(int(time.time()))}
    assert [signed(http, given, "GET", "/api/v1/me", **words).status_code for _ in range(2)] == [200, 401]


def test_a_websocket_takes_no_signature(http: httpx.Client, given: dict[str, str]) -> None:
    client = Client(given["consumer_key"], given["consumer_secret"], given["oauth_token"], given["oauth_secret"])
    _, headers, _ = client.sign("http://timetric.com/api/v1/live/ws")
    url = str(http.base_url.copy_with(scheme="ws", path="/api/v1/live/ws"))
    with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers):
        pass
    assert refused.value.response.status_code == 401


def test_a_new_key_ends_what_was_signed_by_the_one_before(guarded: Guarded, http: httpx.Client) -> None:
    name = f"u{uuid.uuid4().hex[:10]}"
    key = made(guarded.operator, name, "read", "meadow")
    given = http.get("/api/v1/me/oauth1", headers={"X-API-Key": key}).json()
    assert signed(http, given, "GET", "/api/v1/me").status_code == 200
    guarded.operator.post(f"/api/v1/users/{email(name)}/key").raise_for_status()
    assert signed(http, given, "GET", "/api/v1/me").status_code == 401


@pytest.mark.parametrize("prefix", ["", "/timetric"])
def test_the_three_steps_lead_to_a_token(guarded: Guarded, http: httpx.Client, given: dict[str, str], prefix: str) -> None:
    consumer = {name: given[name] for name in ("consumer_key", "consumer_secret")}
    requested = token_of(signed(http, consumer, "GET", f"{prefix}/oauth/request_token/"))
    assert signed(http, consumer | requested, "GET", f"{prefix}/oauth/access_token/").status_code == 401  # nobody agreed yet
    page = http.get(f"{prefix}/oauth/authorize/", params={"oauth_token": requested["oauth_token"], "oauth_callback": 'x"><script>'})
    assert email("write") in page.text
    assert "<script>" not in page.text
    agreed = {"oauth_token": requested["oauth_token"], "oauth_callback": "http://a.example/back?x=1\r\nSet-Cookie: a=b"}
    of_another = http.post(f"{prefix}/oauth/authorize/", data=agreed | {"email": email("read"), "password": guarded.keys["read"]})
    assert of_another.status_code == 401
    back = http.post(f"{prefix}/oauth/authorize/", data=agreed | {"email": email("write"), "password": guarded.keys["write"]})
    assert back.status_code == 303
    assert back.headers["Location"].startswith("http://a.example/back?x=1")
    assert "Set-Cookie" not in back.headers
    access = token_of(signed(http, consumer | requested, "GET", f"{prefix}/oauth/access_token/"))
    assert signed(http, consumer | access, "GET", "/api/v1/me").json()["user"] == email("write")
    assert signed(http, consumer | requested, "GET", f"{prefix}/oauth/access_token/").status_code == 401  # once


def token_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    told = parse_qs(answer.text)
    return {"oauth_token": told["oauth_token"][0], "oauth_secret": told["oauth_token_secret"][0]}


def test_a_signed_body_that_is_packed_is_refused(http: httpx.Client, given: dict[str, str], tmp_path: Path) -> None:
    client = Client(given["consumer_key"], given["consumer_secret"], given["oauth_token"], given["oauth_secret"])
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    _, headers, body = client.sign("http://timetric.com/create/", "POST", "title=a&caption=b", form)
    assert http.post("/create/", content=body, headers=headers | {"Content-Encoding": "gzip"}).status_code == 415
