"""Relative: the flat read of what was known by a cut-off that moves with each valid_time, e.g. the day before at noon.

A cut-off is either a lead before the valid time, or a local time of day some days before, in a zone: right on the days that
have 23 or 25 hours. A local time that the clocks skip is read by the offset before the change; one that comes twice is the
first (as zoneinfo reads fold=0).
"""

import zoneinfo
from dataclasses import dataclass
from typing import Any, assert_never

from sink.queries.flat import folded_within, keys, plain_within
from sink.queries.shape import Shape
from varve.errors import Incorrect

LEAD_NS_MAX = 200 * 366 * 86_400 * 10**9  # an instant of 1900 less this is still an int64
DAYS_MAX = 36_500
_FIRST_DAY = -25567  # 1900-01-01: nothing was known before, and ClickHouse has no earlier day


@dataclass(frozen=True)
class Lead:
    """Known at least so long before the valid time; below zero: at most so long after it."""

    nanoseconds: int

    def __post_init__(self) -> None:
        if abs(self.nanoseconds) > LEAD_NS_MAX:
            raise Incorrect("lead-out-of-range", "a lead is at most 200 years: give it in nanoseconds")


@dataclass(frozen=True)
class DaysBefore:
    """Known by second_of_day (local time) of the day that lies `days` before the valid time's local day."""

    days: int
    second_of_day: int
    zone: str

    def __post_init__(self) -> None:
        if not 0 <= self.days <= DAYS_MAX:
            raise Incorrect("days-out-of-range", f"{self.days} days before: give 0 to {DAYS_MAX}")
        if not 0 <= self.second_of_day < 86_400:
            raise Incorrect("time-of-day-malformed", "the time of day is between 00:00:00 and 23:59:59")
        try:
            zoneinfo.ZoneInfo(self.zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise Incorrect("zone-unknown", f"'{self.zone}' is not an IANA time zone such as Europe/Stockholm") from None


Cutoff = Lead | DaysBefore


def relative(cutoff: Cutoff) -> Shape:
    more, bound = _known_by(cutoff)
    return Shape(
        "relative",
        lambda selection: plain_within(selection, more, bound),
        lambda selection: folded_within(selection, more, bound),
        keys,
    )


def _known_by(cutoff: Cutoff) -> tuple[list[str], dict[str, Any]]:
    match cutoff:
        case Lead(nanoseconds):
            known, valid = "toUnixTimestamp64Nano(l.known_time)", "toUnixTimestamp64Nano(l.valid_time)"
            if nanoseconds >= 0:
                return [f"{known} <= {valid} - {{lead:Int64}}"], {"lead": nanoseconds}
            return [f"{known} - {{lag:Int64}} <= {valid}"], {"lag": -nanoseconds}
        case DaysBefore(days, second_of_day, zone):
            hours, rest = divmod(second_of_day, 3600)
            # whole seconds: a local time of 2262 lies beyond the last instant that fits in nanoseconds
            day = "(subtractDays((toDate32(l.valid_time, {zone:String}) AS local_day), {days:UInt32}) AS cut_day)"
            time = "{hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String}"
            at = f"(makeDateTime64(toYear({day}), toMonth(cut_day), toDayOfMonth(cut_day), {time}) AS cut_at)"
            # ClickHouse reads a skipped local time by the offset after the change: what is missing to the wall clock is added
            wall = "toInt64(toHour(cut_at) * 3600 + toMinute(cut_at) * 60 + toSecond(cut_at))"
            cut = f"toInt128(toUnixTimestamp64Second({at}) + {{second_of_day:Int64}} - {wall}) * 1000000000"
            bound = {"days": days, "zone": zone, "second_of_day": second_of_day}
            bound |= {"hour": hours, "minute": rest // 60, "second": rest % 60}
            return [
                f"toUnixTimestamp64Nano(l.known_time) <= {cut}",
                f"toInt32(local_day) - toInt32({{days:UInt32}}) >= {_FIRST_DAY}",
            ], bound
        case _:
            assert_never(cutoff)
