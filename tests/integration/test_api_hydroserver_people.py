"""Who may do what in a workspace: owner, editor, viewer, stranger, admin, another tenant's user, and keys of each role and of another
workspace, by each kind of action. And how people and keys come and go.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import wait_until
from tests.integration.guarded_server import Guarded, email, made
from tests.integration.test_api_hydroserver import API, datastream_of, refused, thing_of, told, vocabulary
from tests.integration.test_api_hydroserver import made as posted

EDITOR, VIEWER, LOADER = (
    "2f05f775-5d8a-4778-9942-3d13a64ec7a3",
    "1d91bff7-edf6-4b69-bb26-674436335725",
    "1f7ec829-eea8-415e-b6ee-72d31ae43d1a",
)
PEOPLE = ("owner", "editor", "viewer", "stranger")
EVERYBODY = (*PEOPLE, "admin", "other", "key of editor", "key of viewer", "key of loader", "key of elsewhere")


@dataclass(frozen=True)
class Cast:
    """clients: of everybody. ids: by what it is."""

    guarded: Guarded
    clients: Mapping[str, httpx.Client]
    ids: Mapping[str, str]


@pytest.fixture(scope="module")
def cast(guarded: Guarded) -> Iterator[Cast]:
    clients = {name: guarded.client(name) for name in ("admin", "other")}
    for name in PEOPLE:
        key = made(guarded.operator, f"hydro-{name}", "write", "meadow")
        clients[name] = client_of(guarded, key)
    owner, ids = clients["owner"], {}
    for private in (True, False):
        word = "private" if private else "public"
        ids[word] = workspace = posted(owner, "workspaces", {"name": word, "is_private": private})["id"]
        for name, role in (("editor", EDITOR), ("viewer", VIEWER)):
            posted(owner, f"workspaces/{workspace}/collaborators", {"email": email(f"hydro-{name}"), "roleId": role})
        named = vocabulary(owner, workspace)
        ids[f"unit in {word}"] = named["unitId"]
        for hidden in (True, False):
            what = f"{'hidden' if hidden else 'open'} thing in {word}"
            ids[what] = posted(owner, "things", thing_of(workspace, isPrivate=hidden))["id"]
        thing = ids[f"open thing in {word}"]
        ids[f"datastream in {word}"] = posted(owner, "datastreams", datastream_of(thing, named))["id"]
    elsewhere = posted(owner, "workspaces", {"name": "elsewhere", "isPrivate": True})["id"]
    for name, role, workspace in (("editor", EDITOR, ""), ("viewer", VIEWER, ""), ("loader", LOADER, ""), ("elsewhere", EDITOR, elsewhere)):
        for word in ("private", "public"):
            made_key = posted(owner, f"workspaces/{workspace or ids[word]}/api-keys", {"name": name, "roleId": role})
            clients[f"key of {name} {word}"] = client_of(guarded, made_key["key"])
    yield Cast(guarded, clients, ids)
    for one in clients.values():
        one.close()


def client_of(guarded: Guarded, key: str) -> httpx.Client:
    return httpx.Client(base_url=guarded.served.url, timeout=60, headers={"X-API-Key": key})


ACTIONS: dict[str, tuple[str, str, str, dict[str, Any] | None]] = {
    "see it": ("GET", "workspaces/{workspace}", "", None),
    "see an open thing": ("GET", "things/{}", "open thing in", None),
    "see a hidden thing": ("GET", "things/{}", "hidden thing in", None),
    "see a datastream": ("GET", "datastreams/{}", "datastream in", None),
    "see a unit": ("GET", "units/{}", "unit in", None),
    "see its keys": ("GET", "workspaces/{workspace}/api-keys", "", None),
    "change an open thing": ("PATCH", "things/{}", "open thing in", {"siteType": "Lake"}),
    "change a hidden thing": ("PATCH", "things/{}", "hidden thing in", {"siteType": "Lake"}),
    "change a unit": ("PATCH", "units/{}", "unit in", {"type": "T"}),
    "change a datastream": ("PATCH", "datastreams/{}", "datastream in", {"status": "Ongoing"}),
    "make a thing": ("POST", "things", "", {"workspaceId": "{workspace}"}),  # incomplete: 422 for who may
    "add people": ("POST", "workspaces/{workspace}/collaborators", "", {"email": "a@example.org"}),  # no role: 400 for who may
    "make keys": ("POST", "workspaces/{workspace}/api-keys", "", {"name": "k"}),  # no role: 400 for who may
    "administer it": ("PATCH", "workspaces/{workspace}", "", {}),
}
#            owner editor viewer stranger admin other  key: editor viewer loader elsewhere
ANSWERS = {
    "private": {
        "see it": (200, 200, 200, 404, 200, 404, 200, 200, 200, 404),
        "see an open thing": (200, 200, 200, 404, 200, 404, 200, 200, 200, 404),
        "see a hidden thing": (200, 200, 200, 404, 200, 404, 200, 200, 200, 404),
        "see a datastream": (200, 200, 200, 404, 200, 404, 200, 200, 200, 404),
        "see a unit": (200, 200, 200, 404, 200, 404, 200, 200, 200, 404),
        "see its keys": (200, 200, 200, 404, 200, 404, 403, 403, 403, 404),
        "change an open thing": (200, 200, 403, 404, 200, 404, 200, 403, 403, 404),
        "change a hidden thing": (200, 200, 403, 404, 200, 404, 200, 403, 403, 404),
        "change a unit": (200, 200, 403, 404, 200, 404, 200, 403, 403, 404),
        "change a datastream": (200, 200, 403, 404, 200, 404, 200, 403, 200, 404),
        "make a thing": (422, 422, 403, 404, 422, 404, 422, 403, 403, 404),
        "add people": (400, 400, 403, 404, 400, 404, 403, 403, 403, 403),
        "make keys": (400, 400, 403, 404, 400, 404, 403, 403, 403, 403),
        "administer it": (200, 403, 403, 404, 200, 404, 403, 403, 403, 403),
    },
    "public": {
        "see it": (200, 200, 200, 200, 200, 404, 200, 200, 200, 200),
        "see an open thing": (200, 200, 200, 200, 200, 404, 200, 200, 200, 200),
        "see a hidden thing": (200, 200, 200, 404, 200, 404, 200, 200, 200, 404),
        "see a datastream": (200, 200, 200, 200, 200, 404, 200, 200, 200, 200),
        "see a unit": (200, 200, 200, 200, 200, 404, 200, 200, 200, 200),
        "see its keys": (200, 200, 200, 403, 200, 404, 403, 403, 403, 403),
        "change an open thing": (200, 200, 403, 403, 200, 404, 200, 403, 403, 403),
        "change a hidden thing": (200, 200, 403, 404, 200, 404, 200, 403, 403, 404),
        "change a unit": (200, 200, 403, 403, 200, 404, 200, 403, 403, 403),
        "change a datastream": (200, 200, 403, 403, 200, 404, 200, 403, 200, 403),
        "make a thing": (422, 422, 403, 403, 422, 404, 422, 403, 403, 403),
        "add people": (400, 400, 403, 403, 400, 404, 403, 403, 403, 403),
        "make keys": (400, 400, 403, 403, 400, 404, 403, 403, 403, 403),
        "administer it": (200, 403, 403, 403, 200, 404, 403, 403, 403, 403),
    },
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("word", ANSWERS)
def test_everybody_may_what_the_role_in_the_workspace_says(cast: Cast, word: str, action: str) -> None:
    method, path, what, body = ACTIONS[action]
    said = None if body is None else {name: cast.ids[word] if value == "{workspace}" else value for name, value in body.items()}
    url = f"{API}/" + path.format(cast.ids.get(f"{what} {word}", ""), workspace=cast.ids[word])
    got = {}
    for name in EVERYBODY:
        answer = cast.clients[f"{name} {word}" if name.startswith("key") else name].request(method, url, json=said)
        got[name] = answer.status_code
        assert answer.is_success or answer.json()["detail"]
    assert got == dict(zip(EVERYBODY, ANSWERS[word][action], strict=True))


def test_lists_show_what_each_may_see(cast: Cast) -> None:
    def things(name: str) -> set[str]:
        seen = {row["id"] for row in told(cast.clients[name].get(f"{API}/things"))}
        return {what for what, ident in cast.ids.items() if ident in seen}

    everything = {what for what in cast.ids if " thing in " in what}
    assert things("owner") == things("viewer") == everything
    assert things("stranger") == things("key of elsewhere public") == {"open thing in public"}
    assert things("key of viewer private") == {"open thing in public", "open thing in private", "hidden thing in private"}
    streams = {row["id"] for row in told(cast.clients["stranger"].get(f"{API}/datastreams"))}
    assert streams == {cast.ids["datastream in public"]}
    workspaces = told(cast.clients["stranger"].get(f"{API}/workspaces", params={"is_associated": "True"}))
    assert workspaces == []
    associated = told(cast.clients["viewer"].get(f"{API}/workspaces", params={"is_associated": "True"}))
    assert {row["id"]: row["collaboratorRole"]["name"] for row in associated} == {
        cast.ids["private"]: "Viewer",
        cast.ids["public"]: "Viewer",
    }


def test_a_workspaces_key_opens_no_other_door(cast: Cast) -> None:
    for name in ("editor", "viewer"):
        one = cast.clients[f"key of {name} public"]
        assert told(one.get("/api/v1/me"))["user"].endswith("@workspace.example.com")
        for path in ("/api/v1/series", "/api/v1/values/flat", "/list_timeseries", "/api/v1/entities/hydroserver-workspace"):
            answer = one.get(path)
            assert answer.status_code == 403, answer.text
            assert "is for HydroServer's routes" in answer.text


def test_a_session_of_a_workspaces_key_is_confined_as_the_key_is(cast: Cast) -> None:
    path = f"workspaces/{cast.ids['private']}/api-keys"
    new = posted(cast.clients["owner"], path, {"name": "session", "roleId": VIEWER})
    account = {"email": f"key-{new['id']}@workspace.example.com", "password": new["key"]}
    token = cast.guarded.operator.post("/api/auth/app/session", json=account).json()["meta"]["session_token"]
    with httpx.Client(base_url=cast.guarded.served.url, headers={"Authorization": f"Bearer {token}"}) as session:
        assert session.get(f"{API}/workspaces/{cast.ids['private']}").status_code == 200
        assert session.get("/api/v1/series").status_code == 403


def test_a_key_is_shown_once_changed_regenerated_and_taken_back(cast: Cast) -> None:
    owner, path = cast.clients["owner"], f"{API}/workspaces/{cast.ids['private']}/api-keys"
    new = told(owner.post(path, json={"name": "logger", "roleId": LOADER, "description": "at the dam"}), 201)
    assert (new["name"], new["isActive"], new["expiresAt"], new["workspaceId"]) == ("logger", True, None, cast.ids["private"])
    one, url, key = f"{path}/{new['id']}", f"{API}/workspaces/{cast.ids['private']}", new["key"]
    assert "key" not in told(owner.get(one)) and key not in owner.get(path).text
    assert client_of(cast.guarded, key).get(url).status_code == 200
    told(owner.patch(one, json={"isActive": False}))
    assert client_of(cast.guarded, key).get(url).status_code == 401
    told(owner.patch(one, json={"isActive": True, "roleId": EDITOR}))
    thing = f"{API}/things/{cast.ids['open thing in private']}"
    assert client_of(cast.guarded, key).patch(thing, json={"siteType": "Lake"}).status_code == 200
    another = told(owner.put(f"{one}/regenerate"), 201)["key"]
    assert client_of(cast.guarded, key).get(url).status_code == 401
    assert client_of(cast.guarded, another).get(url).status_code == 200
    assert owner.delete(one).status_code == 204
    assert client_of(cast.guarded, another).get(url).status_code == 401
    assert owner.get(one).status_code == 404
    known = {row["email"] for row in cast.guarded.operator.get("/api/v1/users").json()["users"]}
    assert f"key-{new['id']}@workspace.example.com" not in known


def test_a_key_ends_when_it_expires(cast: Cast) -> None:
    owner, path = cast.clients["owner"], f"{API}/workspaces/{cast.ids['private']}/api-keys"
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    new = told(owner.post(path, json={"name": "short", "roleId": VIEWER, "expiresAt": soon}), 201)
    with client_of(cast.guarded, new["key"]) as short:
        wait_until(lambda: short.get("/api/v1/me").status_code == 401, 30, "the key ends")
    told(owner.patch(f"{path}/{new['id']}", json={"expiresAt": "2100-01-01 00:00:00+00:00"}))
    with client_of(cast.guarded, new["key"]) as longer:
        assert longer.get("/api/v1/me").status_code == 200


def test_a_key_ends_with_its_workspace(cast: Cast) -> None:
    owner = cast.clients["owner"]
    workspace = posted(owner, "workspaces", {"name": "short-lived", "isPrivate": False})["id"]
    key = posted(owner, f"workspaces/{workspace}/api-keys", {"name": "k", "roleId": EDITOR})["key"]
    assert owner.delete(f"{API}/workspaces/{workspace}").status_code == 204
    assert client_of(cast.guarded, key).get("/api/v1/me").status_code == 401


def test_collaborators_come_change_and_leave(cast: Cast) -> None:
    owner, stranger = cast.clients["owner"], cast.clients["stranger"]
    workspace = posted(owner, "workspaces", {"name": "shared", "isPrivate": True})["id"]
    path, name = f"{API}/workspaces/{workspace}/collaborators", email("hydro-stranger")
    assert stranger.get(path).status_code == 404
    added = told(owner.post(path, json={"email": name, "roleId": VIEWER}), 201)
    assert (added["user"]["email"], added["role"]["name"]) == (name, "Viewer")
    assert told(stranger.get(path)) == [added]
    assert "collaborates in this workspace already" in refused(owner.post(path, json={"email": name, "roleId": EDITOR}), 400)
    assert "owns this workspace" in refused(owner.post(path, json={"email": email("hydro-owner"), "roleId": EDITOR}), 400)
    assert "there is no account" in refused(owner.post(path, json={"email": email("other"), "roleId": EDITOR}), 400)  # of another tenant
    assert "is a role of keys" in refused(owner.post(path, json={"email": name, "roleId": LOADER}), 400)
    assert told(owner.put(path, json={"email": name, "roleId": EDITOR}))["role"]["name"] == "Editor"
    assert stranger.request("DELETE", path, json={"email": name}).status_code == 204  # oneself
    assert stranger.get(path).status_code == 404
    assert "does not collaborate" in refused(owner.request("DELETE", path, json={"email": name}), 400)


def test_a_workspace_is_handed_over(cast: Cast) -> None:
    owner, stranger, viewer = (cast.clients[name] for name in ("owner", "stranger", "viewer"))
    workspace = posted(owner, "workspaces", {"name": "to give", "isPrivate": True})["id"]
    url, path = f"{API}/workspaces/{workspace}", f"{API}/workspaces/{workspace}/transfer"
    assert "not being handed over" in refused(owner.put(path), 400)
    assert owner.post(path, json={"newOwner": email("hydro-stranger")}).status_code == 201
    assert "already" in refused(owner.post(path, json={"newOwner": email("hydro-viewer")}), 400)
    assert viewer.put(path).status_code == 404
    assert "only the user to whom" in refused(owner.put(path), 403)
    assert told(stranger.get(url))["pendingTransferTo"]["email"] == email("hydro-stranger")
    assert told(owner.delete(path)) == "Workspace transfer rejected"
    assert stranger.get(url).status_code == 404
    owner.post(path, json={"newOwner": email("hydro-stranger")}).raise_for_status()
    assert told(stranger.put(path)) == "Workspace transfer accepted"
    assert told(stranger.get(url))["owner"]["email"] == email("hydro-stranger")
    assert owner.get(url).status_code == 404


def test_vocabulary_of_no_workspace_is_read_by_all_and_changed_by_admins(cast: Cast) -> None:
    body = {"name": "metre", "symbol": "m", "definition": "", "type": "Length", "workspaceId": None}
    assert "made and changed by admins" in refused(cast.clients["owner"].post(f"{API}/units", json=body), 403)
    one = posted(cast.clients["admin"], "units", body)["id"]
    assert told(cast.clients["key of elsewhere private"].get(f"{API}/units/{one}"))["symbol"] == "m"
    assert one in {row["id"] for row in told(cast.clients["stranger"].get(f"{API}/units", params={"workspace_id": "null"}))}
    assert cast.clients["editor"].patch(f"{API}/units/{one}", json={"symbol": "M"}).status_code == 403
    assert cast.clients["other"].get(f"{API}/units/{one}").status_code == 404
    assert cast.clients["admin"].delete(f"{API}/units/{one}").status_code == 204


def test_while_access_is_off_no_keys_are_made(http: httpx.Client) -> None:
    workspace = posted(http, "workspaces", {"name": "open", "isPrivate": False})["id"]
    answer = http.post(f"{API}/workspaces/{workspace}/api-keys", json={"name": "k", "roleId": EDITOR})
    assert "access is off" in refused(answer, 409)
