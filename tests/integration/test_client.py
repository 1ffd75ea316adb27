"""The client and the demo against a real server: what was written in pandas is read back in pandas, in every shape."""

import uuid
from datetime import timedelta

import pandas as pd
import pytest

from tests.conftest import VarveUp
from varve import Client
from varve.errors import Conflict, NotFound

pytestmark = pytest.mark.slow
HOURS = pd.date_range("2025-01-01", periods=4, freq="h", tz="UTC", unit="ns", name="valid_time")
OLD, NEW = "2025-01-02T00:00:00Z", "2025-01-03T00:00:00Z"


@pytest.fixture
def client(running_varve: VarveUp) -> Client:
    return Client(running_varve.url, tenant=uuid.uuid4())


def test_a_frame_of_numbers_booleans_and_text_comes_back_as_it_was(client: Client) -> None:
    frame = pd.DataFrame({"n": [1.0, 2.5, None, 4.0], "b": [True, False, True, True], "t": ["x", "y", "z", "ø"]}, HOURS)
    client.write(frame)
    pd.testing.assert_series_equal(client.flat("n").dropna(), frame["n"].dropna(), check_freq=False)
    assert client.flat("b").tolist() == frame["b"].tolist() and client.flat("t").tolist() == frame["t"].tolist()
    assert client.flat(["t", "n"]).loc[HOURS[3]].tolist() == ["ø", 4.0]


def test_what_was_known_when_is_told_by_every_shape(client: Client) -> None:
    for known, values in ((OLD, [1.0, 2.0, 3.0, 4.0]), (NEW, [10.0, 20.0, 30.0, 40.0])):
        with client.run("wf", known_time=known) as run:
            run.write("f", pd.Series(values, HOURS))
    assert client.flat("f").tolist() == [10.0, 20.0, 30.0, 40.0]
    assert client.as_of("f", known="2025-01-02T12:00:00Z").tolist() == [1.0, 2.0, 3.0, 4.0]
    assert client.overlapping("f").loc[OLD].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert client.relative("f", before=timedelta(0)).empty, "all were known after their hour"
    assert len(client.history("f")) == 8
    assert client.latest(["f"]).loc["f", "value"] == 40.0
    assert [(row["state"], row["points"]) for row in client.runs("wf")] == [("sealed", 4), ("sealed", 4)]


def test_a_forecast_is_read_as_it_was_the_day_before_at_noon(client: Client) -> None:
    later = HOURS + pd.Timedelta(days=3)
    for known, value in (("2025-01-03T10:59:00Z", 1.0), ("2025-01-03T11:01:00Z", 2.0)):
        client.write("f", pd.Series(value, later), known_time=known)
    found = client.relative("f", days_before=1, at="12:00", zone="Europe/Oslo")
    assert found.tolist() == [1.0] * 4


def test_the_same_key_counts_once_and_refuses_another_body(client: Client) -> None:
    values = pd.Series([1.0, 2.0, 3.0, 4.0], HOURS, name="a")
    for _ in range(2):
        client.write(values, key="once")
    assert len(client.history("a")) == 4
    with pytest.raises(Conflict):
        client.write(values + 1, key="once")


def test_an_update_changes_what_is_given_and_keeps_the_rest(client: Client) -> None:
    client.write("a", pd.DataFrame({"value": [1.0], "annotation": ["as measured"]}, HOURS[:1]))
    client.update("a", HOURS[0], value=2.0, changed_by="maria@example.org")
    last = client.history("a").iloc[-1]
    assert (last["value"], last["annotation"], last["changed_by"]) == (2.0, "as measured", "maria@example.org")
    client.update("a", HOURS[0], annotation=None)
    assert pd.isna(client.history("a").iloc[-1]["annotation"]) and client.flat("a").tolist() == [2.0]


def test_series_are_described_and_found(client: Client) -> None:
    ident = client.create("plant/7/power", unit="MW", tags=["wind"], labels={"site": "north"})
    client.create("plant/8/power", unit="MW")
    client.describe("plant/7/power", description="at the meter")
    assert client.series(ident)["description"] == "at the meter"
    assert [row["key"] for row in client.find(prefix="plant/")] == ["plant/7/power", "plant/8/power"]
    assert [row["key"] for row in client.find(labels={"site": "north"})] == ["plant/7/power"]


def test_a_series_that_is_not_there_is_named(client: Client) -> None:
    with pytest.raises(NotFound, match="no/such"):
        client.flat("no/such")


def test_many_bodies_sent_at_a_time_are_all_there(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("varve.client_uploads.BODY_ROWS", 1000)
    index = pd.date_range("2025-01-01", periods=7_500, freq="min", tz="UTC")
    written = client.write(pd.Series(range(7_500), index, name="long"), parallel=3)
    assert written.rows == 7_500
    assert client.flat("long").tolist() == list(range(7_500))
