"""Reads through HTTP: shapes, bounds, forms by Accept, compression, pages at one watermark vector, lists.

Before: a server in a process of its own (memory_server.py). After: nothing.
"""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api_server import Served
from tests.integration.conftest import client_of

pytestmark = pytest.mark.slow
ARROW = "application/vnd.apache.arrow.stream"
NOON = "2025-01-02T12:00:00Z"


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with client_of(served) as client:
        for known, value in (("2025-01-01T10:00:00Z", 1.0), ("2025-01-01T11:30:00Z", 2.0), ("2025-01-02T11:00:00Z", 3.0)):
            body = {"series": "forecast", "valid_time": [NOON, "2025-01-02T13:00:00Z"], "value": [value, value + 0.5], "known_time": known}
            client.post("/api/v1/points", json=body).raise_for_status()
        yield client


def read(http: httpx.Client, shape: str, **params: Any) -> list[dict[str, Any]]:
    response = http.get(f"/api/v1/{shape}", params={"key": "forecast", **params})
    response.raise_for_status()
    rows: list[dict[str, Any]] = response.json()["data"]
    assert response.json()["count"] == len(rows)
    return rows


def values(http: httpx.Client, shape: str, **params: Any) -> list[float]:
    return [row["value"] for row in read(http, shape, **params)]


def test_each_shape_answers_its_question(http: httpx.Client) -> None:
    assert values(http, "values/flat") == [3.0, 3.5]
    assert values(http, "values/flat", until="2025-01-02T13:00:00Z") == [3.0]
    assert values(http, "values/flat", as_of="2025-01-01T11:30:00Z") == [2.0, 2.5]
    assert values(http, "values/flat", as_of_recorded="2025-01-01T11:30:00Z") == []
    assert values(http, "values/overlapping") == [1.0, 2.0, 3.0, 1.5, 2.5, 3.5]
    assert values(http, "values/overlapping", known_from="2025-01-01T11:00:00Z", known_until="2025-01-02T00:00:00Z") == [2.0, 2.5]
    assert len(read(http, "values/history")) == 6
    assert values(http, "values/relative", before_seconds=25 * 3600) == [1.0, 2.5]
    assert values(http, "values/relative", days_before=1, at="12:00", zone="Europe/Stockholm") == [1.0, 1.5]
    assert values(http, "latest") == [3.5]


def test_clickhouse_writes_every_form_with_the_same_rows(http: httpx.Client) -> None:
    def body(accept: str) -> bytes:
        response = http.get("/api/v1/values/flat", params={"key": "forecast"}, headers={"Accept": accept})
        response.raise_for_status()
        assert response.headers["content-type"].partition(";")[0] == accept
        assert response.headers["Varve-Watermark"]
        return response.content

    frames = [
        pd.read_json(io.BytesIO(body("application/x-ndjson")), lines=True),
        pd.read_csv(io.BytesIO(body("text/csv"))),
        pa.ipc.open_stream(body(ARROW)).read_all().to_pandas(),
        pq.read_table(io.BytesIO(body("application/vnd.apache.parquet"))).to_pandas(),
    ]
    for frame in frames:
        assert list(frame.columns) == ["valid_time", "value"]
        assert frame["value"].tolist() == [3.0, 3.5]
        assert pd.to_datetime(frame["valid_time"], utc=True).iloc[0] == pd.Timestamp(NOON)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("accept", ["application/json", ARROW])
def test_answers_are_compressed_as_asked(http: httpx.Client, encoding: str, accept: str) -> None:
    headers = {"Accept": accept, "Accept-Encoding": encoding}
    response = http.get("/api/v1/values/flat", params={"key": "forecast"}, headers=headers)
    assert response.headers["Content-Encoding"] == encoding
    plain = http.get("/api/v1/values/flat", params={"key": "forecast"}, headers={"Accept": accept, "Accept-Encoding": "identity"})
    assert response.content == plain.content


def test_pages_stay_at_the_watermark_of_the_first(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "pages", "valid_time": list(range(10)), "value": list(range(10))}).raise_for_status()
    first = http.get("/api/v1/values/flat", params={"key": "pages", "limit": 4})
    http.post("/api/v1/points", json={"series": "pages", "valid_time": list(range(12)), "value": [99] * 12}).raise_for_status()
    found, page = [row["value"] for row in first.json()["data"]], first
    while "next" in page.links:
        page = http.get(page.links["next"]["url"]).raise_for_status()
        found += [row["value"] for row in page.json()["data"]]
    assert found == list(range(10))
    assert page.json()["next"] is None


def test_bool_text_and_mixed_series_keep_their_types(http: httpx.Client) -> None:
    http.post("/api/v1/points", json={"series": "switch", "valid_time": [0, 1], "value": [True, None]}).raise_for_status()
    http.post("/api/v1/points", json={"series": "words", "valid_time": [0], "value": ["höher"]}).raise_for_status()
    switch = http.get("/api/v1/values/flat", params={"key": "switch"}).json()["data"]
    assert [row["value"] for row in switch] == [True, None]
    words = http.get("/api/v1/values/flat", params={"key": "words"}).json()["data"]
    assert [row["value"] for row in words] == ["höher"]
    both = http.get("/api/v1/values/flat", params={"key": ["words", "switch"]}).json()["data"]
    assert {(row["value"], row["text"]) for row in both} == {(None, "höher"), (1, None), (None, None)}


def test_every_form_of_body_is_read(http: httpx.Client) -> None:
    table = pa.table({"valid_time": pa.array([0], pa.timestamp("ns", "UTC")), "value": [4.0]})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    bodies: list[tuple[str, bytes]] = [
        ("application/json", b'[{"valid_time": 0, "value": 1}]'),
        ("application/x-ndjson", b'{"valid_time": 0, "value": 2}\n\n'),
        ("text/csv", b"valid_time,value\n1970-01-01T00:00:00Z,3\n"),
        (ARROW, sink.getvalue()),
    ]
    for expected, (kind, body) in enumerate(bodies, 1):
        http.post("/api/v1/series/key:forms/points", content=body, headers={"Content-Type": kind}).raise_for_status()
        assert http.get("/api/v1/latest", params={"key": "forms"}).json()["data"][0]["value"] == expected


def test_series_are_created_once_described_and_found(http: httpx.Client) -> None:
    new = {
        "key": "plant/boiler",
        "name": "Boiler",
        "unit": "celsius",
        "tags": ["heat", "plant"],
        "attributes": {"site": "north"},
        "labels": {"a": "b"},
    }
    first = http.post("/api/v1/series", json=new)
    assert first.status_code == 201
    again = http.post("/api/v1/series", json={"key": "plant/boiler", "description": "hot"})
    assert again.json()["series_id"] == first.json()["series_id"]
    http.patch("/api/v1/series/key:plant/boiler", json={"unit": None}).raise_for_status()
    one = http.get("/api/v1/series/key:plant/boiler").json()
    assert (one["name"], one["description"], one["unit"], one["value_type"]) == ("Boiler", "hot", None, "number")
    for params, count in (
        ({"tag": ["heat", "plant"]}, 1),
        ({"tag": "cold"}, 0),
        ({"attribute": "site:north"}, 1),
        ({"attribute": "site:south"}, 0),
        ({"label": "a:b"}, 1),
        ({"prefix": "plant/"}, 1),
        ({"name": "Boiler"}, 1),
        ({"key": ["plant/boiler", "forecast"]}, 2),
    ):
        assert len(http.get("/api/v1/series", params=params).json()["series"]) == count, params
    assert http.get("/api/v1/values/flat", params={"tag": "cold"}).json() == {"data": [], "count": 0, "next": None}


def test_lists_come_in_pages(http: httpx.Client) -> None:
    for at in range(5):
        http.post("/api/v1/series?wait=log", json={"key": f"listed-{at}"}).raise_for_status()
        http.post("/api/v1/runs", json={"workflow_id": "listed"}).raise_for_status()
    for path, name, params in (("/api/v1/series", "series", {"prefix": "listed-"}), ("/api/v1/runs", "runs", {"workflow_id": "listed"})):
        found: list[str] = []
        cursor = None
        while True:
            page = http.get(path, params=params | {"limit": 2} | ({"cursor": cursor} if cursor else {})).raise_for_status().json()
            found += [row["series_id" if name == "series" else "run_id"] for row in page[name]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(found) == len(set(found)) == 5


def test_a_run_gives_its_points_its_known_time(http: httpx.Client) -> None:
    run = http.post(
        "/api/v1/runs", json={"workflow_id": "w", "known_time": "2025-03-01T00:00:00Z", "params": {"model": [1, {"a": None}]}}
    ).json()["run_id"]
    http.post(f"/api/v1/runs/{run}/points", json={"series": "of-run", "valid_time": [0], "value": [1]}).raise_for_status()
    row = http.get("/api/v1/values/history", params={"key": "of-run", "run_id": run}).json()["data"][0]
    assert (row["known_time"], row["run_id"]) == ("2025-03-01T00:00:00.000000000Z", run)
    http.post(f"/api/v1/runs/{run}/seal", json={"points": 1}).raise_for_status()
    one = http.get(f"/api/v1/runs/{run}").json()
    assert (one["state"], one["points"], one["params"]) == ("sealed", 1, {"model": [1, {"a": None}]})
    assert (
        http.post(
            "/api/v1/runs/11111111-1111-1111-1111-111111111111/points", json=[{"series": "x", "valid_time": 0, "value": 1}]
        ).status_code
        == 404
    )


def test_openapi_and_docs_are_served(http: httpx.Client) -> None:
    assert "/api/v1/values/flat" in http.get("/openapi.json").json()["paths"]
    assert http.get("/docs").status_code == 200
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready", "missing": [], "notes": []}


def test_series_are_found_by_every_word_that_describes_them(http: httpx.Client) -> None:
    for number in range(3):
        described = {"name": f"Kettle {number}", "description": f"in hall {number % 2}", "unit": "kW", "tags": ["hot", f"t{number}"]}
        more = {"attributes": {"vendor": f"v{number % 2}"}, "labels": {"kind": "k"}}
        assert http.post("/api/v1/series", json={"key": f"hall/{number}"} | described | more).status_code == 201
    http.patch("/api/v1/series/key:hall/2", json={"name": "Old kettle", "description": None})

    def found(*asked: tuple[str, str]) -> list[str]:
        pages, cursor = [], None
        while True:
            answer = http.get("/api/v1/series", params=[*asked, ("limit", "1"), *([("cursor", cursor)] if cursor else [])]).json()
            pages += [row["key"].removeprefix("hall/") for row in answer["series"]]
            if not (cursor := answer.get("next")):
                return pages

    assert found(("description", "in hall 0")) == ["0"] and found(("begins", "description:in hall")) == ["0", "1"]
    assert found(("prefix", "hall/"), ("begins", "name:Kettle")) == ["0", "1"] and found(("begins", "name:Old"), ("begins", "unit:k")) == [
        "2"
    ]
    assert found(("prefix", "hall/"), ("tag", "hot"), ("attribute", "vendor:v0"), ("label", "kind:k")) == ["0", "2"]
    assert found(("name", "Kettle 1"), ("unit", "kW")) == ["1"] and found(("name", "Kettle 2")) == [] and found(("unit", "MW")) == []
    for wrong in ("begins=tags:a", "begins=name", "begins=name:a&begins=name:b"):
        assert http.get(f"/api/v1/series?{wrong}").status_code == 422
