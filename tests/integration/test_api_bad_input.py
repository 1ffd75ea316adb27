"""Bad input, line by line: what is refused, with which status, in which words, and that nothing of it is stored.

Before: a server in a process of its own (memory_server.py). After: nothing.
"""

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

pytestmark = pytest.mark.slow
HOUR = "2025-01-01T00:00:00Z"
ROW = {"series": "s", "valid_time": HOUR, "value": 1.0}


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    found: dict[str, Any] = response.json()["error"]
    assert found["code"]
    assert found["message"]
    return found


def test_unknown_series_is_named(http: httpx.Client) -> None:
    ident = "11111111-2222-3333-4444-555555555555"
    assert ident in error_of(http.get("/api/v1/values/flat", params={"series_id": ident}), 404)["message"]
    assert "nowhere" in error_of(http.get("/api/v1/values/flat", params={"key": "nowhere"}), 404)["message"]
    assert ident in error_of(http.get(f"/api/v1/series/{ident}"), 404)["message"]
    body = {"series_id": ident, "valid_time": [HOUR], "value": [1]}
    assert ident in error_of(http.post("/api/v1/points", json=body), 404)["message"]


@pytest.mark.parametrize("time", ["yesterday", "2025-01-01T00:00:00", "2025-13-01T00:00:00Z", True, None, "1800-01-01T00:00:00Z"])
def test_malformed_or_naive_time_names_row_and_column(http: httpx.Client, time: Any) -> None:
    rows = [ROW, ROW | {"valid_time": time}]
    bad = error_of(http.post("/api/v1/points", json={"rows": rows}), 422)["rows"]
    assert [(one["row"], one["column"]) for one in bad] == [(1, "valid_time")]


def test_naive_time_in_a_question_is_refused(http: httpx.Client) -> None:
    assert "offset" in error_of(http.get("/api/v1/values/flat", params={"from": "2025-01-01T00:00:00"}), 422)["message"]


def test_known_time_in_the_future_is_refused(http: httpx.Client) -> None:
    for body in ({"known_time": "2200-01-01T00:00:00Z", "rows": [ROW]}, {"rows": [ROW | {"known_time": "2200-01-01T00:00:00Z"}]}):
        assert "future" in error_of(http.post("/api/v1/points", json=body), 422)["message"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nan_and_infinity_in_json_are_refused(http: httpx.Client, value: str) -> None:
    body = '{"rows": [{"series": "s", "valid_time": "2025-01-01T00:00:00Z", "value": VALUE}]}'.replace("VALUE", value)
    said = error_of(http.post("/api/v1/points", content=body, headers={"Content-Type": "application/json"}), 422)["message"]
    assert "send null" in said or value == "1e999"


def test_nan_in_arrow_and_csv_is_refused_with_its_row(http: httpx.Client) -> None:
    table = pa.table({"series": ["s", "s"], "valid_time": [0, 1], "value": [1.0, float("nan")]})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
    assert error_of(http.post("/api/v1/points", content=sink.getvalue(), headers=headers), 422)["rows"][0]["row"] == 1
    csv = f"series,valid_time,value\ns,{HOUR},1\ns,2025-01-01T01:00:00Z,nan\n"
    assert error_of(http.post("/api/v1/points", content=csv, headers={"Content-Type": "text/csv"}), 422)["rows"][0]["row"] == 1


def test_body_over_the_limit_is_refused_while_reading(http: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(12):
            yield b" " * (1 << 20)

    error_of(http.post("/api/v1/points", content=pieces(), headers={"Content-Type": "application/json"}), 413)
    error_of(http.post("/api/v1/points", content=b" " * (9 << 20), headers={"Content-Type": "application/json"}), 413)


def test_a_small_body_that_inflates_over_the_limit_is_refused(http: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    error_of(http.post("/api/v1/points", content=gzip.compress(b" " * (64 << 20)), headers=headers), 413)


def test_wrong_content_type_and_encoding_are_refused(http: httpx.Client) -> None:
    error_of(http.post("/api/v1/points", content=b"<x/>", headers={"Content-Type": "text/xml"}), 415)
    error_of(http.post("/api/v1/series", content=b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415)
    error_of(http.post("/api/v1/points", content=b"x", headers={"Content-Type": "application/json", "Content-Encoding": "br"}), 415)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/points", {"rows": [ROW | {"colour": "red"}]}),
        ("/api/v1/points", {"rows": [ROW], "colour": "red"}),
        ("/api/v1/series", {"key": "s", "colour": "red"}),
        ("/api/v1/runs", {"colour": "red"}),
        ("/api/v1/points?colour=red", {"rows": [ROW]}),
    ],
)
def test_an_unknown_field_is_refused_by_name(http: httpx.Client, path: str, body: Any) -> None:
    assert "colour" in error_of(http.post(path, json=body), 422)["message"]


def test_an_unknown_parameter_of_a_read_is_refused(http: httpx.Client) -> None:
    assert "colour" in error_of(http.get("/api/v1/values/flat?colour=red"), 422)["message"]
    assert "colour" in error_of(http.get("/api/v1/values/flat?columns=colour"), 422)["message"]


def test_a_parameter_that_is_said_twice_is_refused_unless_it_is_a_list(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "said", "valid_time": [HOUR], "value": [1.5]}).raise_for_status()
    refused = error_of(http.get("/api/v1/values/flat?key=said&columns=value&columns=valid_time"), 422)
    assert "columns: stands in the address 2 times" in refused["message"]
    error_of(http.post("/api/v1/points?wait=log&wait=view", json={"rows": [ROW]}), 422)
    http.get("/api/v1/values/flat?key=said&key=said&columns=value").raise_for_status()
    http.get("/api/v1/rollups?key=said&period=1hour&function=sum&function=min").raise_for_status()


def test_deep_json_is_refused(http: httpx.Client) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    error_of(http.post("/api/v1/points", content=deep, headers={"Content-Type": "application/json"}), 422)


def test_a_value_of_another_type_than_the_series_holds_is_refused(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "typed", "valid_time": [HOUR], "value": [1.5]}).raise_for_status()
    for value in ("words", True):
        error = error_of(http.post("/api/v1/points", json={"series": "typed", "valid_time": [HOUR], "value": [value]}), 422)
        assert "number" in error["message"]
    error_of(http.post("/api/v1/series", json={"key": "typed", "value_type": "text"}), 409)


def test_one_bad_row_refuses_the_whole_upload_and_lists_the_first_hundred(http: httpx.Client) -> None:
    good = [{"series": "whole", "valid_time": f"2025-01-01T00:{minute:02d}:00Z", "value": 1} for minute in range(60)]
    bad = error_of(http.post("/api/v1/points", json={"rows": good + [ROW | {"valid_time": "never"}] * 150}), 422)["rows"]
    assert [one["row"] for one in bad] == list(range(60, 160))
    error_of(http.get("/api/v1/values/flat", params={"key": "whole"}), 404)


def test_malformed_token_cursor_tenant_and_zone_are_refused(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "paged", "valid_time": [0, 1, 2], "value": [1, 2, 3]}).raise_for_status()
    error_of(http.get("/api/v1/values/flat?after=nonsense"), 422)
    error_of(http.get("/api/v1/values/flat?key=paged&cursor=nonsense"), 422)
    following = http.get("/api/v1/values/flat?key=paged&limit=1").json()["next"]
    error_of(http.get(f"/api/v1/values/flat?key=paged&limit=2&cursor={following}"), 422)
    error_of(http.get("/api/v1/values/flat", headers={"X-Tenant": "me"}), 422)
    error_of(http.get("/api/v1/values/relative?key=paged&days_before=1&zone=Mars/Base"), 422)
    error_of(http.get("/api/v1/values/relative?key=paged"), 422)
    error_of(http.get("/api/v1/values/flat", headers={"Accept": "image/png"}), 406)


def test_broken_bodies_are_refused_in_words(http: httpx.Client) -> None:
    for kind, body in (
        ("application/json", b"{"),
        ("application/json", b""),
        ("application/json", b"3"),
        ("application/json", b'{"rows": []}'),
        ("application/json", b'{"rows": [3]}'),
        ("application/json", json.dumps({"series": "s", "valid_time": [HOUR], "value": [1, 2]}).encode()),
        ("application/json", json.dumps({"valid_time": [HOUR], "value": [1]}).encode()),
        ("application/json", json.dumps({"series": "s", "valid_time": [HOUR], "valid_time_end": [HOUR], "value": [1]}).encode()),
        ("application/x-ndjson", b'{"series": "s"}\n{'),
        ("text/csv", b"series,valid_time\n1,2,3\n"),
        ("application/vnd.apache.arrow.stream", b"arrow"),
    ):
        error_of(http.post("/api/v1/points", content=body, headers={"Content-Type": kind}), 422)


def test_timedb_says_its_errors_as_detail(http: httpx.Client) -> None:
    for response, status in (
        (http.post("/upload", json={"value_rows": []}), 422),
        (http.post("/upload", json={"run_start_time": HOUR, "value_rows": [{"valid_time": HOUR, "value": 1}]}), 422),
        (http.get("/values", params={"mode": "odd"}), 422),
        (http.put("/values", json={"updates": [{"run_id": "x"}]}), 422),
        (http.delete("/values"), 405),
    ):
        assert response.status_code == status, response.text
        assert isinstance(response.json()["detail"], str)


def test_an_unknown_route_is_404_and_a_wrong_method_405(http: httpx.Client) -> None:
    error_of(http.get("/api/v1/nothing"), 404)
    error_of(http.delete("/api/v1/points"), 405)
