"""The live tail tells what comes, once each, and goes on from any position; the log can be paged through."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from api.tails import TAILS_MAX
from tests.integration.api_server import Served, start_server
from tests.integration.conftest import client_of

HOUR = "2025-01-01T00:00:00Z"
Messages = Iterator[tuple[str, str, Any]]


@contextmanager
def by_events(http: httpx.Client, after: str = "", **params: Any) -> Iterator[Messages]:
    with http.stream("GET", "/api/v1/live", params=params, headers={"Last-Event-ID": after} if after else {}) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines())


@contextmanager
def by_socket(http: httpx.Client, after: str = "", **params: Any) -> Iterator[Messages]:
    query = httpx.QueryParams(params | ({"after": after} if after else {}))
    with connect(socket_url(http) + f"?{query}", additional_headers={"X-Tenant": http.headers["X-Tenant"]}) as socket:
        yield said_on(socket)


def said_on(socket: ClientConnection) -> Messages:
    with suppress(ConnectionClosedError):
        for said in map(json.loads, socket):
            yield said.get("id", ""), said["event"], said["data"]
    assert socket.close_code == CloseCode.SERVICE_RESTART


def socket_url(http: httpx.Client) -> str:
    return f"ws://{http.base_url.netloc.decode()}/api/v1/live/ws"


BOTH = pytest.mark.parametrize("tail", [by_events, by_socket])
Tail = Callable[..., AbstractContextManager[Messages]]


def messages(lines: Iterator[str]) -> Messages:
    held: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, text = line.partition(": ")
            held[name] = text
        elif held:
            yield held.get("id", ""), held["event"], json.loads(held["data"])
            held = {}


def write(http: httpx.Client, series: str, value: Any) -> str:
    answer = http.post("/api/v1/points", json={"series": series, "valid_time": HOUR, "value": value})
    answer.raise_for_status()
    return str(answer.json()["token"])


def until_position(found: Messages) -> tuple[list[tuple[str, Any]], str]:
    """What is told up to the next position, and that position."""
    told: list[tuple[str, Any]] = []
    for ident, event, body in found:
        if event == "position":
            assert body == {"token": ident}
            return told, ident
        told += [(event, row) for row in body]
    raise AssertionError("the tail ended")


def values(told: list[tuple[str, Any]]) -> list[Any]:
    return [row["value"] for event, row in told if event == "layers"]


def after_writes(found: Messages, count: int) -> tuple[list[tuple[str, Any]], str]:
    told: list[tuple[str, Any]] = []
    while len(told) < count:
        more, at = until_position(found)
        told += more
    return told, at


@BOTH
def test_what_comes_is_told_once_and_a_reader_that_comes_back_misses_nothing(http: httpx.Client, tail: Tail) -> None:
    write(http, "a", 0.5)
    write(http, "other", 0.5)
    with tail(http, key="a") as found:
        assert until_position(found)[0] == []
        write(http, "a", 1.5)
        write(http, "other", 9.0)
        told, at = after_writes(found, 1)
        assert values(told) == [1.5]
        assert told[0][1]["op"] == "set"
    write(http, "a", 2.5)
    http.post("/api/v1/increments", json={"series": "a", "valid_time": HOUR, "value": 4.0}).raise_for_status()
    with tail(http, at, key="a") as found:
        assert until_position(found) == ([], at)
        told, at = after_writes(found, 2)
        assert [(row["op"], row["value"]) for _, row in told] == [("set", 2.5), ("add", 4.0)]
        write(http, "a", 3.5)
        assert values(after_writes(found, 1)[0]) == [3.5]


@BOTH
def test_deletions_are_told_and_new_series_too_where_none_is_named(http: httpx.Client, tail: Tail) -> None:
    with tail(http) as found:
        until_position(found)
        write(http, "new", 1.0)
        assert values(after_writes(found, 1)[0]) == [1.0]
        http.request("DELETE", "/api/v1/series/key:new/points", params={"from": HOUR, "until": "2025-01-02T00:00:00Z"}).raise_for_status()
        told, _ = after_writes(found, 1)
        assert [(event, row["cause"], row["from"]) for event, row in told] == [("deletions", "deleted", "2025-01-01T00:00:00.000000000Z")]
        http.request("DELETE", "/api/v1/series/key:new/points", params={"all": "true"}).raise_for_status()
        assert [(row["from"], row["until"]) for _, row in after_writes(found, 1)[0]] == [(None, None)]


@BOTH
def test_a_filter_takes_up_series_that_come_to_match_it_and_lets_go_of_those_that_match_no_more(http: httpx.Client, tail: Tail) -> None:
    write(http, "plant/old", 0.5)
    with tail(http, prefix="plant/", unit="MW") as found:
        assert until_position(found)[0] == []
        write(http, "plant/old", 1.0)
        http.post("/api/v1/series", json={"key": "plant/new", "unit": "MW"}).raise_for_status()
        write(http, "house/new", 2.0)
        write(http, "plant/new", 3.0)
        told, at = after_writes(found, 1)
        assert values(told) == [3.0]
        http.patch("/api/v1/series/key:plant/old", json={"unit": "MW"}).raise_for_status()
        write(http, "plant/old", 4.0)
        assert values(after_writes(found, 1)[0]) == [4.0]
        http.patch("/api/v1/series/key:plant/new", json={"unit": "kW"}).raise_for_status()
        write(http, "plant/new", 5.0)
        write(http, "plant/old", 6.0)
        assert values(after_writes(found, 1)[0]) == [6.0]
        http.delete("/api/v1/series/key:plant/old").raise_for_status()
        assert [row["cause"] for _, row in after_writes(found, 1)[0]] == ["series_deleted"]
    with tail(http, at, prefix="plant/", unit="MW") as found:  # what matched then: the other one
        until_position(found)
        assert values(after_writes(found, 1)[0]) == [5.0]


@BOTH
def test_an_update_says_which_fields_it_set(http: httpx.Client, tail: Tail) -> None:
    write(http, "a", 0.5)
    with tail(http, key="a") as found:
        until_position(found)
        row = {"series": "a", "valid_time": HOUR, "annotation": None, "tags": ["x"]}
        http.patch("/api/v1/points", json={"updates": [row]}).raise_for_status()
        assert [(row["op"], row["mask"], row["tags"]) for _, row in after_writes(found, 1)[0]] == [("update", 4, ["x"])]


def test_what_cannot_be_followed_is_refused_in_words(http: httpx.Client) -> None:
    log = write(http, "a", 0.5).partition(".")[0]
    for status, words, params in (
        (409, "names partition 9", {"after": f"{log}.9-1"}),
        (409, "offset 99999999 of partition 0", {"after": f"{log}.0-99999999"}),
        (409, "of log ffff", {"after": "f" * 32}),
        (422, "is not a token", {"after": "yesterday"}),
        (422, "limit: ", {"limit": "5"}),
        (422, "praefix: is not a field", {"praefix": "plant/"}),
        (404, "no series nothing", {"key": "nothing"}),
    ):
        answers = [(answer.status_code, answer.text) for answer in (http.get("/api/v1/live", params=params),)]
        if "after" in params:
            answers += [(answer.status_code, answer.text) for answer in (http.get("/api/v1/events", params=params),)]
        for found, text in [*answers, handshake(http, **params)]:
            assert found == status and words in json.loads(text)["error"]["message"], text


def handshake(http: httpx.Client, origin: str | None = None, **params: str) -> tuple[int, str]:
    """Status and body of a refused one."""
    address = f"{socket_url(http)}?{httpx.QueryParams(params)}"
    with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers={"Origin": origin} if origin else {}):
        pass
    return refused.value.response.status_code, bytes(refused.value.response.body or b"").decode()


def test_pages_of_other_servers_cannot_follow(http: httpx.Client) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        status, text = handshake(http, origin)
        assert status == 403 and "VARVE_HTTP__ORIGINS" in text
    for origin in (f"http://127.0.0.1:{http.base_url.port}", "https://trusted.example:8443"):
        with connect(socket_url(http), additional_headers={"Origin": origin}) as socket:
            assert json.loads(socket.recv())["event"] == "position"


@BOTH
def test_a_reader_that_takes_its_time_gets_all_of_it_once(http: httpx.Client, tail: Tail) -> None:
    """More than the buffers in between hold, so that the server has to wait for it."""
    count, rounds = 10_000, 6
    with tail(http) as found:
        until_position(found)
        for number in range(rounds):
            body = {"series": f"s{number}", "valid_time": list(range(count)), "value": [0.5] * count, "annotation": "x" * 200}
            http.post("/api/v1/points", json=body).raise_for_status()
        told, _ = after_writes(found, rounds * count)
        assert len({(row["series_id"], row["valid_time"]) for _, row in told}) == len(told) == rounds * count


@BOTH
def test_a_reader_whose_line_breaks_again_and_again_while_others_write_has_each_row_once(http: httpx.Client, tail: Tail) -> None:
    """It keeps what a position has confirmed, and breaks off in between."""
    count = 20
    with tail(http) as found:
        at = until_position(found)[1]
    writing = threading.Thread(target=lambda: [write(http, f"s{number % 7}", float(number)) for number in range(count)])
    writing.start()
    kept: list[Any] = []
    patience = 1
    while len(kept) < count:
        with tail(http, at) as found:
            held: list[Any] = []
            for number, (_, event, body) in enumerate(found):
                if event == "position":
                    kept, at, held = kept + held, body["token"], []
                else:
                    held += [row["value"] for row in body]
                if len(kept) >= count or (held and number > patience):
                    break  # often before the position that would confirm what is held
        patience = (patience + 1) % 4
    writing.join()
    assert sorted(kept) == [float(number) for number in range(count)]


def test_a_reader_that_leaves_makes_room(http: httpx.Client) -> None:
    for _ in range(TAILS_MAX + 5):
        with by_socket(http) as found:
            until_position(found)


@BOTH
def test_a_tail_ends_when_the_server_stops(tmp_path: Path, tail: Tail) -> None:
    """Cleanly, and so at once: a body that is cut short would be an error here."""
    own = start_server(tmp_path)
    with client_of(own) as http, tail(http) as found:
        until_position(found)
        threading.Thread(target=own.stop).start()
        assert [event for _, event, _ in found if event != "position"] == []


@BOTH
def test_the_past_is_told_from_the_log_s_first_position(http: httpx.Client, tail: Tail) -> None:
    token = write(http, "past", 1.0)
    for value in range(2_000, 2_003):
        write(http, "past", value)
    body = {"series": "past", "valid_time": list(range(2_500)), "value": [0.5] * 2_500}
    http.post("/api/v1/points", json=body).raise_for_status()
    with tail(http, key="past", after=token.partition(".")[0]) as found:
        until_position(found)
        assert values(after_writes(found, 2_504)[0])[:4] == [1.0, 2_000, 2_001, 2_002]


def test_the_log_is_paged_through_by_tenant(http: httpx.Client, served: Served) -> None:
    start = write(http, "a", 1.0)
    write(http, "b", 2.0)
    http.post("/api/v1/increments", json={"series": "a", "valid_time": HOUR, "value": 4.0}).raise_for_status()
    with client_of(served) as stranger:
        write(stranger, "a", 7.0)
    found: list[dict[str, Any]] = []
    after, more = start.partition(".")[0], True
    while more:
        page = http.get("/api/v1/events", params={"after": after, "limit": 7}).json()
        found, after, more = found + page["events"], page["token"], page["more"]
    told = sorted((event["type"], event["series"], event["value"]) for event in found)
    assert told == [("points_incremented", ["a"], [4.0]), ("points_written", ["a"], [1.0]), ("points_written", ["b"], [2.0])]
    assert http.get("/api/v1/events", params={"after": after}).json() == {"events": [], "token": after, "more": False}


def test_the_log_s_instants_are_text_and_open_bounds_null(http: httpx.Client) -> None:
    token = write(http, "a", 1.0)
    http.request("DELETE", "/api/v1/series/key:a/points", params={"all": "true", "known_time": HOUR}).raise_for_status()
    page = http.get("/api/v1/events", params={"after": token.partition(".")[0], "limit": 500}).json()
    written, deleted = (next(one for one in page["events"] if one["type"] == kind) for kind in ("points_written", "points_deleted"))
    assert (deleted["from"], deleted["until"], deleted["known_time"]) == (None, None, HOUR)
    for event in (written, deleted):
        assert event["recorded_time"].endswith("Z") and event["position"]["stored"].endswith("Z")
