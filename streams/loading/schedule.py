"""When a task is due: every so many minutes, hours or days from its start, or by a crontab in UTC. Pure: time is an argument.

Before: a task's or a notification's document. After: known.py asks which instant was due last; of several that were missed only the newest
counts, so that what was down runs once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cronsim import CronSim, CronSimError

from streams.loading.moments import SECOND, moment_of, nanoseconds_of, read_time
from varve.errors import Incorrect

STEPS = {"minutes": 60 * SECOND, "hours": 3600 * SECOND, "days": 86_400 * SECOND}
INTERVAL_MAX = 100_000
_CRONTAB_WORDS = 5


@dataclass(frozen=True)
class Schedule:
    """Instants in UTC ns. since: when it was set; what was due before does not count. start: the first instant of all, and the one from
    which intervals count; without one they count from `since`. Either crontab or step_ns (of the interval) is set."""

    since: int
    start: int | None = None
    crontab: str | None = None
    step_ns: int | None = None


def last_due(schedule: Schedule, now: int) -> int | None:
    """The newest due instant up to now; None where there was none since it was set."""
    found = _cron_before(schedule, now) if schedule.crontab else _step_before(schedule, now)
    return found if found is not None and found > schedule.since and (schedule.start is None or found >= schedule.start) else None


def next_due(schedule: Schedule, after: int) -> int | None:
    """The first due instant behind `after`; None where a crontab has none any more."""
    after = max(after, schedule.since, -1 if schedule.start is None else schedule.start - 1)
    return _cron_after(schedule, after) if schedule.crontab else _step_after(schedule, after)


def schedule_of(said: Mapping[str, Any] | None) -> Schedule | None:
    """Of a document's field; None without one, and while it is not enabled."""
    if not said or not said.get("enabled", True):
        return None
    start, crontab, interval = said.get("startTime"), said.get("crontab"), said.get("interval")
    if not crontab and not interval:
        return None
    step_ns = interval * STEPS[said["intervalPeriod"]] if interval else None
    return Schedule(read_time(said["since"]), read_time(start) if start else None, crontab or None, step_ns)


def refuse_schedule(crontab: str | None, interval: int | None, period: str | None) -> None:
    """In words for who set it."""
    if crontab and interval:
        raise Incorrect("schedule-double", "the schedule has a crontab and an interval: set one of them")
    if interval is not None and not 1 <= interval <= INTERVAL_MAX:
        raise Incorrect("interval-incorrect", f"the schedule's interval is {interval}: say 1 to {INTERVAL_MAX}")
    if interval is not None and period not in STEPS:
        raise Incorrect("interval-period-missing", "the schedule has an interval: say its interval_period too: minutes, hours or days")
    if crontab:
        _refuse_crontab(crontab)


def _refuse_crontab(crontab: str) -> None:
    example = "as in '0 2 * * *' (minute, hour, day of month, month, day of week; times are UTC)"
    if len(crontab.split()) != _CRONTAB_WORDS:
        raise Incorrect("crontab-incorrect", f"crontab '{crontab}' has {len(crontab.split())} fields: say five, {example}")
    try:
        found = next(_ticks(crontab, 0), None)
    except CronSimError as reason:
        raise Incorrect("crontab-incorrect", f"crontab '{crontab}': {str(reason) or 'is none'}: say five fields, {example}") from None
    if found is None:
        raise Incorrect("crontab-never", f"crontab '{crontab}' names no day that ever comes")


def _step_before(schedule: Schedule, now: int) -> int | None:
    first, step = _steps(schedule)
    return None if now < first else first + (now - first) // step * step


def _step_after(schedule: Schedule, after: int) -> int:
    first, step = _steps(schedule)
    return first if after < first else first + ((after - first) // step + 1) * step


def _steps(schedule: Schedule) -> tuple[int, int]:
    assert schedule.step_ns
    return schedule.since if schedule.start is None else schedule.start, schedule.step_ns


def _cron_before(schedule: Schedule, now: int) -> int | None:
    return next(_ticks(str(schedule.crontab), now + 1, reverse=True), None)


def _cron_after(schedule: Schedule, after: int) -> int | None:
    return next(_ticks(str(schedule.crontab), after), None)


def _ticks(crontab: str, at: int, *, reverse: bool = False) -> Iterator[int]:
    """Behind `at`, or before it, nearest first."""
    moment: datetime = moment_of(at if not reverse else -(-at // 1000) * 1000)
    for tick in CronSim(crontab, moment, reverse):
        yield nanoseconds_of(tick)
