"""Log-ins over HTTP: sessions by e-mail and password, OAuth 2 for DataReservoir's client, and that who fails too often must wait."""

import html
import json
import re
import uuid
from typing import Any

import httpx
import pytest

from tests.integration.guarded_server import Guarded, email, made
from varve.tokens import KEY_PREFIX

pytestmark = pytest.mark.slow
PASSWORD = "a long enough password"
SESSION, TOKEN, ACCOUNT = "/api/auth/app/session", "/datareservoir/oauth/token", "/datareservoir/account"


@pytest.fixture
def name(guarded: Guarded) -> str:
    """A user with a password, of this test alone."""
    name = f"u{uuid.uuid4().hex[:10]}"
    made(guarded.operator, name, "write", "meadow", PASSWORD)
    return name


@pytest.fixture
def http(guarded: Guarded) -> httpx.Client:
    return guarded.client("")


def log_in(http: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    return http.post(SESSION, json={"email": email(name), "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def who(http: httpx.Client, token: str) -> int:
    return http.get("/api/v1/me", headers=bearer(token)).status_code


def test_a_session_lasts_until_it_is_logged_out_of(http: httpx.Client, name: str) -> None:
    first, second = (log_in(http, name).json()["meta"]["session_token"] for _ in range(2))
    assert http.get("/api/v1/me", headers=bearer(first)).json()["user"] == email(name)
    http.delete(SESSION, headers=bearer(first)).raise_for_status()
    assert [who(http, first), who(http, second)] == [401, 200]


def test_a_tail_ends_when_its_session_is_logged_out_of(http: httpx.Client, name: str) -> None:
    shown = bearer(log_in(http, name).json()["meta"]["session_token"])
    with http.stream("GET", "/api/v1/live", headers=shown) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("id: ")
        http.delete(SESSION, headers=shown).raise_for_status()
        assert [line for line in lines if line.startswith("event: layers")] == []  # it ends, in order


def test_what_lasts_as_long_as_the_key_is_given_for_the_key_alone(guarded: Guarded, http: httpx.Client, name: str) -> None:
    key = guarded.operator.post(f"/api/v1/users/{email(name)}/key").json()["key"]
    session = log_in(http, name).json()["meta"]["session_token"]
    token = http.post(TOKEN, data={"grant_type": "client_credentials", "client_secret": key}).json()["access_token"]
    asked = [http.get("/api/v1/me/oauth1", headers=bearer(shown)) for shown in (session, token, key)]
    assert [answer.status_code for answer in asked] == [403, 403, 200]
    assert "key itself" in asked[0].json()["error"]["message"] and "secret" not in asked[0].text


def test_a_password_may_begin_as_keys_do(guarded: Guarded, http: httpx.Client, name: str) -> None:
    password = f"{KEY_PREFIX} and more"
    assert log_in(http, name, password).status_code == 401
    guarded.operator.post(f"/api/v1/users/{email(name)}/password", json={"password": password}).raise_for_status()
    assert log_in(http, name, password).status_code == 200


def test_a_session_ends_with_password_key_and_user(guarded: Guarded, http: httpx.Client, name: str) -> None:
    one = f"/api/v1/users/{email(name)}"
    for path, body in ((f"{one}/password", {"password": PASSWORD}), (f"{one}/key", None), (f"{one}/deactivate", None)):
        token = log_in(http, name).json()["meta"]["session_token"]
        assert who(http, token) == 200
        guarded.operator.post(path, json=body).raise_for_status()
        assert who(http, token) == 401
    assert log_in(http, name).status_code == 401


def test_a_token_that_was_changed_or_is_of_another_kind_is_refused(http: httpx.Client, name: str) -> None:
    token = log_in(http, name).json()["meta"]["session_token"]
    kind, says, signature = token.split(".")
    wrong = [f"{other}.{says}.{signature}" for other in ("oauth", "operator", "refresh", "")]
    wrong += [f"{kind}.{says}.{signature[:-1]}", f"{kind}.{says}x.{signature}", ".."]
    assert [who(http, one) for one in wrong] == [401] * len(wrong)


def test_who_fails_too_often_must_wait_and_others_need_not(http: httpx.Client, guarded: Guarded, name: str) -> None:
    other = f"u{uuid.uuid4().hex[:10]}"
    made(guarded.operator, other, "read", "wood", PASSWORD)
    statuses = [log_in(http, name, "wrong password").status_code for _ in range(7)]
    assert statuses[:5] == [401] * 5
    assert statuses[6] == 429
    refused = log_in(http, name)  # the right one too
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert log_in(http, other).status_code == 200


def test_an_unknown_user_is_told_as_a_wrong_password(http: httpx.Client, name: str) -> None:
    unknown, wrong = log_in(http, "nobody-at-all"), log_in(http, name, "wrong password")
    assert (unknown.status_code, unknown.json()) == (wrong.status_code, wrong.json())


@pytest.mark.parametrize(
    "body", [{}, {"email": 1, "password": []}, {"email": "a\r\nb@c", "password": "x"}, {"email": "x@y", "password": "y" * 9_000}]
)
def test_absurd_log_ins_are_refused(http: httpx.Client, body: dict[str, Any]) -> None:
    assert http.post(SESSION, json=body).status_code in (401, 422)
    assert http.post(ACCOUNT, data={name: str(said) for name, said in body.items()}).status_code == 401
    assert http.post(SESSION, content=b"[" * 100_000, headers={"Content-Type": "application/json"}).status_code == 422


def pasted(http: httpx.Client, name: str, password: str = PASSWORD) -> dict[str, str]:
    """What the account page shows to its user."""
    shown = http.post(ACCOUNT, data={"email": email(name), "password": password})
    assert shown.status_code == 200, shown.text
    found = re.search("<pre>(.*)</pre>", shown.text)
    assert found is not None
    told: dict[str, str] = json.loads(html.unescape(found[1]))
    return told


def test_the_account_page_gives_a_code_that_counts_once(guarded: Guarded, http: httpx.Client, name: str) -> None:
    told = pasted(http, name)
    assert told["endpoint"] == guarded.served.url + TOKEN
    body = {"grant_type": "authorization_code", "code": told["code"]}
    given = http.post(told["endpoint"], data=body, auth=("client", "secret")).json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
    assert http.get("/datareservoir/api/ping", headers=bearer(given["access_token"])).status_code == 200
    again = http.post(told["endpoint"], data=body, auth=("client", "secret"))
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_gives_another_token_until_the_key_changes(guarded: Guarded, http: httpx.Client, name: str) -> None:
    code = pasted(http, name)["code"]
    first = http.post(TOKEN, data={"grant_type": "authorization_code", "code": code}).json()
    body = {"grant_type": "refresh_token", "client_secret": "public", "refresh_token": first["refresh_token"]}
    second = http.post(TOKEN, data=body).json()
    assert who(http, second["access_token"]) == 200
    assert who(http, second["refresh_token"]) == 401  # it is for the token endpoint alone
    guarded.operator.post(f"/api/v1/users/{email(name)}/key").raise_for_status()
    assert http.post(TOKEN, data=body).json()["error"] == "invalid_grant"
    assert who(http, second["access_token"]) == 401


def test_a_program_gets_a_token_for_its_key(guarded: Guarded, http: httpx.Client) -> None:
    body = {"grant_type": "client_credentials", "client_id": "any", "client_secret": guarded.keys["read"], "scope": "https://x/.default"}
    given = http.post(TOKEN, data=body).json()
    assert http.get("/api/v1/me", headers=bearer(given["access_token"])).json()["role"] == "read"
    wrong = http.post(TOKEN, data=body | {"client_secret": "varve_no"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    inactive = http.post(TOKEN, data=body | {"client_secret": guarded.keys["gone"]})
    assert inactive.status_code == 401


def test_the_token_endpoint_says_what_it_does_not_grant(http: httpx.Client) -> None:
    assert http.post(TOKEN, data={"grant_type": "password"}).json()["error"] == "unsupported_grant_type"
    assert http.post(TOKEN, data={}).json()["error"] == "unsupported_grant_type"
    assert http.post(TOKEN, content=b"&a=1" * 1_000).status_code == 422
    assert http.post(TOKEN, content=b"a" * (2 << 20)).status_code == 413


def test_a_page_shows_what_it_was_told_as_text_and_in_no_frame(http: httpx.Client) -> None:
    answer = http.post(ACCOUNT, data={"email": "<script>@x.org", "password": "x"})
    assert answer.status_code == 401
    assert "<script>" not in answer.text
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_while_access_is_off_every_log_in_is_accepted(served: Any) -> None:
    with httpx.Client(base_url=served.url, timeout=60) as http:
        assert log_in(http, "nobody", "x").json()["meta"]["session_token"]
        code = json.loads(html.unescape(str(re.findall("<pre>(.*)</pre>", http.get("/account").text)[0])))["code"]
        given = http.post(TOKEN, data={"grant_type": "authorization_code", "code": code}).json()
        assert http.get("/datareservoir/api/ping", headers=bearer(given["access_token"])).status_code == 200
        assert http.post(TOKEN, data={"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}).status_code == 200
