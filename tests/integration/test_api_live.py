"""The live tail tells what comes, once each, and goes on from any position; the log can be paged through."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.integration.api_server import Served, start_server
from tests.integration.conftest import client_of

HOUR = "2025-01-01T00:00:00Z"
Messages = Iterator[tuple[str, str, Any]]


@contextmanager
def tail(http: httpx.Client, headers: dict[str, str] | None = None, **params: Any) -> Iterator[Messages]:
    """(id, event, data) of each message, the first of which tells where it begins."""
    with http.stream("GET", "/api/v1/live", params=params, headers=headers or {}) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer.iter_lines())


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


def test_what_comes_is_told_once_and_a_reader_that_comes_back_misses_nothing(http: httpx.Client) -> None:
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
    with tail(http, {"Last-Event-ID": at}, key="a") as found:
        assert until_position(found) == ([], at)
        told, at = after_writes(found, 2)
        assert [(row["op"], row["value"]) for _, row in told] == [("set", 2.5), ("add", 4.0)]
        write(http, "a", 3.5)
        assert values(after_writes(found, 1)[0]) == [3.5]


def test_deletions_are_told_and_new_series_too_where_none_is_named(http: httpx.Client) -> None:
    with tail(http) as found:
        until_position(found)
        write(http, "new", 1.0)
        assert values(after_writes(found, 1)[0]) == [1.0]
        http.request("DELETE", "/api/v1/series/key:new/points", params={"from": HOUR, "until": "2025-01-02T00:00:00Z"}).raise_for_status()
        told, _ = after_writes(found, 1)
        assert [(event, row["cause"]) for event, row in told] == [("deletions", "deleted")]


def test_a_tail_ends_when_the_server_stops(tmp_path: Path) -> None:
    """Cleanly, and so at once: a body that is cut short would be an error here."""
    own = start_server(tmp_path)
    with client_of(own) as http, tail(http) as found:
        until_position(found)
        threading.Thread(target=own.stop).start()
        assert [event for _, event, _ in found if event != "position"] == []


def test_the_past_is_told_from_the_log_s_first_position(http: httpx.Client) -> None:
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
    assert http.get("/api/v1/events", params={"after": "f" * 32}).status_code == 409
    assert http.get("/api/v1/live", params={"after": "f" * 32}).status_code == 409
