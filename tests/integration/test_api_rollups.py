"""Rollups through HTTP: periods in zones, functions, filling, interpolation, folding over series, thinning, pages, forms, refusals.

Before: a server in a process of its own (memory_server.py). After: nothing.
"""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.integration.api_server import Served
from tests.integration.conftest import client_of
from varve.instants import format_instant

pytestmark = pytest.mark.slow
ARROW = "application/vnd.apache.arrow.stream"
MINUTE = 60 * 10**9
START = pd.Timestamp("2025-03-29T00:00:00Z").value  # the night from the 29th to the 30th has an hour less in Stockholm
MINUTES = 2 * 1440


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with client_of(served) as client:
        times = [START + at * MINUTE for at in range(MINUTES)]
        for key, factor in (("meter/a", 1), ("meter/b", 10)):
            write(client, key, times, [at * factor for at in range(MINUTES)])
        write(client, "gaps", [START, START + 20 * MINUTE, START + 60 * MINUTE], [1.0, None, 4.0])
        write(client, "words", [START], ["text"])
        write(client, "switch", [START, START + MINUTE], [True, False])
        yield client


def write(http: httpx.Client, key: str, times: list[int], values: list[Any]) -> None:
    http.post("/api/v1/points", json={"series": key, "valid_time": times, "value": values}).raise_for_status()


def instant(minute: int) -> str:
    return format_instant(START + minute * MINUTE)


def rows(http: httpx.Client, path: str = "rollups", span: tuple[int, int] | None = None, **params: Any) -> list[dict[str, Any]]:
    """span: minutes after the start."""
    bounds = {} if span is None else {"from": instant(span[0]), "until": instant(span[1])}
    response = http.get(f"/api/v1/{path}", params=params | bounds)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["data"]
    assert response.json()["count"] == len(found)
    return found


def test_a_day_in_a_zone_has_the_hours_that_its_clock_shows(http: httpx.Client) -> None:
    found = rows(http, key="meter/a", period="1day", zone="Europe/Stockholm", function=["count", "first"])
    assert [(row["valid_time"], row["count"], row["first"]) for row in found] == [
        ("2025-03-28T23:00:00.000000000Z", 1380, 0),  # written from 01:00 on
        ("2025-03-29T23:00:00.000000000Z", 1380, 1380),  # 23 hours
        ("2025-03-30T22:00:00.000000000Z", 120, 2760),
    ]
    assert [row["count"] for row in rows(http, key="meter/a", period="P1D", function="count")] == [1440, 1440]
    half = rows(http, key="meter/a", period="1day", function="count", span=(720, 1500))
    assert [row["count"] for row in half] == [720, 60]


def test_all_functions_by_their_names_and_synonyms(http: httpx.Client) -> None:
    names = ["sum", "avg", "min", "max", "count", "stddev", "variance", "range", "ss", "first", "last", "median", "p90", "percentile,25"]
    (row,) = rows(http, key="meter/a", period="1hour", function=names, span=(0, 60))
    x = np.arange(60.0)
    expected = {
        "sum": x.sum(), "mean": x.mean(), "min": 0, "max": 59, "count": 60, "stddev": x.std(ddof=1), "variance": x.var(ddof=1), "range": 59,
        "ss": (x * x).sum(), "first": 0, "last": 59, "median": 29.5, "p90": np.percentile(x, 90), "p25": np.percentile(x, 25),
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert list(row) == ["valid_time", *expected]
    (product,) = rows(http, key="meter/a", period="1year", function="mult", span=(1, 6))
    assert product["multiply"] == 120


def test_empty_buckets_are_absent_or_filled(http: httpx.Client) -> None:
    def means(**params: Any) -> list[Any]:
        return [row["mean"] for row in rows(http, key="gaps", period="20min", **params)]

    assert means() == [1, 4]  # a bucket of nulls alone is empty
    assert means(fill="null") == [1, None, None, 4]
    assert means(fill="zero") == [1, 0, 0, 4]
    assert means(fill="previous") == [1, 1, 1, 4]
    assert means(fill="linear") == [1, 2, 3, 4]
    around = (-20, 100)
    assert means(fill="linear", span=around) == [None, 1, 2, 3, 4, None]
    assert means(fill="previous", span=around) == [None, 1, 1, 1, 4, 4]


def test_values_between_are_drawn_at_a_period(http: httpx.Client) -> None:
    asked: dict[str, Any] = {"key": "gaps", "period": "auto", "interpolate_period": "30min"}
    assert [row["mean"] for row in rows(http, interpolate="linear", **asked)] == [1, 2.5, 4]
    assert [row["mean"] for row in rows(http, interpolate="zoh", **asked)] == [1, 1, 4]


def test_auto_shows_points_then_hours_then_days(http: httpx.Client) -> None:
    def count(days: int) -> int:
        return len(rows(http, key="meter/a", period="auto", span=(0, days * 1440)))

    assert [count(2), count(3), count(31)] == [MINUTES, 48, 2]


def test_series_are_told_apart_or_folded_into_one(http: httpx.Client) -> None:
    both = rows(http, prefix="meter/", period="1day", function="last")
    assert [row["last"] for row in both] in ([1439, 2879, 14390, 28790], [14390, 28790, 1439, 2879])
    assert len({row["series_id"] for row in both}) == 2
    assert rows(http, prefix="meter/", period="1day", function="last", across="sum") == [
        {"valid_time": "2025-03-29T00:00:00.000000000Z", "last": 15829.0},
        {"valid_time": "2025-03-30T00:00:00.000000000Z", "last": 31669.0},
    ]
    assert [row["sum"] for row in rows(http, key="switch", period="1hour", function="sum")] == [1]


@pytest.mark.parametrize("asked", [{"prefix": "meter/"}, {"prefix": "meter/", "across": "mean"}, {"key": "meter/a"}])
def test_pages_stay_at_the_watermark_of_the_first(http: httpx.Client, asked: dict[str, Any]) -> None:
    whole = rows(http, period="1hour", function="sum", **asked)
    page = http.get("/api/v1/rollups", params={"period": "1hour", "function": "sum", "limit": "7"} | asked)
    write(http, "meter/a", [START], [1e9])
    found = page.json()["data"]
    while "next" in page.links:
        assert len(page.json()["data"]) == 7
        page = http.get(page.links["next"]["url"]).raise_for_status()
        found += page.json()["data"]
    assert found == whole
    write(http, "meter/a", [START], [0])
    assert rows(http, period="1hour", function="sum", **asked) == whole


def test_every_form_has_the_same_rows(http: httpx.Client) -> None:
    def body(accept: str) -> bytes:
        params: dict[str, Any] = {
            "prefix": "meter/",
            "period": "1hour",
            "function": ["mean", "count"],
            "fill": "null",
            "until": instant(3000),
        }
        response = http.get("/api/v1/rollups", params=params, headers={"Accept": accept})
        response.raise_for_status()
        assert response.headers["content-type"].partition(";")[0] == accept
        return response.content

    def frame(table: pa.Table) -> pd.DataFrame:
        found: pd.DataFrame = table.to_pandas()
        return found.astype({"series_id": str})

    frames = [
        pd.read_json(io.BytesIO(body("application/x-ndjson")), lines=True),
        pd.read_csv(io.BytesIO(body("text/csv"))),
        frame(pa.ipc.open_stream(body(ARROW)).read_all()),
        frame(pq.read_table(io.BytesIO(body("application/vnd.apache.parquet")))),
    ]
    for found in frames:
        assert list(found.columns) == ["series_id", "valid_time", "mean", "count"]
        assert len(found) == 100 and int(found["mean"].isna().sum()) == 4
        assert found["mean"].iloc[1] in (89.5, 895.0)
        assert pd.to_datetime(found["valid_time"], utc=True).iloc[1] == pd.Timestamp("2025-03-29T01:00:00Z")
    assert len({tuple(found["series_id"].astype(str)) for found in frames[:2]}) == 1


def test_what_is_thinned_keeps_its_extremes(http: httpx.Client) -> None:
    for how in ("minmax", "lttb"):
        found = rows(http, "values/flat", key="meter/a", max_points=100, downsample=how)
        assert 50 < len(found) <= 100
        assert (found[0]["value"], found[-1]["value"]) == (0, 2879)
    assert len(rows(http, key="meter/a", period="1min", max_points=10)) == 10
    assert len(rows(http, "values/flat", prefix="meter/", max_points=10)) == 20


def test_a_rollup_as_of_a_moment_knows_no_more(http: httpx.Client) -> None:
    for known, value in (("2025-01-01T10:00:00Z", 1.0), ("2025-01-02T10:00:00Z", 2.0)):
        body = {"series": "forecast", "valid_time": [START, START + MINUTE], "value": [value, value], "known_time": known}
        http.post("/api/v1/points", json=body).raise_for_status()
    assert [row["sum"] for row in rows(http, key="forecast", period="1day", function="sum")] == [4]
    assert [row["sum"] for row in rows(http, key="forecast", period="1day", function="sum", as_of="2025-01-01T12:00:00Z")] == [2]
    assert rows(http, key="forecast", period="1day", as_of_recorded="2025-01-01T12:00:00Z") == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"key": "meter/a"}, "missing"),
        ({"key": "meter/a", "period": "1 fortnight"}, "period-malformed"),
        ({"key": "meter/a", "period": "0day"}, "period-malformed"),
        ({"key": "meter/a", "period": "1day", "zone": "Europe/Atlantis"}, "zone-unknown"),
        ({"key": "meter/a", "period": "1day", "function": "guess"}, "function-unknown"),
        ({"key": "meter/a", "period": "1day", "function": "p101"}, "function-unknown"),
        ({"key": "meter/a", "period": "1day", "across": "p"}, "function-unknown"),
        ({"key": "meter/a", "period": "1day", "interpolate": "linear"}, "interpolate"),
        ({"key": "meter/a", "period": "1min", "from": "1990-01-01T00:00:00Z"}, "too-many-buckets"),
        ({"key": "words", "period": "1day"}, "rollup-text"),
    ],
)
def test_what_is_wrong_is_said_in_words(http: httpx.Client, params: dict[str, Any], code: str) -> None:
    response = http.get("/api/v1/rollups", params=params)
    assert response.status_code == 422, response.text
    if code != "missing":
        assert response.json()["error"]["code"] == code


def test_a_series_that_is_not_there_is_named(http: httpx.Client) -> None:
    response = http.get("/api/v1/rollups", params={"key": "nobody", "period": "1day"})
    assert response.status_code == 404 and "nobody" in response.text
