"""Increments through HTTP: sums, values right after them, the latest value, conditions, and each refusal in words.

Before: a server in a process of its own (memory_server.py: records of 1 MiB, 4 partitions). After: nothing.
"""

import io
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pyarrow as pa
import pytest

pytestmark = pytest.mark.slow
HOURS = [f"2025-01-01T{hour:02}:00:00Z" for hour in range(4)]
HOUR = HOURS[0]
ARROW = "application/vnd.apache.arrow.stream"


def write(http: httpx.Client, series: str, times: list[str], values: list[Any], **more: Any) -> dict[str, Any]:
    body = {"series": series, "valid_time": times, "value": values} | more
    told: dict[str, Any] = http.post("/api/v1/points", json=body).raise_for_status().json()
    return told


def add(http: httpx.Client, series: str, times: list[str], amounts: list[Any], params: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"series": series, "valid_time": times, "value": amounts} | more
    return http.post("/api/v1/increments", json=body, params=params or {}).raise_for_status().json()


def values(http: httpx.Client, series: str) -> list[float | None]:
    found = http.get("/api/v1/values/flat", params={"key": series}).raise_for_status().json()["data"]
    return [row["value"] for row in found]


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_amounts_add_to_what_is_there_and_count_from_nothing(http: httpx.Client) -> None:
    write(http, "cells", HOURS[:2], [10, None])
    assert add(http, "cells", [HOURS[0], HOURS[1], HOURS[2], HOURS[0]], [1, 2, 3, -4.5])["rows"] == 4
    assert values(http, "cells") == [6.5, 2, 3]
    write(http, "cells", HOURS[:1], [100])
    add(http, "cells", HOURS[:1], [1])
    assert values(http, "cells") == [101, 2, 3]


def arrow_of(columns: dict[str, list[Any]]) -> bytes:
    table, sink = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_every_form_of_body_is_read(http: httpx.Client) -> None:
    csv = b"series,valid_time,value\nforms," + HOUR.encode() + b",1\n"
    rows = b'{"rows": [{"series": "forms", "valid_time": "%s", "value": 1}]}' % HOUR.encode()
    line = b'{"series": "forms", "valid_time": "%s", "value": 1}\n' % HOUR.encode()
    arrow = arrow_of({"series": ["forms"], "valid_time": [HOUR], "value": [1]})
    for kind, content in (("text/csv", csv), ("application/json", rows), ("application/x-ndjson", line), (ARROW, arrow)):
        http.post("/api/v1/increments", content=content, headers={"Content-Type": kind}).raise_for_status()
    http.post("/api/v1/series/key:forms/increments", json={"valid_time": [HOUR], "value": [1]}).raise_for_status()
    assert values(http, "forms") == [5]


def test_return_value_tells_each_cell_right_after_the_request(http: httpx.Client) -> None:
    write(http, "told", HOURS[:1], [10])
    answer = add(http, "told", [HOURS[1], HOURS[0], HOURS[1]], [1, 2, 3], {"return": "value"})
    assert answer["values"] == [{"valid_time": HOURS[1], "value": 4}, {"valid_time": HOURS[0], "value": 12}]


def test_a_repeated_key_counts_once_and_tells_the_value_of_the_first_time(http: httpx.Client) -> None:
    key, body = {"Idempotency-Key": "k"}, {"series": "again", "valid_time": [HOUR], "value": [1]}
    first = http.post("/api/v1/increments?return=value", json=body, headers=key).raise_for_status()
    add(http, "again", [HOUR], [10])
    again = http.post("/api/v1/increments?return=value", json=body, headers=key).raise_for_status()
    assert again.content == first.content and again.headers["Idempotency-Replayed"] == "true"
    assert values(http, "again") == [11]
    assert refusal(http.post("/api/v1/increments?return=value", json=body | {"value": [2]}, headers=key)) == (409, "idempotency-key-reused")


def test_many_at_once_give_an_exact_sum_and_distinct_values(http: httpx.Client) -> None:
    body = {"series": "crowd", "valid_time": [HOUR], "value": [1]}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: http.post("/api/v1/increments?return=value", json=body).json(), range(64)))
    assert sorted(answer["values"][0]["value"] for answer in answers) == list(range(1, 65))
    assert values(http, "crowd") == [64]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"value": [1, None]}, "increment-not-number"),
        ({"value": ["a", "b"]}, "increment-not-number"),
        ({"value": [True, False]}, "increment-not-number"),
        ({"text": ["a", "b"]}, "increment-not-number"),
        ({}, "column-missing"),
        ({"value": [1, 2], "annotation": "a"}, "increment-field"),
        ({"value": [1, 2], "tags": ["a"]}, "increment-field"),
        ({"value": [1, 2], "valid_time_end": HOURS[3]}, "increment-field"),
    ],
)
def test_what_is_no_amount_is_refused_naming_the_row(http: httpx.Client, body: dict[str, Any], code: str) -> None:
    response = http.post("/api/v1/increments", json={"series": "refused", "valid_time": HOURS[:2], **body})
    assert refusal(response) == (422, code), response.text
    if code == "increment-not-number":
        rows = [row["row"] for row in response.json()["error"]["rows"]]
        assert rows == ([1] if body.get("value", [0])[0] == 1 and body["value"][0] is not True else [0, 1])
    assert http.get("/api/v1/series/key:refused").status_code == 404


@pytest.mark.parametrize("values_held", [["words"], [True]])
def test_only_numbers_are_added_to(http: httpx.Client, values_held: list[Any]) -> None:
    write(http, "held", [HOUR], values_held)
    body = {"series": "held", "valid_time": [HOUR], "value": [1]}
    assert refusal(http.post("/api/v1/increments", json=body)) == (422, "value-type")
    assert refusal(http.post("/api/v1/series/key:held/latest/increment", json={"amount": 1})) == (422, "value-type")


def test_a_series_that_is_not_there_is_made_by_key_and_refused_by_id(http: httpx.Client) -> None:
    nobody = uuid.uuid4()
    body = {"valid_time": [HOUR], "value": [1]}
    assert refusal(http.post(f"/api/v1/series/{nobody}/increments", json=body)) == (404, "series-unknown")
    assert refusal(http.post(f"/api/v1/series/{nobody}/latest/increment", json={"amount": 1})) == (404, "series-unknown")
    http.post("/api/v1/series/key:made/increments", json=body).raise_for_status()
    assert http.get("/api/v1/series/key:made").json()["value_type"] == "number"


def test_return_value_is_for_the_cells_of_one_series(http: httpx.Client) -> None:
    body = {"series": ["a", "b"], "valid_time": HOURS[:2], "value": [1, 1]}
    assert refusal(http.post("/api/v1/increments?return=value", json=body)) == (422, "return-several-series")
    many = {"series": "a", "valid_time": list(range(10_001)), "value": 1}
    assert refusal(http.post("/api/v1/increments?return=value", json=many)) == (422, "return-too-many")
    assert refusal(http.post("/api/v1/increments?return=sum", json=body)) == (422, "field-incorrect")


def latest(http: httpx.Client, series: str, amount: float, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post(f"/api/v1/series/key:{series}/latest/increment", json={"amount": amount}, headers=headers).raise_for_status()


def test_the_latest_value_is_incremented_at_a_new_instant(http: httpx.Client) -> None:
    assert latest(http, "meter", 2.5).json()["value"] == 2.5
    first = latest(http, "meter", 1, "k")
    assert first.json()["value"] == 3.5
    assert latest(http, "meter", 1).json()["value"] == 4.5
    again = latest(http, "meter", 1, "k")
    assert again.content == first.content and again.headers["Idempotency-Replayed"] == "true"
    assert values(http, "meter") == [2.5, 3.5, 4.5]
    assert refusal(http.post("/api/v1/series/key:meter/latest/increment", json={"amount": "1"})) == (422, "field-incorrect")
    assert refusal(http.post("/api/v1/series/key:meter/latest/increment", json={"amount": True})) == (422, "field-incorrect")


def test_the_latest_instant_of_the_future_is_passed_by_a_millisecond(http: httpx.Client) -> None:
    write(http, "ahead", ["2100-01-01T00:00:00Z"], [1])
    assert latest(http, "ahead", 1).json() | {"token": ""} == {"token": "", "valid_time": "2100-01-01T00:00:00.001Z", "value": 2}


def test_a_latest_value_that_the_fold_does_not_know_is_read_and_written_under_a_condition(http: httpx.Client) -> None:
    write(http, "unknown", HOURS[:2], [1, 7])
    http.delete("/api/v1/series/key:unknown/points", params={"from": HOURS[1], "until": HOURS[2]}).raise_for_status()
    first = latest(http, "unknown", 10, "k")
    assert first.json()["value"] == 11
    assert latest(http, "unknown", 10, "k").content == first.content
    assert latest(http, "unknown", 1).json()["value"] == 12
    assert values(http, "unknown") == [1, 11, 12]


def test_many_at_once_add_up_where_the_latest_value_is_not_known(http: httpx.Client) -> None:
    write(http, "rush", HOURS[:2], [1, 7])
    http.delete("/api/v1/series/key:rush/points", params={"from": HOURS[1], "until": HOURS[2]}).raise_for_status()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: latest(http, "rush", 1).json()["value"], range(16)))
    assert sorted(found) == list(range(2, 18))


def test_a_condition_holds_once_and_the_refusal_tells_the_version_now(http: httpx.Client) -> None:
    write(http, "guarded", [HOUR], [1])
    version = http.get("/api/v1/series/key:guarded").json()["series_version"]
    add(http, "guarded", [HOUR], [1], if_series_version=version)
    body = {"series": "guarded", "valid_time": [HOUR], "value": [1], "if_series_version": version}
    refused = http.post("/api/v1/increments", json=body)
    now = http.get("/api/v1/series/key:guarded").json()["series_version"]
    assert refusal(refused) == (409, "condition-failed")
    assert str(now) in refused.json()["error"]["message"]
    assert refusal(http.put("/api/v1/series/key:guarded/points", json={k: v for k, v in body.items() if k != "series"}))[0] == 409
    assert values(http, "guarded") == [2]


def test_a_refused_condition_stays_refused_for_its_key(http: httpx.Client) -> None:
    body = {"series": "stays", "valid_time": [HOUR], "value": [1], "if_series_version": 5}
    key = {"Idempotency-Key": "k"}
    first, again = (http.post("/api/v1/increments", json=body, headers=key) for _ in range(2))
    assert refusal(first) == refusal(again) == (409, "condition-failed")


def test_the_outcome_of_an_event_is_told_by_its_id(http: httpx.Client) -> None:
    body = {"series": "outcomes", "valid_time": [HOUR], "value": [1], "if_series_version": 0}
    written = http.post("/api/v1/increments", json=body).raise_for_status()
    told = http.get(f"/api/v1/outcomes/{written.headers['Varve-Event']}").raise_for_status().json()
    assert (told["status"], told["reason"], told["token"]) == ("applied", "", written.json()["token"])
    assert told["series_version"] == http.get("/api/v1/series/key:outcomes").json()["series_version"]
    assert refusal(http.get("/api/v1/outcomes/unheard-of")) == (404, "event-unknown")


def test_increments_of_a_large_upload_add_up_over_its_pieces(http: httpx.Client) -> None:
    """Larger than a record of this server: spooled, and cut."""
    n = 150_000
    body = arrow_of({"series": ["large"] * n, "valid_time": [HOUR] * n, "value": [1] * n})
    for _ in range(2):
        http.post("/api/v1/increments", content=body, headers={"Content-Type": ARROW, "Idempotency-Key": "k"}).raise_for_status()
    assert values(http, "large") == [n]


def test_a_key_means_one_request_however_its_answer_is_asked_for(http: httpx.Client) -> None:
    key, body = str(uuid.uuid4()), {"series": str(uuid.uuid4()), "valid_time": "2025-01-01T00:00:00Z", "value": 5}
    ways: tuple[dict[str, str], ...] = (
        {},
        {"return": "value"},
        {"wait": "log", "return": "value"},
        {"return": "value", "wait": "log"},
        {"wait": "view"},
    )
    for params in ways:
        answer = http.post("/api/v1/increments", json=body, params=params, headers={"Idempotency-Key": key})
        assert answer.status_code == 200, answer.text
        assert answer.json().get("values", [{"value": 5}])[0]["value"] == 5
    other = http.post("/api/v1/increments", json=body, params={"changed_by": "eve"}, headers={"Idempotency-Key": key})
    assert other.status_code == 409 and other.json()["error"]["code"] == "idempotency-key-reused"
    flat = http.get("/api/v1/values/flat", params={"key": str(body["series"])}).json()["data"]
    assert [row["value"] for row in flat] == [5]


def test_a_failed_condition_names_the_event_whose_outcome_tells_why(http: httpx.Client) -> None:
    body = {"series": str(uuid.uuid4()), "valid_time": "2025-01-01T00:00:00Z", "value": 5, "if_series_version": 7}
    refused = http.post("/api/v1/points", json=body)
    assert refused.status_code == 409
    outcome = http.get(f"/api/v1/outcomes/{refused.headers['Varve-Event']}").json()
    assert outcome["status"] == "refused" and "if_series_version" in outcome["reason"]
