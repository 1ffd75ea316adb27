"""Deletions, rewrites and purges through HTTP: what reads show afterwards, what time travel still shows, each refusal in words.

Before: a server in a process of its own (memory_server.py: records of 1 MiB, 4 partitions). After: nothing.
"""

import uuid
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow
HOURS = [f"2025-01-01T{hour:02}:00:00Z" for hour in range(4)]
CAUSES = ["deleted", "rewritten", "series_deleted", "purged"]


def write(http: httpx.Client, series: str, values: list[Any], **more: Any) -> None:
    body = {"series": series, "valid_time": HOURS[: len(values)], "value": values} | more
    http.post("/api/v1/points", json=body).raise_for_status()


def delete(http: httpx.Client, series: str, **params: str) -> dict[str, Any]:
    told: dict[str, Any] = http.delete(f"/api/v1/series/key:{series}/points", params=params).raise_for_status().json()
    return told


def rows(http: httpx.Client, shape: str, series: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get(f"/api/v1/values/{shape}", params={"key": series, **params}).raise_for_status().json()["data"]
    return found


def values(http: httpx.Client, series: str, **params: Any) -> list[Any]:
    return [row["value"] for row in rows(http, "flat", series, **params)]


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_deleted_span_is_hidden_and_its_ends_are_half_open(http: httpx.Client) -> None:
    write(http, "span", [1, 2, 3, 4])
    delete(http, "span", **{"from": HOURS[1], "until": HOURS[3]})
    assert values(http, "span") == [1, 4]
    write(http, "span", [10, 20])
    assert values(http, "span") == [10, 20, 4]


def test_what_was_deleted_shows_as_of_an_earlier_time_and_marked_in_history(http: httpx.Client) -> None:
    write(http, "past", [1, 2], known_time="2025-01-02T00:00:00Z")
    delete(http, "past", **{"from": HOURS[0], "until": HOURS[1], "known_time": "2025-01-03T00:00:00Z", "changed_by": "eva"})
    assert values(http, "past") == [2]
    assert values(http, "past", as_of="2025-01-02T12:00:00Z") == [1, 2]
    assert [row["value"] for row in rows(http, "history", "past")] == [1, 2]
    assert [row["deleted_time"] is None for row in rows(http, "history", "past", columns="deleted_time")] == [False, True]


def test_everything_is_deleted_only_when_it_is_said(http: httpx.Client) -> None:
    write(http, "whole", [1, 2])
    assert refusal(http.delete("/api/v1/series/key:whole/points")) == (422, "range-missing")
    assert refusal(http.delete("/api/v1/series/key:whole/points", params={"from": HOURS[0]})) == (422, "range-missing")
    both = {"from": HOURS[0], "until": HOURS[1], "all": "true"}
    assert refusal(http.delete("/api/v1/series/key:whole/points", params=both)) == (422, "range-missing")
    assert values(http, "whole") == [1, 2]
    delete(http, "whole", all="true")
    assert values(http, "whole") == []
    assert http.get("/api/v1/series/key:whole").is_success, "the series itself is there"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"from": HOURS[1], "until": HOURS[0]}, "range-backwards"),
        ({"from": HOURS[1], "until": HOURS[1]}, "range-backwards"),
        ({"from": "2025-01-01", "until": HOURS[1]}, "time-malformed"),
        ({"all": "true", "known_time": "2200-01-01T00:00:00Z"}, "known-time-ahead"),
        ({"all": "true", "when": "now"}, "field-incorrect"),
    ],
)
def test_a_wrong_span_is_refused_in_words(http: httpx.Client, params: dict[str, str], code: str) -> None:
    write(http, "wrong", [1, 2])
    assert refusal(http.delete("/api/v1/series/key:wrong/points", params=params)) == (422, code)
    assert values(http, "wrong") == [1, 2]


def test_a_series_that_is_not_there_cannot_be_deleted(http: httpx.Client) -> None:
    for path in ("/api/v1/series/key:nobody", "/api/v1/series/key:nobody/points?all=true", f"/api/v1/series/{uuid.uuid4()}"):
        assert refusal(http.delete(path)) == (404, "series-unknown")
    assert refusal(http.post("/api/v1/purges", json={"series": "nobody"})) == (404, "series-unknown")
    body = {"valid_time": HOURS[:1], "value": [1]}
    assert refusal(http.put(f"/api/v1/series/{uuid.uuid4()}/points", json=body)) == (404, "series-unknown")


@pytest.mark.parametrize("wait", ["view", "log"])
def test_a_deleted_series_is_gone_until_it_is_written_by_key_again(http: httpx.Client, wait: str) -> None:
    made = http.post("/api/v1/series", json={"key": "gone", "unit": "MW", "tags": ["old"]}).raise_for_status().json()
    ident, body = made["series_id"], {"valid_time": HOURS[:1], "value": ["words now"]}
    write(http, "gone", [1, 2])
    http.delete("/api/v1/series/key:gone", params={"wait": wait}).raise_for_status()
    assert http.get("/api/v1/series").json()["series"] == []
    for path in ("/api/v1/series/key:gone", f"/api/v1/series/{ident}", "/api/v1/values/flat?key=gone"):
        assert refusal(http.get(path)) == (404, "series-unknown")
    assert refusal(http.post(f"/api/v1/series/{ident}/points", json=body)) == (404, "series-unknown")
    assert refusal(http.delete("/api/v1/series/key:gone")) == (404, "series-unknown")
    http.post("/api/v1/series/key:gone/points", json=body).raise_for_status()
    again = http.get("/api/v1/series/key:gone").json()
    assert (again["series_id"], again["unit"], again["tags"], again["value_type"]) == (ident, None, [], "text")
    assert values(http, "gone") == ["words now"]


def test_a_deleted_series_can_be_created_again_empty(http: httpx.Client) -> None:
    write(http, "created", [1])
    http.delete("/api/v1/series/key:created").raise_for_status()
    http.post("/api/v1/series", json={"key": "created", "unit": "kW"}).raise_for_status()
    assert http.get("/api/v1/series/key:created").json()["unit"] == "kW"
    assert values(http, "created") == []
    http.post("/api/v1/increments", json={"series": "created", "valid_time": HOURS[:1], "value": [5]}).raise_for_status()
    assert values(http, "created") == [5], "counts from nothing, not from what was deleted"


def test_a_repeated_key_deletes_once(http: httpx.Client) -> None:
    write(http, "once", [1, 2])
    key = {"Idempotency-Key": "k"}
    for path, params in (("/api/v1/series/key:once/points", {"all": "true"}), ("/api/v1/series/key:once", {})):
        first = http.delete(path, params=params, headers=key).raise_for_status()
        write(http, "once", [3])
        again = http.delete(path, params=params, headers=key).raise_for_status()
        assert again.content == first.content and again.headers["Idempotency-Replayed"] == "true"
        assert values(http, "once") == [3]
    http.delete("/api/v1/series/key:once", headers={"Idempotency-Key": "l"}).raise_for_status()
    assert http.delete("/api/v1/series/key:once", headers={"Idempotency-Key": "l"}).is_success, "though it is not there any more"


def test_a_repeated_write_does_not_bring_a_deleted_series_back(http: httpx.Client) -> None:
    body, key = {"series": "stale", "valid_time": HOURS[:1], "value": [1]}, {"Idempotency-Key": "k"}
    http.post("/api/v1/points", json=body, headers=key).raise_for_status()
    http.delete("/api/v1/series/key:stale").raise_for_status()
    assert http.post("/api/v1/points", json=body, headers=key).raise_for_status().headers["Idempotency-Replayed"] == "true"
    for path in ("/api/v1/series/key:stale", "/api/v1/values/flat?key=stale"):
        assert refusal(http.get(path)) == (404, "series-unknown")


def test_a_rewrite_clears_and_writes_in_one(http: httpx.Client) -> None:
    write(http, "rewritten", [1, 2, 3])
    body = {"valid_time": HOURS[1:2], "value": [20], "annotation": "corrected"}
    told = http.put("/api/v1/series/key:rewritten/points", json=body).raise_for_status().json()
    assert told["rows"] == 1
    assert values(http, "rewritten") == [20]
    assert len(rows(http, "history", "rewritten")) == 4
    assert refusal(http.put("/api/v1/series/key:rewritten/points", json={"valid_time": [], "value": []})) == (422, "body-empty")
    too_long = {"valid_time": list(range(150_000)), "value": 1}
    assert refusal(http.put("/api/v1/series/key:rewritten/points", json=too_long)) == (422, "rewrite-too-large")
    assert refusal(http.put("/api/v1/series/key:rewritten/points", json=body | {"value": ["text"]})) == (422, "value-type")
    assert values(http, "rewritten") == [20]


def test_a_rewrite_makes_a_series_by_its_key(http: httpx.Client) -> None:
    http.put("/api/v1/series/key:new/points", json={"valid_time": HOURS[:1], "value": [True]}).raise_for_status()
    assert http.get("/api/v1/series/key:new").json()["value_type"] == "bool"


def test_deletions_are_listed_by_page_with_cause_and_bounds(http: httpx.Client) -> None:
    write(http, "listed", [1, 2])
    write(http, "other", [1])
    delete(http, "other", all="true")
    delete(http, "listed", **{"from": HOURS[0], "until": HOURS[1], "changed_by": "eva"})
    http.put("/api/v1/series/key:listed/points", json={"valid_time": HOURS[:1], "value": [1]}).raise_for_status()
    http.delete("/api/v1/series/key:listed").raise_for_status()
    http.post("/api/v1/purges", json={"series": "listed", "until": HOURS[3]}).raise_for_status()
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        cursor = {"cursor": page["next"]} if page["next"] else {}
        page = http.get("/api/v1/deletions", params={"key": "listed", "limit": 3, **cursor}).raise_for_status().json()
        found += page["deletions"]
    assert [row["cause"] for row in found] == CAUSES
    spans = [tuple(row[name] and row[name].replace(".000000000", "") for name in ("from", "until")) for row in found]
    assert spans == [(HOURS[0], HOURS[1]), (None, None), (None, None), (None, HOURS[3])]
    assert (found[0]["changed_by"], found[1]["changed_by"]) == ("eva", "")
    assert [row["version"] for row in found] == sorted({row["version"] for row in found})
    assert len(http.get("/api/v1/deletions").json()["deletions"]) == 5


def test_a_purge_says_how_many_and_erases_for_every_read(http: httpx.Client) -> None:
    write(http, "purged", [1, 2, 3])
    write(http, "purged", [10])
    body = {"series": "purged", "from": HOURS[0], "until": HOURS[2]}
    assert http.post("/api/v1/purges", json=body | {"dry_run": True}).raise_for_status().json() == {"rows": 3}
    assert len(rows(http, "history", "purged")) == 4
    key = {"Idempotency-Key": "k"}
    erased = http.post("/api/v1/purges", json=body, headers=key).raise_for_status().json()
    assert erased["rows"] == 3
    assert [row["value"] for row in rows(http, "history", "purged")] == [3]
    assert http.post("/api/v1/purges", json=body, headers=key).raise_for_status().json() == erased | {"rows": None}
    assert http.post("/api/v1/purges", json=body | {"dry_run": True}).json() == {"rows": 0}


def test_a_deleted_series_can_be_purged_and_a_wrong_purge_is_refused(http: httpx.Client) -> None:
    write(http, "private", [1, 2])
    http.delete("/api/v1/series/key:private").raise_for_status()
    assert http.post("/api/v1/purges", json={"series": "private"}).raise_for_status().json()["rows"] == 2
    assert refusal(http.post("/api/v1/purges", json={})) == (422, "series-missing")
    assert refusal(http.post("/api/v1/purges", json={"series": "a", "series_id": str(uuid.uuid4())})) == (422, "series-missing")
    write(http, "backwards", [1])
    wrong = {"series": "backwards", "from": HOURS[1], "until": HOURS[0]}
    assert refusal(http.post("/api/v1/purges", json=wrong)) == (422, "range-backwards")
    assert refusal(http.post("/api/v1/purges", json=wrong | {"dry_run": True})) == (422, "range-backwards")
