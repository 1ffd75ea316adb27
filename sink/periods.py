"""Periods of a rollup in any zone, and the grid of buckets that they cut a span into. Pure.

Before: a route or door with words. After: rollups.py groups by a grid. Periods up to an hour are real time, aligned to the local
clock: the hour that comes twice in autumn makes two buckets. Longer ones are wall-clock time, counted from 1970-01-01 local (weeks
from Monday 1969-12-29): a day has 23 or 25 hours then. A start that the clocks skip is the first instant after.
"""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from varve.errors import Incorrect
from varve.instants import EARLIEST, LATEST, NS_PER_SECOND

Unit = Literal["min", "hour", "day", "week", "month", "year"]
Int64s = NDArray[np.int64]
BUCKETS_MAX = 2_000_000
_DAY = 86_400
_SECONDS: dict[Unit, int] = {"min": 60, "hour": 3600, "day": _DAY, "week": 7 * _DAY}
_MONTHS: dict[Unit, int] = {"month": 1, "year": 12}
_YEARS_MAX = 200  # so that the start of every bucket is an int64 of nanoseconds
_MONTH_SECONDS_MIN = 28 * _DAY
_MONDAY = -3 * _DAY  # 1969-12-29
_WORDS = re.compile(r"(\d{1,9}) ?(min|hour|day|week|month|year)s?")
_ISO = re.compile(r"P(?:(\d{1,9})([DWMY])|T(\d{1,9})([MH]))")
_ISO_DATE: dict[str, Unit] = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_ISO_TIME: dict[str, Unit] = {"M": "min", "H": "hour"}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time, whatever the zone


@dataclass(frozen=True)
class Period:
    count: int
    unit: Unit

    def __post_init__(self) -> None:
        if self.count < 1:
            raise Incorrect("period-malformed", f"period: {self.count} {self.unit} has no length: give 1 or more")
        if self.months > _YEARS_MAX * 12 or (self.seconds or 0) > _YEARS_MAX * 365 * _DAY:
            raise Incorrect("period-too-long", f"period: {self.count} {self.unit} is longer than {_YEARS_MAX} years")

    @property
    def seconds(self) -> int | None:
        """Of the local clock; None for months and years."""
        return self.count * _SECONDS[self.unit] if self.unit in _SECONDS else None

    @property
    def seconds_min(self) -> int:
        return self.seconds or self.months * _MONTH_SECONDS_MIN

    @property
    def months(self) -> int:
        return self.count * _MONTHS.get(self.unit, 0)

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True)
class Even:
    """Buckets of one length: all instants (UTC ns) that leave `phase` when divided by `step` start one."""

    step: int
    phase: int = 0


@dataclass(frozen=True, eq=False)
class Grid:
    """edges: int64[n + 1] UTC ns, rising: the starts of n buckets, and the end of the last. Buckets lie side by side."""

    edges: Int64s

    @property
    def starts(self) -> Int64s:
        return self.edges[:-1]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def even(self) -> Even | None:
        """Where each start follows the one before by the same distance, and the last is no longer; one bucket has none."""
        apart = np.diff(self.starts)
        if not len(apart) or (apart != apart[0]).any() or self.edges[-1] - self.edges[-2] > apart[0]:
            return None
        return Even(int(apart[0]), int(self.edges[0] % apart[0]))

    def runs(self) -> tuple[int, Int64s, Int64s]:
        """The starts in short: the first, then how often (int64[m]) each distance (int64[m], ns) follows."""
        apart = np.diff(self.starts)
        changes = np.flatnonzero(np.diff(apart, prepend=0)) if len(apart) else np.zeros(0, np.int64)
        counts = np.diff(changes, append=len(apart))
        return int(self.edges[0]), counts.astype(np.int64), apart[changes]

    def multiple_of(self, seconds: int) -> bool:
        """Is every edge a multiple of so many seconds in UTC? The end of all instants counts as one."""
        return bool((self.edges[self.edges < LATEST] % (seconds * NS_PER_SECOND) == 0).all())


def parse_period(text: str) -> Period:
    """1min, 6hour, 2 days, PT15M, P1D, P1M, P1Y …"""
    asked = text.strip()
    if (words := _WORDS.fullmatch(asked)) is not None:
        unit = next(unit for unit in get_args(Unit) if unit == words[2])
        return Period(int(words[1]), unit)
    if (iso := _ISO.fullmatch(asked)) is not None:
        return Period(int(iso[1]), _ISO_DATE[iso[2]]) if iso[1] else Period(int(iso[3]), _ISO_TIME[iso[4]])
    raise Incorrect(
        "period-malformed",
        f"period: '{text[:40]}' is no period: give a number and min, hour, day, week, month or year (15min, 1day), or P1D",
    )


def auto_period(from_: int, until: int) -> Period | None:
    """What a chart of so long a span can show: raw points up to two days, hours up to thirty, else days."""
    days = (until - from_) / (_DAY * NS_PER_SECOND)
    if days <= 2:
        return None
    return Period(1, "hour" if days <= 30 else "day")


def grid_of(period: Period, zone: str, from_: int, until: int) -> Grid:
    """The buckets that touch [from_, until), instants in UTC ns; Incorrect where they are too many."""
    known = zone_of(zone)
    if from_ >= until:
        return Grid(np.array([from_], np.int64))
    if (until - from_) // NS_PER_SECOND // period.seconds_min > BUCKETS_MAX:
        raise Incorrect(
            "too-many-buckets", f"period: {period} cuts this span into more than {BUCKETS_MAX} buckets: ask for a longer period"
        )
    first, last = from_ // NS_PER_SECOND, (until - 1) // NS_PER_SECOND
    margin = period.seconds_min * 3 + 3 * _DAY
    shifts = _shifts(known.key, _year(first - margin), _year(last + margin))
    seconds = (
        _real(period, shifts, first, last) if period.seconds is not None and period.seconds <= 3600 else _wall(period, shifts, first, last)
    )
    # the last start at or before the first instant, to the first after the last one
    lo, hi = int(np.searchsorted(seconds, first, "right")) - 1, int(np.searchsorted(seconds, last, "right"))
    return Grid(_nanoseconds(seconds[lo : hi + 1]))


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Incorrect("zone-unknown", f"zone: '{name[:60]}' is not an IANA time zone such as Europe/Stockholm") from None


def _real(period: Period, shifts: "Shifts", first: int, last: int) -> Int64s:
    """Starts in UTC seconds, from before `first` to after `last`. A change of the clock by whole periods changes no alignment."""
    step = period.count * _SECONDS[period.unit]
    phase = -shifts.offsets % step
    kept = np.append(True, np.diff(phase) != 0)
    begins, phase = shifts.begins[kept], phase[kept]
    ends = np.append(begins[1:], np.iinfo(np.int64).max)
    found = []
    for begin, end, at in zip(begins.tolist(), ends.tolist(), phase.tolist(), strict=True):
        low, high = max(begin, first - 2 * step), min(end, last + 2 * step)
        if low < high:
            starts = np.arange(low - (low - at) % step, high, step, dtype=np.int64)
            found.append(np.maximum(starts, begin))
    return np.concatenate(found)


def _wall(period: Period, shifts: "Shifts", first: int, last: int) -> Int64s:
    local = shifts.local(np.array([first, last], np.int64))
    local += np.array([-2 * _DAY, 2 * _DAY])  # a clock set back a day
    if period.seconds is not None:
        origin = _MONDAY if period.unit == "week" else 0
        number = (local - origin) // period.seconds + np.array([-1, 2])
        starts = np.arange(number[0], number[1], dtype=np.int64) * period.seconds + origin
    else:
        month = local.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) // period.months + np.array([-1, 2])
        months = np.arange(month[0], month[1]) * period.months
        starts = months.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    return np.unique(shifts.utc(starts))  # one that was skipped whole begins with the next


def _nanoseconds(seconds: Int64s) -> Int64s:
    beyond = seconds > LATEST // NS_PER_SECOND
    found: Int64s = np.where(beyond, 0, seconds) * NS_PER_SECOND
    found[beyond] = LATEST
    return found


@dataclass(frozen=True, eq=False)
class Shifts:
    """A zone's offsets over some years: offsets[i] (seconds east of UTC) holds from begins[i] (UTC seconds)."""

    begins: Int64s
    offsets: Int64s

    def local(self, utc: Int64s) -> Int64s:
        found: Int64s = utc + self.offsets[np.searchsorted(self.begins, utc, "right") - 1]
        return found

    def utc(self, local: Int64s) -> Int64s:
        """The first instant that the clock shows it, or the first after those that it skips it by."""
        until = np.maximum.accumulate(self.begins[1:] + self.offsets[:-1])
        at = np.searchsorted(until, local, "right")
        found: Int64s = np.maximum(local - self.offsets[at], self.begins[at])
        return found


def _shifts(zone: str, from_year: int, until_year: int) -> Shifts:
    years = [_changes(zone, year) for year in range(from_year, until_year + 1)]
    begins, offsets = (np.concatenate(parts) for parts in zip(*years, strict=True))
    kept = np.append(True, np.diff(offsets) != 0)
    begins, offsets = begins[kept], offsets[kept]
    begins[0] = np.iinfo(np.int64).min // 2
    return Shifts(begins, offsets)


@lru_cache(maxsize=4096)
def _changes(zone: str, year: int) -> tuple[Int64s, Int64s]:
    """The offset at the start of a year of UTC, and each change within it: found by asking for every day, then halving."""
    known = zoneinfo.ZoneInfo(zone)
    first, end = (round((datetime(at, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) for at in (year, year + 1))
    found = [(first, _offset(known, first))]
    for day in range(first + _DAY, end + 1, _DAY):
        offset = _offset(known, day)
        while found[-1][1] != offset:
            found.append(_next_change(known, max(day - _DAY, found[-1][0]), day))
    inside = [(at, offset) for at, offset in found if at < end]
    return np.array([at for at, _ in inside], np.int64), np.array([offset for _, offset in inside], np.int64)


def _next_change(zone: zoneinfo.ZoneInfo, low: int, high: int) -> tuple[int, int]:
    """A change after low, at most at high, where the offset is another."""
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high, _offset(zone, high)


def _offset(zone: zoneinfo.ZoneInfo, seconds: int) -> int:
    """Seconds east of UTC."""
    local = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=UTC).astimezone(zone).utcoffset()
    assert local is not None
    return round(local.total_seconds())


def _year(seconds: int) -> int:
    """Bounded to what is stored, and a year on each side."""
    stored = min(max(seconds, EARLIEST // NS_PER_SECOND - 366 * _DAY), LATEST // NS_PER_SECOND + 366 * _DAY)
    return (_EPOCH + timedelta(seconds=stored)).year
