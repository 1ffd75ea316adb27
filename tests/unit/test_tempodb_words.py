"""TempoDB's door, its pure parts: times and zones, names in paths and filters, items of bodies, what a read asks, JSON of columns."""

import uuid
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from api.doors.tempodb.asked import Reading, Span, interval_of, iso_of
from api.doors.tempodb.body import groups_json, object_json, points_json
from api.doors.tempodb.items import bulk_items, multi_items, series_items
from api.doors.tempodb.names import Named, filter_of, path_of
from api.doors.tempodb.times import instant_of, zone_of
from api.doors.tempodb.words import NO_SERIES, NO_TIME, NO_VALUE, multistatus
from sink.periods import parse_period
from varve.errors import Incorrect, NotFound, VarveError
from varve.instants import ABSENT, parse_instant
from varve.series import DEFAULT_TENANT, series_id

UTC_ZONE = zone_of(None)
READS = ("data/rollups/segment", "segment", "find", "summary", "single", "data")
ID = "38268c3b231f1266a392931e15e99231"


def ns(text: str) -> int:
    return parse_instant(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2012-01-08T00:21:54.000+0000", "2012-01-08T00:21:54Z"),
        ("2012-01-08T00:21:54", "2012-01-08T00:21:54Z"),
        ("2012-01-08T00:21:54.123456", "2012-01-08T00:21:54.123456Z"),
        ("2012-01-08", "2012-01-08T00:00:00Z"),
        ("2012-01-08T00:21:54+01:00", "2012-01-07T23:21:54Z"),
        ("2012-01-08T00:21:54 0100", "2012-01-07T23:21:54Z"),
        ("2012-01-08 00:21", "2012-01-08T00:21:00Z"),
    ],
)
def test_times_are_read_as_the_clients_send_them(text: str, instant: str) -> None:
    assert instant_of("start", text) == ns(instant)


def test_a_time_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(Incorrect, match=r"start: .*'noon'"):
        instant_of("start", "noon")


def test_times_are_said_in_milliseconds_and_the_zones_offset() -> None:
    assert UTC_ZONE.text(ns("2012-01-01T00:00:00Z")) == "2012-01-01T00:00:00.000Z"
    assert UTC_ZONE.text(ns("2012-01-01T00:00:00.000001Z")) == "2012-01-01T00:00:00.000001Z"
    assert zone_of("America/Chicago").text(ns("2012-01-01T00:00:00Z")) == "2011-12-31T18:00:00.000-06:00"
    assert zone_of("Asia/Kathmandu").text(ns("2012-01-01T00:00:00Z")) == "2012-01-01T05:45:00.000+05:45"
    assert zone_of("Europe/London").text(ns("2012-01-01T00:00:00Z")) == "2012-01-01T00:00:00.000+00:00"
    assert UTC_ZONE.texts(np.empty(0, np.int64)) == []
    with pytest.raises(Incorrect, match="Mars/Olympus"):
        zone_of("Mars/Olympus")


@given(
    st.lists(st.integers(-2_208_988_800_000, 9_223_372_036_000), min_size=1, max_size=30),
    st.sampled_from(["UTC", "America/Chicago", "Australia/Lord_Howe", "Europe/Amsterdam", "Africa/Casablanca", "Asia/Kathmandu"]),
)
def test_times_in_a_zone_are_the_same_instants_and_read_as_its_clocks(milliseconds: list[int], name: str) -> None:
    texts = zone_of(name).texts(np.array(milliseconds, np.int64) * 1_000_000)
    for text, instant in zip(texts, milliseconds, strict=True):
        assert parse_instant(text) == instant * 1_000_000
        offset = datetime.fromtimestamp(instant // 1000, UTC).astimezone(ZoneInfo(name)).utcoffset()
        said = datetime.fromisoformat(text).utcoffset()
        assert offset is not None and said is not None
        assert abs((offset - said).total_seconds()) <= 30, "offsets of the 1900s have seconds, which ISO 8601 has no room for"


@pytest.mark.parametrize(
    ("path", "kind", "text", "action"),
    [
        ("/v1/series/key/a%2Fb%20c/data/", "key", "a/b c", "data"),
        ("/v1/series/key/foo%20bar/1/segment", "key", "foo bar/1", "segment"),
        ("/v1/series/key/foo/data/rollups/segment", "key", "foo", "data/rollups/segment"),
        ("/v1/series/key/foo%2Fsegment", "key", "foo/segment", ""),
        ("/v1/series/key/foo%2Fsegment/segment", "key", "foo/segment", "segment"),
        ("/v1/series/key/segment", "key", "segment", ""),
        ("/v1/series/key/segment/segment", "key", "segment", "segment"),
        ("/v1/series/key/app%C3%9C:1.t:/x%2B()/", "key", "appÜ:1.t:/x+()", ""),
        (f"/v1/series/id/{ID}/data/", "id", ID, "data"),
    ],
)
def test_a_series_is_read_from_an_undecoded_path(path: str, kind: str, text: str, action: str) -> None:
    named, found = path_of(path, READS)
    assert (named.kind, named.text, found) == (kind, text, action)


@pytest.mark.parametrize("path", ["/v1/series/name/foo/data/", "/v1/series/key/", "/v1/series/key//", "/v1/series/key/" + "x" * 513])
def test_a_path_that_names_no_series_is_refused(path: str) -> None:
    with pytest.raises((NotFound, Incorrect)):
        path_of(path, READS)


def test_what_a_name_may_mean() -> None:
    ident = uuid.UUID(ID)
    assert Named("id", ID).candidates(DEFAULT_TENANT)[0] == ident
    assert Named("id", str(ident).upper()).candidates(DEFAULT_TENANT)[0] == ident
    assert Named("key", ID).candidates(DEFAULT_TENANT) == (series_id(DEFAULT_TENANT, ID), ident)
    assert Named("id", "bar").candidates(DEFAULT_TENANT) == (series_id(DEFAULT_TENANT, "bar"),)
    assert (Named("id", ID).new_key, Named("id", "bar").new_key, Named("key", ID).new_key) == ("", "bar", ID)


def test_filters_are_ors_of_names_and_ands_of_tags_and_attributes() -> None:
    found = filter_of(QueryParams("key=a&key=b&id=" + ID + "&tag=x&tag=y&attr%5Bk%5D=v&attr[k2]=&limit=5"), DEFAULT_TENANT)
    assert {series_id(DEFAULT_TENANT, "a"), series_id(DEFAULT_TENANT, "b"), uuid.UUID(ID)} <= set(found.ids)
    assert found.tags == ("x", "y")
    assert found.attributes == (("k", "v"), ("k2", ""))
    assert filter_of(QueryParams("allow_truncation=true&limit=7"), DEFAULT_TENANT).empty
    with pytest.raises(Incorrect, match="two values"):
        filter_of(QueryParams("attr[k]=1&attr[k]=2"), DEFAULT_TENANT)


def test_items_of_one_series() -> None:
    items = series_items(
        [{"t": "2012-01-01T00:00:00", "v": True}, {"t": "2012-01-02", "v": 2}, {"v": "3"}, {"t": 5, "v": None}], Named("key", "k")
    )
    assert items.value[:2].tolist() == [1.0, 2.0]
    assert items.valid_time.tolist() == [ns("2012-01-01T00:00:00Z"), ns("2012-01-02T00:00:00Z"), ABSENT, ABSENT]
    assert items.messages == {2: [NO_VALUE, NO_TIME], 3: [NO_VALUE, NO_TIME]}
    assert items.good.tolist() == [True, True, False, False]


def test_items_of_many_series_have_the_documented_messages_in_the_documented_order() -> None:
    rows: list[dict[str, Any]] = [
        {"t": "2013-08-21T00:00:00", "v": 4.164}, {"t": "2013-08-22T00:00:00", "id": ID, "v": 134.3}, {},
        {"t": "2013-08-22T00:00:00", "key": "a"}, {"t": "soon", "key": "a", "v": 1},
        {"t": "2013-08-22T00:00:00", "key": "a", "id": ID, "v": 1},
        {"t": "2013-08-22T00:00:00", "key": ["a"], "v": 1}, {"t": "2013-08-22T00:00:00", "key": "x" * 513, "v": 1},
        {"t": "2013-08-22T00:00:00", "key": "a", "v": 1e400}, {"t": "2013-08-22T00:00:00", "key": "a", "v": 10**400},
    ]  # fmt: skip
    items = multi_items(rows)
    assert items.named == (Named("id", ID), Named("key", "a"))
    assert items.messages == {
        0: [NO_SERIES], 2: [NO_VALUE, NO_SERIES], 3: [NO_VALUE], 4: [NO_TIME], 5: [f"{NO_SERIES}, not both"], 6: [NO_SERIES],
        7: ["Must provide a series key of at most 512 characters"], 8: [NO_VALUE], 9: [NO_VALUE],
    }  # fmt: skip
    said = orjson.loads(multistatus(items.messages, len(rows)))["multistatus"]
    assert [one["status"] for one in said] == ["422", "200", *["422"] * 8]
    assert said[1]["messages"] == []


def test_a_bulk_write_has_one_time() -> None:
    items = bulk_items({"t": "2012-01-08T01:21:00", "data": [{"key": "a", "v": 1}, {"id": ID, "v": False}, {"key": "a", "v": 3}]})
    assert set(items.valid_time.tolist()) == {ns("2012-01-08T01:21:00Z")}
    assert (items.series.tolist(), items.value.tolist(), items.messages) == ([0, 1, 0], [1.0, 0.0, 3.0], {})
    assert bulk_items({"data": [{"key": "a", "v": 1}]}).messages == {0: [NO_TIME]}


@pytest.mark.parametrize("found", [None, {}, [1], {"data": {}}, "x", {"t": "2012-01-01", "data": [1]}])
def test_bodies_of_another_form_are_refused(found: Any) -> None:
    for read in (bulk_items, multi_items):
        with pytest.raises(Incorrect, match="body"):
            read(found)


def span(days: float) -> Span:
    start = ns("2012-01-01T00:00:00Z")
    return Span(start, start + int(days * 86_400 * 10**9), UTC_ZONE)


@pytest.mark.parametrize(
    ("query", "days", "expected"),
    [
        ("", 2, None), ("", 2.001, "1hour mean"), ("", 30, "1hour mean"), ("", 30.001, "1day mean"), ("interval=raw", 400, None),
        ("interval=5min", 1, "5min mean"), ("interval=1day&function=max", 1, "1day max"),
        ("function=avg", 40, "1day avg"), ("function=sum", 1, None),
    ],
)  # fmt: skip
def test_the_interval_of_the_guide(query: str, days: float, expected: str | None) -> None:
    found = interval_of(QueryParams(query), span(days))
    assert (found and f"{found.period} {found.names[0]}") == expected


@pytest.mark.parametrize(
    ("text", "iso"), [("1min", "PT1M"), ("2hours", "PT2H"), ("P1D", "P1D"), ("1week", "P1W"), ("3month", "P3M"), ("1year", "P1Y")]
)
def test_periods_are_said_as_tempodb_does(text: str, iso: str) -> None:
    assert iso_of(parse_period(text)) == iso


@pytest.mark.parametrize(
    "query",
    [
        "interpolation.function=cubic&interpolation.period=1min",
        "interpolation.function=zoh",
        "interpolation.period=1min",
        "rollup.fold=mode",
    ],
)
def test_readings_that_mean_nothing_are_refused(query: str) -> None:
    with pytest.raises(VarveError):
        Reading.of(QueryParams(query))


def test_columns_become_json() -> None:
    times = np.array([ns("2012-01-01T00:00:00Z"), ns("2012-01-01T00:00:01Z")])
    assert orjson.loads(points_json(times, np.array([1.5, np.nan]), UTC_ZONE)) == [
        {"t": "2012-01-01T00:00:00.000Z", "v": 1.5}, {"t": "2012-01-01T00:00:01.000Z", "v": None},
    ]  # fmt: skip
    assert points_json(times[:0], np.empty(0), UTC_ZONE) == b"[]"
    names = [orjson.dumps(name) for name in ('a"', "b", "b")]
    grouped = groups_json(times, np.array([0, 2]), names, np.array([1.0, 2.0, 3.0]), UTC_ZONE)
    assert [row["v"] for row in orjson.loads(grouped)] == [{'a"': 1.0, "b": 2.0}, {"b": 3.0}]
    assert orjson.loads(object_json({"tz": "UTC"}, {"data": b"[1]"})) == {"tz": "UTC", "data": [1]}
