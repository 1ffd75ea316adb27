"""What TempoDB's own demo programs do, through its real clients: the write demo (days of minutes, a day a request), the read demo (one
day), the find demo (each hour's maximum), and the same read back by rollups.

Before: a running server that other tests share. After: nothing.
"""
# ruff: noqa: DTZ001 - the clients take naive times

import random
from datetime import date, datetime, timedelta
from statistics import mean

import pytest

from tests.clients.tempodb.real_clients import Client, point

pytestmark = pytest.mark.slow
DAYS, MINUTES = 10, 1440
START = datetime(2012, 1, 1)


def minutes() -> list[float]:
    source = random.Random(7)
    return [source.random() * 50.0 for _ in range(DAYS * MINUTES)]


def days(values: list[float]) -> list[list[dict[str, object]]]:
    points = [point(START + timedelta(minutes=at), value) for at, value in enumerate(values)]
    return [points[first : first + MINUTES] for first in range(0, len(points), MINUTES)]


def text(minute: int) -> str:
    return f"{(START + timedelta(minutes=minute)).isoformat()}+00:00"


def test_the_first_generation_writes_ten_days_and_reads_them_back(first: Client) -> None:
    key, values = "your-custom-demo-key", minutes()
    first.call("delete_series", keys=[key])
    for day in days(values):
        assert first.call("write_key", key, day) == ""
    one_day = first.call("read_key", key, date(2012, 1, 1), date(2012, 1, 2))
    assert [(row["ts"], row["value"]) for row in one_day["data"]] == [(text(at), values[at]) for at in range(MINUTES)]
    assert one_day["summary"]["mean"] == pytest.approx(mean(values[:MINUTES]), rel=1e-12)
    hours = first.call("read_key", key, START, START + timedelta(days=DAYS))["data"]
    assert [row["ts"] for row in hours] == [text(60 * at) for at in range(24 * DAYS)], "ten days are rolled up by the hour"
    assert [row["value"] for row in hours] == pytest.approx([mean(values[60 * at : 60 * at + 60]) for at in range(24 * DAYS)], rel=1e-12)
    highest = first.call("read_key", key, START, START + timedelta(days=DAYS), interval="1day", function="max")["data"]
    assert [row["value"] for row in highest] == [max(values[MINUTES * at : MINUTES * at + MINUTES]) for at in range(DAYS)]


def test_the_second_generation_writes_ten_days_reads_and_finds(second: Client) -> None:
    key, values = "stuff", minutes()
    second.call("delete_series", [key])
    for day in days(values):
        assert second.call("write_data", key, day)["status"] == 200
    one_day = second.call("read_data", key, date(2012, 1, 1), date(2012, 1, 2))
    assert [(row["t"], row["v"]) for row in one_day["rows"]] == [(text(at), values[at]) for at in range(MINUTES)], "two pages"
    found = second.call("find_data", key, date(2012, 1, 1), date(2012, 1, 2), "max", "PT1H")["rows"]
    assert [(row["start"], row["end"]) for row in found] == [(text(60 * at), text(60 * at + 60)) for at in range(24)]
    for at, row in enumerate(found):
        hour = values[60 * at : 60 * at + 60]
        assert (row["t"], row["v"]) == (text(60 * at + hour.index(max(hour))), max(hour))
    rolled = second.call("read_data", key, START, START + timedelta(days=DAYS), rollup="sum", period="1hour", limit=100)
    assert [row["v"] for row in rolled["rows"]] == pytest.approx(
        [sum(values[60 * at : 60 * at + 60]) for at in range(24 * DAYS)], rel=1e-12
    )
