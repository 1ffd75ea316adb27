"""When tasks are due: intervals from their start, crontabs in UTC, what was missed once, what was due before it was set never."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.loading.moments import SECOND, nanoseconds_of, read_time, said_time
from streams.loading.schedule import STEPS, Schedule, last_due, next_due, refuse_schedule, schedule_of
from varve.errors import Incorrect

SET = read_time("2026-03-01T10:07:30Z")
MINUTE = STEPS["minutes"]
CRONTABS = ("0 * * * *", "*/15 * * * *", "0 8 * * *", "0 0 * * 1", "30 2 29 2 *", "0 0 1 * *")


def due(schedule: Schedule, now: str) -> str | None:
    found = last_due(schedule, read_time(now))
    return None if found is None else said_time(found)


def test_an_interval_counts_from_when_it_was_set() -> None:
    every = Schedule(SET, step_ns=15 * MINUTE)
    assert due(every, "2026-03-01T10:22:29Z") is None
    assert due(every, "2026-03-01T10:22:30Z") == "2026-03-01T10:22:30Z"
    assert due(every, "2026-03-02T10:10:00Z") == "2026-03-02T10:07:30Z", "a day of missed ones is one"


def test_an_interval_counts_from_its_start_time_which_is_due_itself() -> None:
    later = Schedule(SET, start=read_time("2026-03-02T00:00:00Z"), step_ns=STEPS["days"])
    assert due(later, "2026-03-01T23:59:59Z") is None
    assert due(later, "2026-03-02T00:00:00Z") == "2026-03-02T00:00:00Z"
    assert next_due(later, SET) == read_time("2026-03-02T00:00:00Z")
    earlier = Schedule(SET, start=read_time("2025-01-01T00:00:00Z"), step_ns=STEPS["hours"])
    assert due(earlier, "2026-03-01T10:59:59Z") is None, "what was due before it was set is not made up for"
    assert due(earlier, "2026-03-01T11:00:00Z") == "2026-03-01T11:00:00Z"


def test_a_crontab_is_due_in_utc() -> None:
    nightly = Schedule(SET, crontab="0 2 * * *")
    assert due(nightly, "2026-03-02T01:59:59Z") is None
    assert due(nightly, "2026-03-02T02:00:00Z") == "2026-03-02T02:00:00Z"
    assert due(nightly, "2026-03-09T01:00:00Z") == "2026-03-08T02:00:00Z", "on the night of the clocks in Denver too"
    monday = Schedule(SET, crontab="0 0 * * 1")
    assert said_time(next_due(monday, SET) or 0) == "2026-03-02T00:00:00Z"


def test_one_that_is_paused_or_has_no_times_is_none() -> None:
    said = {"enabled": True, "interval": 1, "intervalPeriod": "hours", "startTime": None, "crontab": None, "since": said_time(SET)}
    assert schedule_of(said) == Schedule(SET, step_ns=STEPS["hours"])
    assert schedule_of(said | {"enabled": False}) is None
    assert schedule_of(said | {"interval": None}) is None
    assert schedule_of(None) is None


moments = st.integers(SET + STEPS["hours"], SET + 2_000 * STEPS["days"])
schedules = st.one_of(
    st.builds(lambda crontab: Schedule(SET, crontab=crontab), st.sampled_from(CRONTABS)),
    st.builds(
        lambda count, step, start: Schedule(SET, None if start is None else SET + start * SECOND, None, count * step),
        st.integers(1, 100), st.sampled_from(sorted(STEPS.values())), st.none() | st.integers(-(10**6), 10**6),
    ),
)  # fmt: skip


@given(schedules, moments)
def test_the_last_is_the_one_before_the_next(schedule: Schedule, now: int) -> None:
    last, following = last_due(schedule, now), next_due(schedule, now)
    assert following is not None and following > now
    if last is None:
        assert next_due(schedule, schedule.since) == following
    else:
        assert schedule.since < last <= now
        assert next_due(schedule, last - 1) == last
        assert next_due(schedule, last) == following


def test_instants_of_a_schedule_are_a_step_apart() -> None:
    quarter = Schedule(SET, crontab="*/15 * * * *")
    found = [SET]
    for _ in range(100):
        found.append(next_due(quarter, found[-1]) or 0)
    assert {after - before for before, after in pairwise(found[1:])} == {15 * MINUTE}


def test_times_are_told_and_read_to_the_microsecond() -> None:
    at = datetime(2026, 3, 1, 10, 7, 30, 120, tzinfo=UTC)
    assert said_time(nanoseconds_of(at)) == "2026-03-01T10:07:30.00012Z"
    assert read_time(said_time(nanoseconds_of(at))) == nanoseconds_of(at)
    assert read_time("2026-03-01T03:07:30-07:00") == read_time("2026-03-01T10:07:30Z") == SET
    assert nanoseconds_of(at) - SET == timedelta(microseconds=120) / timedelta(microseconds=1) * 1000


@pytest.mark.parametrize(
    ("crontab", "interval", "period", "words"),
    [
        ("0 * * * *", 1, "days", "a crontab and an interval"),
        (None, 0, "days", "say 1 to"),
        (None, 1, None, "interval_period"),
        ("0 25 * * *", None, None, "Bad hour"),
        ("* * * *", None, None, "has 4 fields"),
        ("@daily", None, None, "has 1 fields"),
        ("0 0 30 2 *", None, None, "Bad day-of-month"),
        ("0 0 0 1 1 *", None, None, "has 6 fields"),
    ],
)
def test_what_is_no_schedule_is_refused_in_words(crontab: str | None, interval: int | None, period: str | None, words: str) -> None:
    with pytest.raises(Incorrect, match=words):
        refuse_schedule(crontab, interval, period)
