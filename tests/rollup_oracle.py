"""The oracle of rollups: the bucket of one instant by zoneinfo and steps of a minute, functions by Python's statistics. Slow, obviously
right. Instants are UTC nanoseconds; zones are as they are since 1972, whose clocks change at whole minutes."""

import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sink.periods import Period

SECOND = 10**9
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock shows has no zone
MINUTES_OF = {"min": 1, "hour": 60, "day": 1440, "week": 7 * 1440}


def local(seconds: int, zone: str) -> datetime:
    """What the clock shows."""
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def bucket_of(period: Period, zone: str, instant: int) -> int:
    seconds = instant // SECOND
    length = period.count * MINUTES_OF.get(period.unit, 0) * 60
    start = real_start(length, zone, seconds) if 0 < length <= 3600 else wall_start(period, zone, seconds)
    return start * SECOND


def real_start(length: int, zone: str, seconds: int) -> int:
    """Back, minute by minute, to where the clock shows a multiple of the period, or was moved by a part of one."""
    at = seconds // 60 * 60
    while True:
        shown = (local(at, zone) - EPOCH) // timedelta(seconds=1)
        moved = shown - (local(at - 60, zone) - EPOCH) // timedelta(seconds=1) - 60
        if shown % length == 0 or moved % length:
            return at
        at -= 60


def wall_start(period: Period, zone: str, seconds: int) -> int:
    """The last of the starts around that has come."""
    shown = local(seconds, zone)
    if period.unit in ("month", "year"):
        months = period.count * (12 if period.unit == "year" else 1)
        number = ((shown.year - 1970) * 12 + shown.month - 1) // months
        starts = [EPOCH.replace(year=1970 + near * months // 12, month=near * months % 12 + 1) for near in range(number - 2, number + 3)]
    else:
        length = timedelta(minutes=period.count * MINUTES_OF[period.unit])
        origin = EPOCH - timedelta(days=3) if period.unit == "week" else EPOCH
        number = (shown - origin) // length
        starts = [origin + near * length for near in range(number - 2, number + 3)]
    return max(first for start in starts if (first := first_shown(start, zone)) <= seconds)


def first_shown(start: datetime, zone: str) -> int:
    """The first instant that the clock shows it, or the first after where it skips it."""
    at = int(start.replace(tzinfo=ZoneInfo(zone), fold=0).timestamp())
    if local(at, zone) == start:
        return at
    at = int(start.replace(tzinfo=ZoneInfo(zone), fold=1).timestamp())
    while local(at, zone) < start:
        at += 60
    return at


def percentile(values: Sequence[float], fraction: float) -> float:
    ordered, place = sorted(values), fraction * (len(values) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


FUNCTIONS: dict[str, Callable[[Sequence[float]], float]] = {  # of values in order of time
    "sum": math.fsum,
    "mean": statistics.fmean,
    "min": min,
    "max": max,
    "count": len,
    "variance": lambda values: statistics.variance(values) if len(values) > 1 else 0.0,
    "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else 0.0,
    "range": lambda values: max(values) - min(values),
    "ss": lambda values: math.fsum(value * value for value in values),
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "multiply": math.prod,
    "median": statistics.median,
    "p0": min,
    "p95": lambda values: percentile(values, 0.95),
    "p99.9": lambda values: percentile(values, 0.999),
    "p100": max,
}


def rolled(points: Sequence[tuple[int, float]], period: Period, zone: str, names: Sequence[str]) -> dict[int, dict[str, float]]:
    """points: (instant, value) of one series in order of time, none null. By bucket."""
    buckets: dict[int, list[float]] = {}
    for instant, value in points:
        buckets.setdefault(bucket_of(period, zone, instant), []).append(value)
    return {bucket: {name: FUNCTIONS[name](values) for name in names} for bucket, values in buckets.items()}
