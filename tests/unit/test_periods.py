"""Periods in words, and grids of them: on nights when clocks change, before zones had whole hours, at the ends of time."""

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sink.periods import BUCKETS_MAX, Grid, Period, auto_period, grid_of, parse_period
from tests.rollup_oracle import bucket_of
from varve.errors import Incorrect
from varve.instants import EARLIEST, LATEST, format_instant, parse_instant

ZONES = ("UTC", "America/Denver", "Asia/Kathmandu", "Europe/Stockholm", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca")
PERIODS = [
    parse_period(text)
    for text in (
        "1min", "7min", "15min", "20min", "1hour", "90min", "2hour", "5hour", "6hour", "36hour", "1day", "3day", "1week", "2week", "1month",
        "5month", "1year", "3year",
    )
]  # fmt: skip
SECOND, DAY = 10**9, 86_400 * 10**9
NIGHTS = [  # hours around which something happens to a clock
    "2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z", "2025-03-09T09:00:00Z", "2025-11-02T08:00:00Z", "2025-04-05T15:00:00Z",
    "2025-10-04T15:30:00Z", "2011-12-30T10:00:00Z", "2025-02-23T02:00:00Z", "2025-12-31T23:00:00Z", "1970-01-01T00:00:00Z",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1min", (1, "min")), ("15 mins", (15, "min")), ("2day", (2, "day")), ("3 weeks", (3, "week")), ("12hours", (12, "hour")),
        ("1month", (1, "month")), ("2years", (2, "year")), ("PT1M", (1, "min")), ("PT24H", (24, "hour")), ("P1D", (1, "day")),
        ("P2W", (2, "week")), ("P1M", (1, "month")), ("P10Y", (10, "year")),
    ],
)  # fmt: skip
def test_periods_are_read_in_words_and_in_iso(text: str, expected: tuple[int, str]) -> None:
    found = parse_period(text)
    assert (found.count, found.unit) == expected


@pytest.mark.parametrize(
    "text", ["", "min", "1m", "15m", "1fortnight", "-1day", "1.5day", "P", "PT", "P1H", "PT1D", "P1DT1H", "P1D2W", "0min", "PT0H"]
)
def test_what_is_no_period_is_refused_in_words(text: str) -> None:
    with pytest.raises(Incorrect) as refused:
        parse_period(text)
    assert refused.value.code == "period-malformed"


def test_too_long_too_many_and_unknown_zones_are_refused_in_words() -> None:
    for code, call in (
        ("period-too-long", lambda: parse_period("201year")),
        ("period-too-long", lambda: parse_period("P80000D")),
        ("too-many-buckets", lambda: grid_of(Period(1, "min"), "UTC", 0, 4 * 366 * DAY)),
        ("zone-unknown", lambda: grid_of(Period(1, "day"), "Mars/Olympus", 0, DAY)),
        ("zone-unknown", lambda: grid_of(Period(1, "day"), "../etc/passwd", 0, DAY)),
    ):
        with pytest.raises(Incorrect) as refused:
            call()
        assert refused.value.code == code
    assert len(grid_of(Period(1, "min"), "UTC", 0, BUCKETS_MAX * 60 * SECOND)) == BUCKETS_MAX


@settings(max_examples=300, deadline=None)
@given(
    period=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    around=st.sampled_from(NIGHTS).map(parse_instant),
    before=st.integers(0, 40 * 60),
    minutes=st.integers(1, 80 * 60),
    nudge=st.sampled_from((0, 1, 59 * SECOND)),
)
def test_every_instant_lies_in_the_bucket_that_a_calendar_says(
    period: Period, zone: str, around: int, before: int, minutes: int, nudge: int
) -> None:
    from_ = around - before * 60 * SECOND + nudge
    until = from_ + minutes * 60 * SECOND
    grid = grid_of(period, zone, from_, until)
    assert grid.edges[0] <= from_ < grid.edges[1]
    assert grid.edges[-2] < until <= grid.edges[-1]
    for instant in {*range(from_, until, max(1, (until - from_) // 40)), until - 1}:
        assert format_instant(int(grid.edges[np.searchsorted(grid.edges, instant, "right") - 1])) == format_instant(
            bucket_of(period, zone, instant)
        )


def starts(text: str, zone: str, from_: str, until: str) -> list[str]:
    return [format_instant(int(edge)) for edge in grid_of(parse_period(text), zone, parse_instant(from_), parse_instant(until)).edges]


def test_examples_that_anybody_can_check() -> None:
    assert starts("1day", "Europe/Stockholm", "2025-03-29T12:00:00Z", "2025-03-31T00:00:00Z") == [
        "2025-03-28T23:00:00Z", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z", "2025-03-31T22:00:00Z",
    ]  # fmt: skip
    assert starts("1hour", "Asia/Kathmandu", "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z") == [
        "2024-12-31T23:15:00Z", "2025-01-01T00:15:00Z", "2025-01-01T01:15:00Z",
    ]  # fmt: skip
    assert starts("6hour", "Europe/Stockholm", "2025-10-25T22:00:00Z", "2025-10-26T12:00:00Z") == [
        "2025-10-25T22:00:00Z", "2025-10-26T05:00:00Z", "2025-10-26T11:00:00Z", "2025-10-26T17:00:00Z",
    ]  # fmt: skip
    assert starts("1week", "UTC", "2025-01-01T00:00:00Z", "2025-01-06T00:00:00Z") == ["2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"]
    assert starts("3month", "America/Denver", "2025-02-01T00:00:00Z", "2025-05-01T00:00:00Z") == [
        "2025-01-01T07:00:00Z", "2025-04-01T06:00:00Z", "2025-07-01T06:00:00Z",
    ]  # fmt: skip
    # in Samoa the 30th of December 2011 was skipped
    assert starts("1day", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z") == [
        "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", "2012-01-01T10:00:00Z",
    ]  # fmt: skip
    # the clocks of Lord Howe go back by half an hour: the half that comes again is a bucket of its own
    assert starts("1hour", "Australia/Lord_Howe", "2025-04-05T14:00:00Z", "2025-04-05T16:00:00Z") == [
        "2025-04-05T14:00:00Z", "2025-04-05T15:00:00Z", "2025-04-05T15:30:00Z", "2025-04-05T16:30:00Z",
    ]  # fmt: skip


def test_a_clock_of_seconds_before_there_were_whole_hours() -> None:
    assert starts("1day", "Europe/Amsterdam", "1937-06-01T00:00:00Z", "1937-06-01T12:00:00Z") == [
        "1937-05-31T22:40:28Z", "1937-06-01T22:40:28Z",
    ]  # fmt: skip
    assert starts("1hour", "Asia/Kolkata", "1905-01-01T00:00:00Z", "1905-01-01T00:30:00Z") == [
        "1904-12-31T23:38:50Z",
        "1905-01-01T00:38:50Z",
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("period", [Period(1, "week"), Period(1, "month"), Period(7, "year"), Period(200, "year")], ids=str)
def test_the_whole_of_time_is_covered(zone: str, period: Period) -> None:
    grid = grid_of(period, zone, EARLIEST, LATEST)
    assert grid.edges[0] <= EARLIEST and grid.edges[-1] == LATEST
    assert (np.diff(grid.edges[1:-1]) > 0).all()
    assert ZoneInfo(zone).key == zone


def test_a_grid_in_short_is_the_grid() -> None:
    grid = grid_of(Period(1, "day"), "Europe/Stockholm", parse_instant("2025-01-01T00:00:00Z"), parse_instant("2027-01-01T00:00:00Z"))
    origin, counts, distances = grid.runs()
    assert len(counts) == 9  # days of 24 hours, and four of another length
    assert np.array_equal(np.cumsum([origin, *np.repeat(distances, counts)]), grid.starts)
    assert grid.even() is None and grid.multiple_of(900) and not grid.multiple_of(7200)
    assert len(Grid(np.array([5])).starts) == 0
    assert len(grid_of(Period(1, "day"), "UTC", 5, 5)) == 0


def test_auto_goes_by_the_length_of_the_span() -> None:
    assert [auto_period(0, days * DAY) for days in (1, 2, 3, 30, 31)] == [
        None, None, Period(1, "hour"), Period(1, "hour"), Period(1, "day"),
    ]  # fmt: skip


def test_two_buckets_of_which_the_last_is_longer_are_not_even() -> None:
    grid = grid_of(parse_period("1day"), "America/Chicago", parse_instant("2012-03-11T06:00:00Z"), parse_instant("2012-03-13T05:00:00Z"))
    assert (np.diff(grid.edges) // (3600 * 10**9)).tolist() == [23, 24]
    assert grid.even() is None
