"""Each method of TempoDB's second client (1.0.1), with the result that its documentation promises.

Before: the real client in a process of its own, and a running server that other tests share. After: nothing; each test begins
by deleting the series of its own, and leaves those that `filled` made as they are.
"""
# ruff: noqa: DTZ001 - the clients take naive times

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.clients.tempodb.real_clients import Client, ClientError, keyed, point, series

pytestmark = pytest.mark.slow
START, END = datetime(2012, 1, 1), datetime(2012, 1, 2)
HOURS = [START + timedelta(hours=at) for at in range(24)]
KEY, OTHER, OWN = "load of rack:7/a", "second-other", "second own/key"
PARTIAL = 2


def fresh(client: Client, *keys: str) -> None:
    client.call("delete_series", list(keys))


@pytest.fixture(scope="module")
def filled(second: Client) -> Client:
    """KEY counts the hours of a day, OTHER twice as fast."""
    fresh(second, KEY, OTHER)
    for factor, key in ((1, KEY), (2, OTHER)):
        second.call("write_data", key, [point(hour, at * factor) for at, hour in enumerate(HOURS)])
    return second


def pairs(found: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(row["t"], row["v"]) for row in found["rows"]]


def said(points: list[tuple[datetime, Any]]) -> list[tuple[str, Any]]:
    return [(f"{time.isoformat()}+00:00", value) for time, value in points]


def test_series_are_made_found_updated_and_deleted(second: Client) -> None:
    fresh(second, OWN)
    assert second.call("create_series", OWN, ["a", "b"], {"site": "north"})["status"] == 200
    read = second.call("get_series", OWN)["data"]
    assert read == {"key": OWN, "name": "", "tags": ["a", "b"], "attributes": {"site": "north"}}
    second.call("create_series", OWN)
    assert second.call("get_series", OWN)["data"] == read, "making it again takes nothing away"
    changed = read | {"name": "Rack 7", "tags": ["c"], "attributes": {}}
    assert second.call("update_series", series(changed))["data"] == changed
    assert second.call("get_series", OWN)["data"] == changed
    assert second.call("delete_series", OWN)["status"] == 200
    with pytest.raises(ClientError) as refused:
        second.call("get_series", OWN)
    assert refused.value.response["status"] == 404
    assert second.call("create_series")["status"] == 200, "a key is made up"


def test_list_series_filters_and_follows_pages(second: Client) -> None:
    keys = [f"second-{at:02d}" for at in range(7)]
    fresh(second, *keys)
    for at, key in enumerate(keys):
        second.call("create_series", key, ["second", "even" if at % 2 == 0 else "odd"], {"list": "yes"})

    def found(*args: Any, **filters: Any) -> list[str]:
        return [one["key"] for one in second.call("list_series", *args, **filters)["rows"]]

    assert found(tags=["second", "odd"]) == keys[1::2]
    assert found(tags="second", attrs={"list": "yes"}, limit=2) == keys, "four pages"
    assert found(keys[:2]) == keys[:2]
    assert found(keys, tags="even", limit=3) == keys[::2]
    assert found("second-none") == []
    assert found(tags=["second", "none"]) == []


def test_read_data_raw_with_every_form_of_time(filled: Client) -> None:
    everything = said([(hour, at) for at, hour in enumerate(HOURS)])
    assert pairs(filled.call("read_data", KEY, START, END)) == everything
    assert pairs(filled.call("read_data", KEY, date(2012, 1, 1), date(2012, 1, 2))) == everything
    assert pairs(filled.call("read_data", KEY, "2012-01-01T00:00:00.000+0000", "2012-01-01T03:00:00.000+0000")) == everything[:3]
    assert pairs(filled.call("read_data", KEY, "2012-01-01T01:00:00+01:00", datetime(2012, 1, 1, 2))) == everything[:2]
    assert pairs(filled.call("read_data", KEY, START, END, limit=5)) == everything, "five pages"
    assert filled.call("read_data", KEY, START, END)["rollup"] is None
    with pytest.raises(ClientError) as refused:
        filled.call("read_data", "second-none", START, END)
    assert refused.value.response["status"] == 404


FOLDS = [("count", 4), ("sum", 22), ("mult", 840), ("min", 4), ("max", 7), ("mean", 5.5), ("avg", 5.5), ("range", 3), ("ss", 126),
         ("variance", 5 / 3), ("stddev", (5 / 3) ** 0.5), ("percentile,50", 5.5), ("percentile,100", 7)]  # fmt: skip


@pytest.mark.parametrize(("fold", "value"), FOLDS)
def test_read_data_rolled_up(filled: Client, fold: str, value: float) -> None:
    found = filled.call("read_data", KEY, START, END, rollup=fold, period="4hour", limit=2)
    assert [row["t"] for row in found["rows"]] == [f"{hour.isoformat()}+00:00" for hour in HOURS[::4]]
    assert found["rows"][1]["v"] == pytest.approx(value)
    assert found["rollup"] == {"fold": fold, "period": "PT4H"}


def test_read_data_in_a_zone(filled: Client) -> None:
    found = filled.call("read_data", KEY, START, END, rollup="count", period="1day", tz="America/Chicago")
    assert pairs(found) == [("2011-12-31T00:00:00-06:00", 6), ("2012-01-01T00:00:00-06:00", 18)]
    assert found["start"] == "2011-12-31T18:00:00-06:00"


def test_read_data_interpolated(filled: Client) -> None:
    line = filled.call("read_data", KEY, START, END, interpolationf="linear", interpolation_period="PT30M", limit=10)
    assert pairs(line) == said([(START + timedelta(minutes=30 * at), at / 2) for at in range(47)])
    held = filled.call("read_data", KEY, START, END, interpolationf="zoh", interpolation_period="30min", limit=10)
    assert pairs(held) == said([(START + timedelta(minutes=30 * at), at // 2) for at in range(47)])
    both = filled.call(
        "read_data", KEY, START, END, rollup="sum", period="6hour", interpolationf="linear", interpolation_period="3hour", limit=3
    )
    sums = [15, 51, 87, 123]
    expected = [sums[at // 2] if at % 2 == 0 else (sums[at // 2] + sums[at // 2 + 1]) / 2 for at in range(7)]
    assert pairs(both) == said([(START + timedelta(hours=3 * at), value) for at, value in enumerate(expected)])


def test_get_summary(filled: Client) -> None:
    found = filled.call("get_summary", KEY, START, END)["data"]
    spread = sum((value - 11.5) ** 2 for value in range(24)) / 23
    assert found["summary"] == pytest.approx({"count": 24, "sum": 276, "mean": 11.5, "min": 0, "max": 23, "stddev": spread**0.5})
    assert (found["start"], found["end"], found["series"]["key"]) == ("2012-01-01T00:00:00+00:00", "2012-01-02T00:00:00+00:00", KEY)
    assert filled.call("get_summary", KEY, START, END, tz="America/Chicago")["data"]["tz"] == "America/Chicago"


def test_read_multi_rollups(filled: Client) -> None:
    found = filled.call("read_multi_rollups", KEY, START, END, ["max", "min", "avg"], "PT6H", limit=2)
    assert pairs(found) == said(
        [(START + timedelta(hours=at), {"max": at + 5.0, "min": float(at), "avg": at + 2.5}) for at in (0, 6, 12, 18)]
    )
    assert found["rollup"] == {"folds": ["max", "min", "avg"], "period": "PT6H"}


@pytest.mark.parametrize(("predicate", "place"), [("max", 5), ("min", 0), ("first", 0), ("last", 5)])
def test_find_data(filled: Client, predicate: str, place: int) -> None:
    found = filled.call("find_data", KEY, START, END - timedelta(hours=3), predicate, "6hour", limit=2)
    starts = [0, 6, 12, 18]
    assert [row["start"] for row in found["rows"]] == [f"{HOURS[at].isoformat()}+00:00" for at in starts]
    assert found["rows"][3]["end"] == "2012-01-01T21:00:00+00:00", "the last period ends with the span"
    assert pairs(found)[:3] == said([(HOURS[at + place], at + place) for at in starts[:3]])
    assert found["rows"][3]["v"] == 18 + min(place, 2)


def test_aggregate_data(filled: Client) -> None:
    keys = [KEY, OTHER]
    found = filled.call("aggregate_data", START, END, "sum", keys=keys, limit=7)
    assert pairs(found) == said([(hour, 3 * at) for at, hour in enumerate(HOURS)])
    rolled = filled.call("aggregate_data", START, END, "max", keys=keys, rollup="mean", period="12hour")
    assert pairs(rolled) == said([(HOURS[0], 11), (HOURS[12], 35)])
    beaten = filled.call(
        "aggregate_data", START, HOURS[3], "mean", keys=keys, interpolationf="linear", interpolation_period="30min", limit=2
    )
    assert pairs(beaten) == said([(START + timedelta(minutes=30 * at), 0.75 * at) for at in range(5)])
    assert pairs(filled.call("aggregate_data", START, END, "count", keys=["second-none"])) == []


def test_read_multi(filled: Client) -> None:
    fresh(filled, OWN)
    extra = HOURS[0] + timedelta(minutes=1)
    filled.call("write_data", OWN, [point(extra, 0.5)])
    found = filled.call("read_multi", START, END, [KEY, OTHER, OWN], limit=5)
    expected = [(hour, {KEY: float(at), OTHER: 2.0 * at}) for at, hour in enumerate(HOURS)]
    assert pairs(found) == said([expected[0], (extra, {OWN: 0.5}), *expected[1:]])
    rolled = filled.call("read_multi", START, END, [KEY, OTHER], rollup="max", period="PT12H", limit=1)
    assert pairs(rolled) == said([(HOURS[0], {KEY: 11.0, OTHER: 22.0}), (HOURS[12], {KEY: 23.0, OTHER: 46.0})])


def test_write_multi_makes_series_of_unknown_keys_and_ids(second: Client) -> None:
    ident = "57a7c1c8b3c04c8d9a3b6a1de0a7f00d"
    fresh(second, OWN, "second-bar", ident)
    items = [keyed(START, 1.5, key=OWN), keyed(START, 2, series_id="second-bar"), keyed(START, 3, series_id=ident)]
    assert second.call("write_multi", items)["status"] == 200
    for key, value in ((OWN, 1.5), ("second-bar", 2), (ident, 3)):
        assert pairs(second.call("read_data", key, START, END)) == said([(START, value)])


def test_write_multi_tells_a_partial_success(second: Client) -> None:
    fresh(second, OWN)
    with pytest.raises(ClientError) as partial:
        second.call("write_multi", [keyed(START, 1.5), keyed(START, 2.5, key=OWN)])
    assert (partial.value.response["status"], partial.value.response["successful"]) == (207, PARTIAL)
    assert json.loads(partial.value.response["error"]) == {
        "multistatus": [{"status": "422", "messages": ["Must provide a series ID or key"]}, {"status": "200", "messages": []}]
    }
    assert pairs(second.call("read_data", OWN, START, END)) == said([(START, 2.5)])


@pytest.mark.parametrize(
    ("direction", "minutes", "hour"),
    [("exact", 0, 2), ("exact", 20, None), ("before", 0, 2), ("before", 20, 2), ("after", 0, 2), ("after", 20, 3), ("nearest", 20, 2),
     ("nearest", 40, 3), ("before", -180, None), ("after", 60 * 23, None), ("nearest", 60 * 23, 23)],
)  # fmt: skip
def test_single_value(filled: Client, direction: str, minutes: int, hour: int | None) -> None:
    found = filled.call("single_value", KEY, HOURS[2] + timedelta(minutes=minutes), direction)["data"]
    assert found["series"]["key"] == KEY
    held = found["data"] and (found["data"]["t"], found["data"]["v"])
    assert held == (None if hour is None else said([(HOURS[hour], hour)])[0])


def test_single_value_of_now_is_the_newest(filled: Client) -> None:
    assert filled.call("single_value", KEY)["data"]["data"]["v"] == 23


@pytest.mark.parametrize(("direction", "values"), [("exact", [None, 1]), ("before", [2, 1]), ("after", [3, 1]), ("nearest", [3, 1])])
def test_multi_series_single_value(filled: Client, direction: str, values: list[float | None]) -> None:
    fresh(filled, OWN)
    ts = HOURS[2] + timedelta(minutes=45)
    filled.call("write_data", OWN, [point(ts, 1)])
    found = filled.call("multi_series_single_value", [KEY, OWN], ts, direction)["rows"]
    assert [one["series"]["key"] for one in found] == [KEY, OWN]
    assert [one["data"] and one["data"]["v"] for one in found] == values


def test_delete_takes_the_start_and_leaves_the_end(filled: Client) -> None:
    fresh(filled, OWN)
    filled.call("write_data", OWN, [point(hour, at) for at, hour in enumerate(HOURS)])
    assert filled.call("delete", OWN, HOURS[2], HOURS[20])["status"] == 200
    kept = [(hour, at) for at, hour in enumerate(HOURS) if at not in range(2, 20)]
    assert pairs(filled.call("read_data", OWN, START, END)) == said(kept)
    rolled = filled.call("read_data", OWN, START, END, rollup="count", period="1day")
    assert pairs(rolled) == said([(START, len(kept))])
