"""Wall-clock times of an IANA zone as instants, a column at a time. Pure.

Before: timestamps.py has read them. Where the clocks go back, an hour comes twice: which of the two a row means is told by the order of the
rows (the wall clock jumps back once between them, or at least stands still once); where that does not tell, the first is taken. Where
they go forward, an hour is missing: no instant has such a time, and it is refused rather than moved to another.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

NS = 10**9
_DAY = 86_400
_YEARS = (1678, 2261)  # those that int64 nanoseconds hold whole
Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]


class _Changes(NamedTuple):
    """Of a zone: at (UTC ns) the offset goes from before to after (ns)."""

    at: Int64s
    before: Int64s
    after: Int64s


def to_utc(walls: Int64s, zone: ZoneInfo, previous: int | None = None) -> tuple[Int64s, Bools]:
    """UTC ns, and which rows name a time that the clocks skip. previous: the wall-clock time (ns) of the row before these."""
    if not len(walls):
        return walls, np.zeros(0, bool)
    changes = _changes_around(walls, zone)
    first = changes.before[:1] if len(changes.at) else np.array([_offset(zone, int(walls[0]) // NS) * NS])
    offsets = np.concatenate((first, changes.after))
    past = np.searchsorted(changes.at + np.maximum(changes.before, changes.after), walls, "right")
    skipped = np.zeros(len(walls), bool)
    second = np.zeros(len(walls), bool)
    for at, before, after in zip(*changes, strict=True):
        if after > before:
            skipped |= (walls >= at + before) & (walls < at + after)
        else:
            second |= _second(walls, int(at + after), int(at + before), previous)
    return walls - offsets[past + second], skipped


def unfinished(walls: Int64s, zone: ZoneInfo) -> int:
    """How many rows at the end stand in an hour that comes twice, which the rows after them may go on with."""
    if not len(walls):
        return 0
    for at, before, after in zip(*_changes_around(walls[-1:], zone), strict=True):
        if after < before and at + after <= walls[-1] < at + before:
            outside = np.flatnonzero((walls < at + after) | (walls >= at + before))
            return len(walls) - int(outside[-1]) - 1 if len(outside) else len(walls)
    return 0


def _second(walls: Int64s, start: int, end: int, previous: int | None) -> Bools:
    """Which rows mean the second time round of [start, end), which comes twice."""
    inside = (walls >= start) & (walls < end)
    second = np.zeros(len(walls), bool)
    if not inside.any():
        return second
    edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))
    for begin, stop in edges.reshape(-1, 2).tolist():
        came_from = int(walls[begin - 1]) if begin else previous
        goes_to = int(walls[stop]) if stop < len(walls) else None
        falling = came_from >= end if came_from is not None else goes_to is not None and goes_to < start
        stretch = walls[begin:stop]
        told = _second_pass(stretch[::-1])[::-1] if falling else _second_pass(stretch)
        second[begin:stop] = told
    return second


def _second_pass(walls: Int64s) -> Bools:
    """Rows of one such hour in the order of time: those after the clock's one step back."""
    steps = np.diff(walls)
    back = np.flatnonzero(steps < 0)
    breaks = back if len(back) else np.flatnonzero(steps == 0)
    return np.arange(len(walls)) > breaks[0] if len(breaks) == 1 else np.zeros(len(walls), bool)


def _changes_around(walls: Int64s, zone: ZoneInfo) -> _Changes:
    low, high = (_year_of(int(bound)) for bound in (walls.min(), walls.max()))
    rows = [row for year in range(max(low - 1, _YEARS[0]), min(high + 1, _YEARS[1]) + 1) for row in _changes_of(zone, year)]
    table = np.array(rows, np.int64).reshape(-1, 3) * NS
    return _Changes(table[:, 0], table[:, 1], table[:, 2])


@lru_cache(maxsize=1024)
def _changes_of(zone: ZoneInfo, year: int) -> tuple[tuple[int, int, int], ...]:
    """In a year of UTC: (second, offset before, offset after)."""
    start, end = (int(datetime(one, 1, 1, tzinfo=UTC).timestamp()) for one in (year, year + 1))
    found = []
    for day in range(start, end, _DAY):
        low, high = day, min(day + _DAY, end)
        if (before := _offset(zone, low)) != (after := _offset(zone, high)):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            found.append((high, before, after))
    return tuple(found)


def _offset(zone: ZoneInfo, second: int) -> int:
    shift = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    assert shift is not None
    return shift.days * _DAY + shift.seconds


def _year_of(wall: int) -> int:
    return datetime.fromtimestamp(wall // NS, UTC).year
