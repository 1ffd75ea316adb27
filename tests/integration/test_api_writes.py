"""Writes through HTTP: tokens and waits, keys that make a repetition harmless, coalescing, spooled uploads, tenants.

Before: a server in a process of its own (memory_server.py: records of 1 MiB, 4 partitions). After: nothing.
"""

import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from tests.integration.api_server import Served

pytestmark = pytest.mark.slow
HOUR = "2025-01-01T00:00:00Z"
ARROW = "application/vnd.apache.arrow.stream"


def arrow_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def flat(http: httpx.Client, **params: Any) -> list[dict[str, Any]]:
    response = http.get("/api/v1/values/flat", params=params)
    response.raise_for_status()
    found: list[dict[str, Any]] = response.json()["data"]
    return found


def test_a_write_is_visible_when_it_answers_and_a_log_write_after_its_token(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "seen", "valid_time": [HOUR], "value": [1]}).raise_for_status()
    assert [row["value"] for row in flat(http, key="seen")] == [1]
    body = {"series": "seen", "valid_time": [HOUR], "value": [2]}
    token = http.post("/api/v1/points?wait=log", json=body).raise_for_status().json()["token"]
    assert [row["value"] for row in flat(http, key="seen", after=token)] == [2]


def test_what_was_written_to_the_log_alone_can_be_written_to_at_once(http: httpx.Client) -> None:
    ident = http.post("/api/v1/series?wait=log", json={"name": "no key"}).raise_for_status().json()["series_id"]
    http.post("/api/v1/points?wait=log", json={"series_id": ident, "valid_time": [HOUR], "value": [1]}).raise_for_status()
    run = http.post("/api/v1/runs?wait=log", json={}).raise_for_status().json()["run_id"]
    http.post(f"/api/v1/runs/{run}/points", json={"series_id": ident, "valid_time": [HOUR], "value": [2]}).raise_for_status()
    assert [row["value"] for row in flat(http, series_id=ident)] == [2]


def test_a_token_of_another_log_is_refused(http: httpx.Client) -> None:
    assert http.get("/api/v1/values/flat", params={"after": "0" * 32 + ".0-0"}).status_code == 409


@pytest.mark.parametrize("series", [["one"], [f"many-{at}" for at in range(20)]])
def test_a_repeated_key_is_applied_once_and_answered_alike(http: httpx.Client, series: list[str]) -> None:
    """One partition, and several: the fold's guard, and the route agent's."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"series": series, "valid_time": [HOUR] * len(series), "value": [1] * len(series)}
    first = http.post("/api/v1/points", json=body, headers=key).raise_for_status()
    again = http.post("/api/v1/points", json=body, headers=key).raise_for_status()
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    layers = http.get("/api/v1/values/history", params={"key": series[0]}).json()["data"]
    assert len(layers) == 1
    assert http.post("/api/v1/points", json=body | {"value": [2] * len(series)}, headers=key).status_code == 409


def test_the_same_key_sent_many_times_at_once_is_applied_once(http: httpx.Client) -> None:
    key, body = {"Idempotency-Key": str(uuid.uuid4())}, {"series": "rush", "valid_time": [HOUR], "value": [1]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.post("/api/v1/points", json=body, headers=key), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(http.get("/api/v1/values/history", params={"key": "rush"}).json()["data"]) == 1


def test_every_writing_route_repeats_its_answer_for_a_key(http: httpx.Client) -> None:
    run = str(http.post("/api/v1/runs", json={}).json()["run_id"])
    http.post("/api/v1/points", json={"series": "doors", "valid_time": [HOUR], "value": [1], "run_id": run}).raise_for_status()
    ident = http.get("/api/v1/series/key:doors").json()["series_id"]
    for method, path, body in (
        ("POST", "/api/v1/series", {"name": "keyless"}),
        ("PATCH", "/api/v1/series/key:doors", {"unit": "m"}),
        ("POST", "/api/v1/runs", {"workflow_id": "w"}),
        ("POST", f"/api/v1/runs/{run}/points", {"series": "doors", "valid_time": [HOUR], "value": [5]}),
        ("POST", "/api/v1/series/key:doors/points", {"valid_time": [HOUR], "value": [6]}),
        ("PATCH", "/api/v1/points", {"updates": [{"series": "doors", "valid_time": HOUR, "value": 7}]}),
        ("POST", f"/api/v1/runs/{run}/seal", {}),
        ("POST", "/series", {"name": "timedb"}),
        ("POST", "/upload", {"run_start_time": HOUR, "value_rows": [{"valid_time": HOUR, "value_key": "timedb", "value": 1}]}),
        ("PUT", "/values", {"updates": [{"run_id": run, "valid_time": HOUR, "series_id": ident, "annotation": "noted"}]}),
    ):
        headers = {"Idempotency-Key": "k"}
        first = http.request(method, path, json=body, headers=headers)
        assert first.is_success, (path, first.text)
        assert http.request(method, path, json=body, headers=headers).content == first.content, path


def test_a_condition_that_does_not_hold_is_a_conflict_and_changes_nothing(http: httpx.Client) -> None:
    body = {"series": "guarded", "valid_time": [HOUR], "value": [1]}
    http.post("/api/v1/points", json=body | {"if_series_version": 0}).raise_for_status()
    refused = http.post("/api/v1/points", json=body | {"value": [2], "if_series_version": 0})
    assert refused.status_code == 409
    assert [row["value"] for row in flat(http, key="guarded")] == [1]
    version = http.get("/api/v1/values/history", params={"key": "guarded"}).json()["data"][0]["version"]
    http.post("/api/v1/points", json=body | {"value": [3], "if_series_version": version}).raise_for_status()
    assert [row["value"] for row in flat(http, key="guarded")] == [3]


def test_small_concurrent_writes_share_records_and_none_is_lost(http: httpx.Client) -> None:
    before = http.get("/api/v1/status").json()["ends"]

    def write(at: int) -> None:
        body = {"series": "crowd", "valid_time": [at], "value": [at]}
        http.post("/api/v1/points?wait=log", json=body).raise_for_status()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(write, range(400)))
    after = http.get("/api/v1/status").json()["ends"]
    http.post("/api/v1/points", json={"series": "crowd", "valid_time": [400], "value": [400]}).raise_for_status()
    assert [row["value"] for row in flat(http, key="crowd")] == list(range(401))
    assert sum(after.values()) - sum(before.values()) < 400


@pytest.mark.parametrize("key", [None, "big"])
def test_an_upload_larger_than_a_record_is_applied_whole_and_once(http: httpx.Client, served: Served, key: str | None) -> None:
    rows, names = 200_000, [f"big-{key}-{at}" for at in range(10)]
    series = pa.DictionaryArray.from_arrays(pa.array(np.arange(rows, dtype=np.int32) % 10), pa.array(names))
    table = pa.table({"series": series, "valid_time": np.arange(rows) // 10, "value": np.arange(rows, dtype=float)})
    headers = {"Content-Type": ARROW} | ({"Idempotency-Key": key} if key else {})
    first = http.post("/api/v1/points", content=arrow_of(table), headers=headers).raise_for_status()
    assert first.json()["rows"] == rows
    found = http.get("/api/v1/values/flat", params={"key": names, "limit": 10_000})
    total, pages = 0, 0
    while True:
        total, pages = total + found.json()["count"], pages + 1
        if "next" not in found.links:
            break
        found = http.get(found.links["next"]["url"])
    assert (total, pages) == (rows, 20)
    assert not list((served.data / "spool").iterdir())
    if key:
        again = http.post("/api/v1/points", content=arrow_of(table), headers=headers).raise_for_status()
        assert again.content == first.content
        assert http.get("/api/v1/values/history", params={"key": names[0], "limit": 1, "columns": "version"}).json()["count"] == 1


def test_tenants_do_not_see_each_other(http: httpx.Client) -> None:
    mine, theirs = {"X-Tenant": str(uuid.uuid4())}, {"X-Tenant": str(uuid.uuid4())}
    body = {"series": "private", "valid_time": [HOUR], "value": [1]}
    http.post("/api/v1/points", json=body, headers=mine).raise_for_status()
    assert http.get("/api/v1/values/flat", params={"key": "private"}, headers=mine).json()["count"] == 1
    assert http.get("/api/v1/values/flat", params={"key": "private"}, headers=theirs).status_code == 404
    assert http.get("/api/v1/series", headers=theirs).json()["series"] == []
    ident = http.get("/api/v1/series/key:private", headers=mine).json()["series_id"]
    assert http.get("/api/v1/values/flat", params={"series_id": ident}, headers=theirs).status_code == 404
    run = http.post(
        "/upload", json={"run_start_time": HOUR, "value_rows": [{"valid_time": HOUR, "value_key": "own", "value": 1}]}, headers=mine
    ).json()
    own = {"run_id": run["run_id"], "valid_time": HOUR, "series_id": run["series_ids"]["own"], "value": 2}
    assert len(http.put("/values", json={"updates": [own]}, headers=mine).json()["updated"]) == 1
    update = {"run_id": str(uuid.uuid4()), "tenant_id": mine["X-Tenant"], "valid_time": HOUR, "series_id": ident, "value": 2}
    assert http.put("/values", json={"updates": [update]}, headers=theirs).status_code == 403


def test_two_partial_updates_at_once_lose_neither(http: httpx.Client) -> None:
    for round_ in range(5):
        series = f"partial-{round_}"
        http.post("/api/v1/points", json={"series": series, "valid_time": [HOUR], "value": [1]}).raise_for_status()
        fields: list[dict[str, Any]] = [{"value": 2}, {"annotation": "noted"}, {"tags": ["checked"]}]

        def update(given: dict[str, Any], series: str = series) -> None:
            body = {"updates": [{"series": series, "valid_time": HOUR} | given]}
            http.patch("/api/v1/points", json=body).raise_for_status()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(update, fields))
        row = flat(http, key=series, columns="value,annotation,tags")[0]
        assert row == {"value": 2, "annotation": "noted", "tags": ["checked"]}


def test_an_update_tells_what_changed_nothing_and_null_clears(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "noop", "valid_time": [HOUR], "value": [1], "annotation": "a"}).raise_for_status()
    updates = [{"series": "noop", "valid_time": HOUR, "value": 1}, {"series": "noop", "valid_time": HOUR, "annotation": None}]
    answer = http.patch("/api/v1/points", json={"updates": updates}).raise_for_status().json()
    assert (answer["updated"], answer["no_ops"]) == (1, [0])
    assert flat(http, key="noop", columns="value,annotation") == [{"value": 1, "annotation": None}]
    assert http.patch("/api/v1/points", json={"updates": [{"series": "noop", "valid_time": 5, "value": 1}]}).status_code == 404


def test_the_outcome_of_a_keyed_event_can_be_asked(http: httpx.Client) -> None:
    assert http.get("/api/v1/outcomes/unheard-of").status_code == 404
