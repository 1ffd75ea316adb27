"""Each method and example of TempoDB's Python guide (client 0.5.0), with the result that it documents.

Before: the real client in a process of its own, and a running server that other tests share. After: nothing; each test begins
by deleting the series that it is about.
"""
# ruff: noqa: DTZ001 - the clients take naive times

import json
from datetime import datetime, timedelta
from statistics import mean, stdev
from typing import Any

import pytest

from tests.clients.tempodb.real_clients import Client, ClientError, point, series

pytestmark = pytest.mark.slow
ID_1, ID_2 = "01868c1a2aaf416ea6cd8edd65e7a4b8", "38268c3b231f1266a392931e15e99231"
START, END = datetime(2012, 1, 1), datetime(2012, 1, 2)
GUIDE = [(datetime(2012, 1, 1, 1, 0), 12.34), (datetime(2012, 1, 1, 1, 1), 1.874), (datetime(2012, 1, 1, 1, 2), 21.52)]
DAY = timedelta(days=1)


def fresh(client: Client, keys: list[str] | None = None, ids: list[str] | None = None) -> None:
    client.call("delete_series", keys=keys or [], ids=ids or [])


def pairs(found: dict[str, Any]) -> list[tuple[str, float]]:
    return [(row["ts"], row["value"]) for row in found["data"]]


def written(client: Client, key: str) -> list[tuple[str, float]]:
    return pairs(client.call("read_key", key, datetime(2011, 1, 1), datetime(2014, 1, 1), interval="raw"))


def said(points: list[tuple[datetime, float]]) -> list[tuple[str, float]]:
    return [(f"{time.isoformat()}+00:00", value) for time, value in points]


def test_create_series(first: Client) -> None:
    fresh(first, ["my-custom-key"])
    one = first.call("create_series", "my-custom-key")
    assert one["key"] == "my-custom-key"
    assert (one["name"], one["tags"], one["attributes"]) == ("", [], {})
    assert first.call("create_series", "my-custom-key") == one, "the key is unique"
    other, third = first.call("create_series"), first.call("create_series")
    assert other["key"] and other["key"] != third["key"], "randomly generated"
    assert {len(made["id"]) for made in (one, other, third)} == {32}
    assert first.call("get_series", keys=[other["key"]]) == [other]
    with pytest.raises(ClientError, match="regex"):
        first.call("create_series", "not*allowed")


def test_get_series_by_ids_keys_tags_and_attributes(first: Client) -> None:
    keys = ["guide-a", "guide-b", "guide-c"]
    fresh(first, keys)
    made = [first.call("create_series", key) for key in keys]
    for one, tags in zip(made, (["tag1"], ["tag1", "tag2"], ["tag1", "tag2"]), strict=True):
        first.call("update_series", series(one | {"tags": tags, "attributes": {"attr1": "value1" if one is not made[2] else "other"}}))

    def found(**filters: Any) -> list[str]:
        return [one["key"] for one in first.call("get_series", **filters)]

    assert found(tags=["tag1", "tag2"], attributes={"attr1": "value1"}) == ["guide-b"]
    assert found(tags=["tag1"], attributes={"attr1": "value1"}) == ["guide-a", "guide-b"]
    assert found(keys=["guide-a", "guide-c"]) == ["guide-a", "guide-c"]
    assert found(ids=[made[1]["id"]], keys=["guide-a"]) == ["guide-a", "guide-b"], "ids and keys are or'd"
    assert found(keys=keys, tags=["tag2"]) == ["guide-b", "guide-c"]
    assert found(keys=["guide-none"]) == []
    assert set(keys) <= set(found())


def test_update_series_replaces_the_tags(first: Client) -> None:
    fresh(first, ["test1"])
    made = first.call("create_series", "test1")
    first.call("update_series", series(made | {"tags": ["old"], "name": "a name", "attributes": {"k": "v"}}))
    read = first.call("get_series", keys=["test1"])[0]
    assert (read["tags"], read["name"], read["attributes"]) == (["old"], "a name", {"k": "v"})
    updated = first.call("update_series", series(read | {"tags": ["tag3"]}))
    assert updated == read | {"tags": ["tag3"]}
    assert first.call("get_series", keys=["test1"]) == [updated]
    cleared = first.call("update_series", series(updated | {"tags": [], "name": "", "attributes": {}}))
    assert cleared == made


def test_write_and_read_by_key_and_by_id(first: Client) -> None:
    fresh(first, ["my-custom-key"], [ID_2])
    points = [point(*one) for one in GUIDE]
    assert first.call("write_key", "my-custom-key", points) == ""
    assert first.call("write_id", ID_2, points) == "", "an id that is not there makes a series too"
    by_key = first.call("read_key", "my-custom-key", START, END)
    by_id = first.call("read_id", ID_2, START, END)
    assert pairs(by_key) == pairs(by_id) == said(GUIDE)
    assert by_key["series"]["key"] == "my-custom-key"
    assert by_id["series"]["id"] == ID_2
    assert (by_key["start"], by_key["end"]) == ("2012-01-01T00:00:00+00:00", "2012-01-02T00:00:00+00:00")
    values = [value for _, value in GUIDE]
    expected = {
        "sum": sum(values), "mean": mean(values), "min": 1.874, "max": 21.52, "count": 3, "stddev": stdev(values),
        "ss": sum(value * value for value in values),
    }  # fmt: skip
    assert by_key["summary"] == pytest.approx(expected)
    assert "no series" in first.call("read_key", "guide-none", START, END)["error"]


def test_values_may_be_booleans_and_integers_and_keys_may_hold_slashes(first: Client) -> None:
    key = "rack 7/cpu:load;a-b_c.d"
    fresh(first, [key])
    first.call("write_key", key, [point(datetime(2012, 1, 1, 0, 0, 0, 123456), True), point(datetime(2012, 1, 1, 1), 7)])
    assert written(first, key) == [("2012-01-01T00:00:00.123456+00:00", 1.0), ("2012-01-01T01:00:00+00:00", 7.0)]


def test_read_many_series_with_a_rollup(first: Client) -> None:
    keys = ["guide-many-1", "guide-many-2"]
    fresh(first, keys)
    for factor, key in enumerate(keys, 1):
        first.call("write_key", key, [point(START + timedelta(minutes=30 * at), at * factor) for at in range(48)])
    found = first.call("read", START, END, keys=keys, interval="1hour", function="max")
    assert [one["series"]["key"] for one in found] == keys
    for factor, one in enumerate(found, 1):
        assert pairs(one) == said([(START + timedelta(hours=hour), (2 * hour + 1) * factor) for hour in range(24)])
    assert first.call("read", START, END, keys=["guide-none"]) == []


@pytest.mark.parametrize(
    ("function", "value"), [("sum", 6.0), ("max", 3.0), ("min", 1.0), ("avg", 2.0), ("mean", 2.0), ("stddev", 1.0), ("count", 3.0)]
)
def test_rollup_functions(first: Client, function: str, value: float) -> None:
    fresh(first, ["guide-functions"])
    first.call("write_key", "guide-functions", [point(START + timedelta(minutes=at), at) for at in (1, 2, 3)])
    found = first.call("read_key", "guide-functions", START, datetime(2012, 2, 1), interval="1day", function=function)
    assert pairs(found) == said([(START, value)])


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("1min", ["2012-01-01T00:07:00", "2012-01-01T00:59:00", "2012-03-02T10:30:00"]),
        ("5min", ["2012-01-01T00:05:00", "2012-01-01T00:55:00", "2012-03-02T10:30:00"]),
        ("1hour", ["2012-01-01T00:00:00", "2012-03-02T10:00:00"]),
        ("1day", ["2012-01-01T00:00:00", "2012-03-02T00:00:00"]),
        ("1month", ["2012-01-01T00:00:00", "2012-03-01T00:00:00"]),
        ("1year", ["2012-01-01T00:00:00"]),
        ("raw", ["2012-01-01T00:07:00", "2012-01-01T00:59:00", "2012-03-02T10:30:00"]),
    ],
)
def test_rollup_intervals(first: Client, interval: str, starts: list[str]) -> None:
    fresh(first, ["guide-intervals"])
    times = [datetime(2012, 1, 1, 0, 7), datetime(2012, 1, 1, 0, 59), datetime(2012, 3, 2, 10, 30)]
    first.call("write_key", "guide-intervals", [point(time, 1) for time in times])
    found = first.call("read_key", "guide-intervals", START, datetime(2013, 1, 1), interval=interval)
    assert [time for time, _ in pairs(found)] == [f"{start}+00:00" for start in starts]


def test_the_rollup_is_chosen_by_the_length_of_the_span(first: Client) -> None:
    fresh(first, ["guide-auto"])
    first.call("write_key", "guide-auto", [point(START + timedelta(minutes=20 * at), at % 3) for at in range(72 * 3)])

    def times(days: int) -> list[datetime]:
        found = first.call("read_key", "guide-auto", START, START + timedelta(days=days))
        return [datetime.fromisoformat(time).replace(tzinfo=None) for time, _ in pairs(found)]

    assert times(2) == [START + timedelta(minutes=20 * at) for at in range(144)]
    assert times(30) == [START + timedelta(hours=at) for at in range(72)]
    assert times(31) == [START + timedelta(days=at) for at in range(3)]


def test_time_zones_shift_the_buckets_and_the_times(first: Client) -> None:
    fresh(first, ["guide-zone"])
    first.call("write_key", "guide-zone", [point(datetime(2012, 3, 11) + timedelta(hours=at), 1) for at in range(72)])
    span = (datetime(2012, 3, 11, 6), datetime(2012, 3, 13, 5))
    found = first.call("read_key", "guide-zone", *span, interval="1day", function="count", tz="America/Chicago")
    assert pairs(found) == [("2012-03-11T00:00:00-06:00", 23.0), ("2012-03-12T00:00:00-05:00", 24.0)], "the night of 23 hours"
    assert found["start"] == "2012-03-11T00:00:00-06:00"
    assert found["end"] == "2012-03-13T00:00:00-05:00"
    assert "IANA" in first.call("read_key", "guide-zone", *span, tz="America/Nowhere")["error"]


def test_write_bulk(first: Client) -> None:
    fresh(first, ["your-custom-key", "foo"], [ID_1, ID_2])
    ts = datetime(2012, 1, 8, 1, 21)
    values = [{"id": ID_1, "v": 4.164}, {"id": ID_2, "v": 73.13}, {"key": "your-custom-key", "v": 55.423}, {"key": "foo", "v": 324.991}]
    assert first.call("write_bulk", ts, values) == ""
    found = first.call("read", ts, ts + DAY, ids=[ID_1, ID_2], keys=["your-custom-key", "foo"])
    assert sorted(pairs(one)[0] for one in found) == [(f"{ts.isoformat()}+00:00", value) for value in (4.164, 55.423, 73.13, 324.991)]


MULTI = [(datetime(2013, 8, 21), "id", ID_1), (datetime(2013, 8, 22), "id", ID_2), (datetime(2013, 8, 23), "key", "your-custom-key"),
         (datetime(2013, 8, 24), "key", "foo")]  # fmt: skip


def test_write_multi(first: Client) -> None:
    fresh(first, ["your-custom-key", "foo"], [ID_1, ID_2])
    values = (4.164, 73.13, 55.423, 324.991)
    items = [{"t": time, kind: name, "v": value} for (time, kind, name), value in zip(MULTI, values, strict=True)]
    assert first.call("write_multi", items) == ""
    for (time, kind, name), value in zip(MULTI, values, strict=True):
        assert pairs(first.call(f"read_{kind}", name, time, time + DAY)) == said([(time, value)])


def test_write_multi_tells_what_was_refused_and_writes_the_rest(first: Client) -> None:
    fresh(first, ids=[ID_2])
    items = [{"t": datetime(2013, 8, 21), "v": 4.164}, {"t": datetime(2013, 8, 22), "id": ID_2, "v": 134.3}, {}]
    found = first.call("write_multi", items)
    assert json.loads(found["error"]) == {
        "multistatus": [
            {"status": "422", "messages": ["Must provide a series ID or key"]},
            {"status": "200", "messages": []},
            {"status": "422", "messages": ["Must provide a numeric value", "Must provide a series ID or key"]},
        ]
    }
    assert pairs(first.call("read_id", ID_2, datetime(2013, 1, 1), datetime(2014, 1, 1), interval="raw")) == said(
        [(datetime(2013, 8, 22), 134.3)]
    )


def test_increment_key_and_id(first: Client) -> None:
    fresh(first, ["my-custom-key"], [ID_2])
    for _ in range(2):
        assert first.call("increment_key", "my-custom-key", [point(*one) for one in GUIDE]) == ""
        assert first.call("increment_id", ID_2, [point(time, amount) for (time, _), amount in zip(GUIDE, (1, 2, 1), strict=True)]) == ""
    assert written(first, "my-custom-key") == [(time, 2 * value) for time, value in said(GUIDE)]
    by_id = first.call("read_id", ID_2, START, END)
    assert [value for _, value in pairs(by_id)] == [2.0, 4.0, 2.0]
    first.call("write_key", "my-custom-key", [point(GUIDE[0][0], 100)])
    first.call("increment_key", "my-custom-key", [point(GUIDE[0][0], 1), point(GUIDE[0][0], True)])
    assert written(first, "my-custom-key")[0][1] == 102.0, "added to what was written"


def test_increment_bulk(first: Client) -> None:
    fresh(first, ["your-custom-key", "foo"], [ID_1, ID_2])
    ts = datetime(2012, 1, 8, 1, 21)
    amounts = [{"id": ID_1, "v": 4}, {"id": ID_2, "v": 2}, {"key": "your-custom-key", "v": 1}, {"key": "foo", "v": 1}]
    for _ in range(3):
        assert first.call("increment_bulk", ts, amounts) == ""
    found = first.call("read", ts, ts + DAY, ids=[ID_1, ID_2], keys=["your-custom-key", "foo"])
    assert sorted(pairs(one)[0][1] for one in found) == [3.0, 3.0, 6.0, 12.0]


def test_increment_multi(first: Client) -> None:
    fresh(first, ["your-custom-key", "foo"], [ID_1, ID_2])
    amounts = (46, 7, 55, 1)
    items = [{"t": time, kind: name, "v": amount} for (time, kind, name), amount in zip(MULTI, amounts, strict=True)]
    assert first.call("increment_multi", items) == ""
    refused = first.call("increment_multi", [{"t": MULTI[0][0], "v": 4}, {"t": MULTI[1][0], "id": ID_2}, {}, items[3]])
    assert json.loads(refused["error"])["multistatus"] == [
        {"status": "422", "messages": ["Must provide a series ID or key"]},
        {"status": "422", "messages": ["Must provide a numeric value"]},
        {"status": "422", "messages": ["Must provide a numeric value", "Must provide a series ID or key"]},
        {"status": "200", "messages": []},
    ]
    totals = [pairs(first.call(f"read_{kind}", name, time, time + DAY))[0][1] for time, kind, name in MULTI]
    assert totals == [46.0, 7.0, 55.0, 2.0]


def test_delete_takes_the_start_and_leaves_the_end(first: Client) -> None:
    fresh(first, ["my-custom-key"], [ID_2])
    points = [(datetime(2011, 12, 31), 1.0), (START, 2.0), (datetime(2012, 1, 31), 3.0), (datetime(2012, 2, 1), 4.0)]
    kept = said([points[0], points[3]])
    for kind, name in (("key", "my-custom-key"), ("id", ID_2)):
        first.call(f"write_{kind}", name, [point(*one) for one in points])
        assert first.call(f"delete_{kind}", name, START, datetime(2012, 2, 1)) == ""
        found = first.call(f"read_{kind}", name, datetime(2011, 1, 1), datetime(2013, 1, 1), interval="raw")
        assert pairs(found) == kept
        assert found["summary"]["count"] == 2
    assert "no series" in first.call("delete_key", "guide-none", START, END)["error"]


def test_delete_series_counts_and_makes_room_for_a_new_one(first: Client) -> None:
    keys = ["guide-gone-1", "guide-gone-2"]
    fresh(first, keys)
    for key in keys:
        first.call("write_key", key, [point(START, 5)])
    assert first.call("delete_series", keys=keys) == {"deleted": 2}
    assert first.call("delete_series", keys=keys, allow_truncation=True) == {"deleted": 0}
    assert first.call("get_series", keys=keys) == []
    first.call("increment_key", keys[0], [point(START, 1)])
    assert written(first, keys[0]) == said([(START, 1.0)]), "nothing of the old series is added to"
    with pytest.raises(ClientError, match="deleted"):
        first.call("delete_series")  # would be every series: refused, which this client reads as a missing count
    assert [one["key"] for one in first.call("get_series", keys=keys)] == keys[:1]
