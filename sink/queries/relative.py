"""Relative: the flat read of what was known by a cut-off that moves with each valid_time, e.g. the day before at noon.

A cut-off is either a lead before the valid time, or a local time of day some days before, in a zone: right on the days that
have 23 or 25 hours. A local time that the clocks skip is read by the offset before the change; one that comes twice is the
first (as zoneinfo reads fold=0).
"""

import zoneinfo
from dataclasses import dataclass, replace
from typing import Any, assert_never

from sink.queries.flat import flat_of, keys
from sink.queries.layers import Source, View, covers, deletions_beside, source
from sink.queries.selection import Selection
from sink.queries.shape import Shape
from varve.errors import Incorrect

LEAD_NS_MAX = 200 * 366 * 86_400 * 10**9  # an instant of 1900 less this is still an int64
DAYS_MAX = 36_500
_LOCAL_DAY = "toDate32(l.valid_time, {zone:String})"
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
    return Shape("relative", lambda selection, view: flat_of(selection, _known_by(cutoff, selection, view), view.folded), keys)


def _known_by(cutoff: Cutoff, selection: Selection, view: View) -> Source:
    """A deletion, too, counts by the cut-off of the layer that it would hide."""
    more, bound = _bounds(cutoff)
    if not view.hiding:
        layers = source(selection, hiding=False)
        return replace(layers, where=(*layers.where, _known("l.known_time", cutoff), *more), bound=layers.bound | bound)
    layers = deletions_beside(selection)
    hidden = f"arrayExists(x -> {covers('x')} AND {_known('x.4', cutoff)}, h.deletions)"
    where = (*layers.where, _known("l.known_time", cutoff), *more, f"NOT {hidden}")
    return replace(layers, where=where, bound=layers.bound | bound, running=False)


def _known(at: str, cutoff: Cutoff) -> str:
    """The instant lies at or before the cut-off of `l`."""
    known, valid = f"toUnixTimestamp64Nano({at})", "toUnixTimestamp64Nano(l.valid_time)"
    match cutoff:
        case Lead(nanoseconds) if nanoseconds >= 0:
            return f"{known} <= {valid} - {{lead:Int64}}"
        case Lead():
            return f"{known} - {{lag:Int64}} <= {valid}"
        case DaysBefore():
            # whole seconds: a local time of 2262 lies beyond the last instant that fits in nanoseconds
            day = f"subtractDays({_LOCAL_DAY}, {{days:UInt32}})"
            time = "{hour:UInt8}, {minute:UInt8}, {second:UInt8}, 0, 0, {zone:String}"
            at = f"makeDateTime64(toYear({day}), toMonth({day}), toDayOfMonth({day}), {time})"
            # ClickHouse reads a skipped local time by the offset after the change: what is missing to the wall clock is added
            wall = f"toInt64(toHour({at}) * 3600 + toMinute({at}) * 60 + toSecond({at}))"
            return f"{known} <= toInt128(toUnixTimestamp64Second({at}) + {{second_of_day:Int64}} - {wall}) * 1000000000"
        case _:
            assert_never(cutoff)


def _bounds(cutoff: Cutoff) -> tuple[list[str], dict[str, Any]]:
    """What else bounds the layers, and the parameters of _known."""
    match cutoff:
        case Lead(nanoseconds):
            return [], {"lead": nanoseconds} if nanoseconds >= 0 else {"lag": -nanoseconds}
        case DaysBefore(days, second_of_day, zone):
            hours, rest = divmod(second_of_day, 3600)
            bound = {"days": days, "zone": zone, "second_of_day": second_of_day}
            bound |= {"hour": hours, "minute": rest // 60, "second": rest % 60}
            return [f"toInt32({_LOCAL_DAY}) - toInt32({{days:UInt32}}) >= {_FIRST_DAY}"], bound
        case _:
            assert_never(cutoff)
