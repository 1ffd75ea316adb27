"""What the client reads back: exact instants, days when clocks change, runs, pages, other clients' writes, Arrow tables."""

import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.conftest import VarveUp
from varve import Client, Run
from varve.errors import Incorrect, NotFound

pytestmark = pytest.mark.slow
HOURS = pd.date_range("2025-01-01", periods=4, freq="h", tz="UTC", unit="ns", name="valid_time")
STOCKHOLM = ZoneInfo("Europe/Stockholm")


@pytest.fixture
def client(running_varve: VarveUp) -> Client:
    return Client(running_varve.url, tenant=uuid.uuid4())


def test_nanoseconds_come_back_exactly_and_bounds_are_half_open(client: Client) -> None:
    first = pd.Timestamp("2025-01-01T00:00:00.000000001Z")
    times = pd.DatetimeIndex([first, first + pd.Timedelta(1, "ns"), first + pd.Timedelta(2, "ns")], name="valid_time")
    client.write("fine", pd.Series([1.0, 2.0, 3.0], times))
    assert [time.value for time in client.flat("fine").index] == [time.value for time in times]
    assert client.flat("fine", times[1], times[2]).tolist() == [2.0]


@pytest.mark.parametrize("days", [("2025-03-29", "2025-03-30", "2025-03-31"), ("2025-10-25", "2025-10-26", "2025-10-27")])
def test_the_day_before_at_noon_in_stockholm_on_days_when_clocks_change(client: Client, days: tuple[str, ...]) -> None:
    """The value known at noon is read, the one known a nanosecond later is not; on the days of 23 and 25 hours too."""
    hours_of_days = []
    for day in days:
        start = datetime.fromisoformat(day).replace(tzinfo=STOCKHOLM)
        hours = pd.date_range(start, start + timedelta(days=1), freq="h", inclusive="left", tz=STOCKHOLM)
        hours_of_days.append(len(hours))
        noon = pd.Timestamp((start - timedelta(days=1)).replace(hour=12))
        for known, value in ((noon, 1.0), (noon + pd.Timedelta(1, "ns"), 2.0)):
            client.write("spot", pd.Series(value, hours), known_time=known)
    found = client.relative("spot", days_before=1, at="12:00", zone="Europe/Stockholm")
    assert sorted(hours_of_days)[1] == 24 and set(hours_of_days) != {24}
    assert len(found) == sum(hours_of_days) and set(found) == {1.0}
    assert set(client.flat("spot")) == {2.0}


def test_a_lead_before_each_valid_time_chooses_what_was_known_by_then(client: Client) -> None:
    for hours_ahead, value in ((6, 1.0), (2, 2.0)):
        index = pd.MultiIndex.from_arrays([HOURS - pd.Timedelta(hours=hours_ahead), HOURS], names=["known_time", "valid_time"])
        client.write("f", pd.Series(value, index))
    assert client.relative("f", before=timedelta(hours=2)).tolist() == [2.0] * 4
    assert client.relative("f", before=timedelta(hours=3)).tolist() == [1.0] * 4
    assert client.relative("f", before=timedelta(hours=7)).empty
    with pytest.raises(Incorrect, match="before_seconds"):
        client.relative("f")


def test_what_varve_had_recorded_is_told_apart_from_what_was_known(client: Client) -> None:
    client.write("late", pd.Series(1.0, HOURS), known_time="2025-01-01T00:00:00Z")
    recorded = client.history("late")["recorded_time"].max()
    client.write("late", pd.Series(2.0, HOURS), known_time="2025-01-02T00:00:00Z")
    assert set(client.as_of("late", known="2025-01-03T00:00:00Z")) == {2.0}
    assert set(client.as_of("late", recorded=recorded)) == {1.0}
    assert client.as_of("late", known="2024-12-31T00:00:00Z").empty
    with pytest.raises(Incorrect, match="recorded="):
        client.as_of("late")


def test_naive_times_are_refused_in_words_wherever_they_are_given(client: Client) -> None:
    naive = datetime(2025, 1, 1)  # noqa: DTZ001 - the point
    with pytest.raises(Incorrect, match="tz_localize"):
        client.write("a", pd.Series([1.0], pd.DatetimeIndex([naive])))
    with pytest.raises(Incorrect, match="known_time.*no time zone"):
        client.write("a", pd.Series(1.0, HOURS), known_time=naive)
    with pytest.raises(Incorrect, match="valid_time.*no time zone"):
        client.update("a", naive, value=1.0)
    client.write("a", pd.Series(1.0, HOURS))
    with pytest.raises(Incorrect, match="from.*no time zone"):
        client.flat("a", naive)
    with pytest.raises(Incorrect, match="until.*offset"):
        client.flat("a", until="2025-01-01T00:00:00")


def test_an_arrow_table_of_several_series_is_written_as_it_is(client: Client) -> None:
    times = pa.array([0, 1, 0], pa.timestamp("ns", "UTC"))
    client.write(pa.table({"series": ["a", "a", "b"], "valid_time": times, "value": [1.0, None, 3.0], "annotation": ["x", None, None]}))
    rows = client.table("flat", ["a", "b"], columns="valid_time,value,annotation,series_id").to_pylist()
    found = {(row["series"], row["valid_time"].value): (row["value"], row["annotation"]) for row in rows}
    assert found == {("a", 0): (1.0, "x"), ("a", 1): (None, None), ("b", 0): (3.0, None)}


def test_several_forecasts_of_several_series_stand_side_by_side(client: Client) -> None:
    for known, value in (("2025-01-01T00:00:00Z", 1.0), ("2025-01-02T00:00:00Z", 2.0)):
        client.write(pd.DataFrame({"a": value, "b": -value}, HOURS), known_time=known)
    found = client.overlapping(["b", "a"])
    assert found.index.names == ["known_time", "valid_time"] and found.columns.tolist() == ["b", "a"]
    assert found.loc["2025-01-02T00:00:00Z"].to_numpy().tolist() == [[-2.0, 2.0]] * 4
    assert client.latest(["a", "b"])["value"].to_dict() == {"a": 2.0, "b": -2.0}


def test_a_run_is_sealed_with_its_rows_and_left_open_where_its_block_fails(client: Client) -> None:
    with client.run("day-ahead", known_time="2024-12-31T11:00:00Z", params={"model": "m7"}, changed_by="eva") as whole:
        whole.write("f", pd.Series([1.0, 2.0, 3.0, 4.0], HOURS))
        whole.write(pd.DataFrame({"g": [1.0, 2.0, 3.0, 4.0]}, HOURS))
    with pytest.raises(ZeroDivisionError), client.run("day-ahead", known_time="2024-12-31T12:00:00Z") as broken:
        write_and_fail(broken)
    runs = {row["run_id"]: row for row in client.runs("day-ahead")}
    sealed, left = runs[str(whole.run_id)], runs[str(broken.run_id)]
    assert (sealed["state"], sealed["points"], sealed["params"], sealed["changed_by"]) == ("sealed", 8, {"model": "m7"}, "eva")
    assert left["state"] == "opened"
    assert client.flat("f", run_id=whole.run_id).tolist() == [1.0, 2.0, 3.0, 4.0]
    assert client.flat("f").tolist() == [9.0] * 4, "what an open run wrote is read all the same"
    assert client.runs("another") == []


def write_and_fail(run: Run) -> None:
    run.write("f", pd.Series([9.0] * 4, HOURS))
    raise ZeroDivisionError


def test_an_update_tells_what_changed_nothing_and_clears_what_is_none(client: Client) -> None:
    client.write("a", pd.DataFrame({"value": [1.0], "annotation": ["raw"], "tags": [["q"]]}, HOURS[:1]))
    assert client.update("a", HOURS[0], value=1.0, annotation="raw")["no_ops"] == [0]
    assert len(client.history("a")) == 1
    assert client.update("a", HOURS[0], value=None, tags=["checked"])["updated"] == 1
    (row,) = client.table("flat", "a", columns="value,annotation,tags").to_pylist()
    assert (row["value"], row["annotation"], row["tags"]) == (None, "raw", ["checked"])
    with pytest.raises(NotFound, match="row 0"):
        client.update("a", HOURS[3], value=1.0)
    with pytest.raises(Incorrect, match="annotation"):
        client.update("a", HOURS[0])


def test_creating_twice_is_the_same_series_and_describing_keeps_what_is_left_out(client: Client) -> None:
    ident = client.create("plant/7", unit="MW", name="Plant 7", tags=["wind"], attributes={"hub": "94 m"}, value_type="number")
    assert client.create("plant/7", description="at the meter") == ident
    client.describe(ident, unit=None, tags=["wind", "north"])
    found = client.series("plant/7")
    assert (found["name"], found["description"], found["unit"], found["tags"]) == ("Plant 7", "at the meter", None, ["wind", "north"])
    assert [row["key"] for row in client.find(name="Plant 7", tags=["north"], attributes={"hub": "94 m"})] == ["plant/7"]
    assert client.find(unit="MW") == []
    client.write(ident, pd.Series(1.0, HOURS))
    assert client.flat("plant/7").equals(client.flat(ident).rename("plant/7"))


def test_every_read_names_the_series_that_is_not_there(client: Client) -> None:
    client.write("here", pd.Series(1.0, HOURS))
    for read in (client.flat, client.overlapping, client.history, client.latest):
        with pytest.raises(NotFound, match="not/here"):
            read(["here", "not/here"])
    with pytest.raises(NotFound, match="not/here"):
        client.series("not/here")


def test_another_client_sees_a_write_after_its_token(client: Client, running_varve: VarveUp) -> None:
    with Client(running_varve.url, tenant=client.tenant) as other:
        for number in range(10):
            written = client.write("a", pd.Series(float(number), HOURS), wait="log")
            assert other.flat("a", after=written.token).tolist() == [float(number)] * 4
        assert other.token is None and client.token is not None
        other.wait_for(client.token)


def test_a_long_table_goes_in_several_bodies_and_comes_back_in_several_pages(client: Client) -> None:
    rows = 1_100_000  # three bodies, and two pages at the server's own limit
    index = pd.date_range("2025-01-01", periods=rows, freq="s", tz="UTC", unit="ns", name="valid_time")
    values = pd.Series(np.arange(rows, dtype=float), index, name="long")
    assert client.write(values).rows == rows
    pd.testing.assert_series_equal(client.flat("long"), values, check_freq=False)
    assert client.table("flat", "long", limit=400_000).num_rows == rows


def test_one_bad_row_refuses_the_whole_write_and_is_named(client: Client) -> None:
    with pytest.raises(Incorrect, match="row 2") as refused:
        client.write("a", pd.Series([1.0, 2.0, float("inf"), 4.0], HOURS))
    assert refused.value.code == "value-not-finite"
    assert client.find() == []
    client.write("a", pd.Series(1.0, HOURS))
    with pytest.raises(Incorrect, match="number, not text"):
        client.write("a", pd.Series("one", HOURS))
    with pytest.raises(Incorrect, match="future"):
        client.write("a", pd.Series(1.0, HOURS), known_time="2199-01-01T00:00:00Z")
