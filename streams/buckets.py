"""The open rollup buckets of each series: what leaves the tail enters them; what closes becomes a row; what may be wrong becomes a
stale range (I8). Pure.

Before: streams/tail.py has moved the tails. After: streams/fold_tables.py makes tables of it. A bucket whose aggregate the state
does not know gets a mark instead of a row, and refresh works it out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.aggregate import AGGREGATE, aggregated, merged
from streams.points import ROLLUP_COUNT_MIN, STEPS
from streams.state import LEVELS
from streams.tail import Cells
from varve.instants import ABSENT, LATEST, NS_PER_SECOND

Int64s = NDArray[np.int64]
Indexes = NDArray[np.intp]
STEPS_NS = tuple(step * NS_PER_SECOND for step in STEPS)
_APART_NS = STEPS_NS[1]  # marks closer than this become one


@dataclass(frozen=True)
class Closed:
    """Rows of one level: series' indexes, starts, ends of what they tell about, and aggregates."""

    step_seconds: int
    series: Indexes
    bucket: Int64s
    until: Int64s
    aggregate: NDArray[np.void]


@dataclass(frozen=True)
class Marks:
    """Stale ranges, by index of series."""

    series: Indexes
    from_: Int64s
    until: Int64s


def move_buckets(
    rows: NDArray[np.void], touched: Indexes, cells: Cells, late_series: Indexes, late_time: Int64s
) -> tuple[list[Closed], Marks]:
    """Brings the open buckets of the touched series (rising) forward to their tails. late: layers behind the tail, in order of series."""
    late = np.zeros(len(rows), bool)
    late[late_series] = True
    found, stale = [], [(late_series, _floor(late_time, STEPS_NS[0]))]
    for level, seconds, step in zip(LEVELS, STEPS, STEPS_NS, strict=True):
        newest = _floor(rows["last"][touched], step)
        opened = np.zeros(len(rows), np.int64)
        opened[touched] = newest
        series, bucket, whole, inexact = _buckets(rows[level], touched, cells, step, opened)
        is_open = bucket == opened[series]
        until = np.append(bucket[1:], 0)
        lasts = np.append(series[1:] != series[:-1], True) if len(series) else np.zeros(0, bool)
        until[lasts] = opened[series[lasts]]
        unsure = inexact | late[series]
        row = ~is_open & ~unsure & (whole["count"] >= ROLLUP_COUNT_MIN)
        found.append(Closed(seconds, series[row], bucket[row], until[row], whole[row]))
        stale.append((series[~is_open & unsure], bucket[~is_open & unsure]))
        _reopen(rows, level, touched, newest)
        rows[level]["aggregate"][series[is_open]] = whole[is_open]
        rows[level]["inexact"][series[is_open]] = inexact[is_open]
        within = late_series[late_time >= opened[late_series]]
        rows[level]["inexact"][within] = 1
    return found, _marks(rows, *(np.concatenate(parts) for parts in zip(*stale, strict=True)))


def clear_buckets(rows: NDArray[np.void], at: int, from_: int, until: int) -> Marks:
    """What series `at` had in [from_, until) is gone: open buckets that this touches are inexact, closed ones stale."""
    row = rows[at : at + 1]
    if row["last"][0] == ABSENT:
        return _no_marks()
    for level in LEVELS:
        if until > row[level]["start"][0] and from_ <= row["last"][0]:
            row[level]["inexact"] = 1
    start = max(_floor_one(from_), _floor_one(int(row["first"][0])))
    end = min(LATEST if until > LATEST - STEPS_NS[0] else -_floor_one(-until), int(row["base"]["start"][0]))
    if start >= end:
        return _no_marks()
    return Marks(np.array([at]), np.array([start]), np.array([end]))


def _no_marks() -> Marks:
    return Marks(np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros(0, np.int64))


def _buckets(
    open_: NDArray[np.void], touched: Indexes, cells: Cells, step: int, opened: Int64s
) -> tuple[Indexes, Int64s, NDArray[np.void], NDArray[np.bool_]]:
    """Every bucket that was open or got cells, in order: series, start, aggregate, inexact. opened: the bucket that is open now, by
    series. Closed buckets too small for a row keep an empty aggregate."""
    cell_bucket = _floor(cells.valid_time, step)
    new = np.append(True, (cells.series[1:] != cells.series[:-1]) | (cell_bucket[1:] != cell_bucket[:-1]))[: len(cell_bucket)]
    starts = np.flatnonzero(new)
    group, size = np.cumsum(new) - 1, np.diff(np.append(starts, len(new)))
    series, bucket = cells.series[starts], cell_bucket[starts]
    was_open = bucket == open_["start"][series]
    wanted = (size >= ROLLUP_COUNT_MIN) | was_open | (bucket == opened[series])
    counted = np.flatnonzero(cells.counts & wanted[group])
    made = aggregated(group[counted], len(starts), cells.valid_time[counted], cells.value[counted])
    inexact = np.zeros(len(starts), bool)
    inexact[group[~cells.known]] = True
    going_on = np.flatnonzero(was_open)
    if len(going_on):
        before = open_[series[going_on]]
        pairs = np.stack([before["aggregate"], made[going_on]], 1).ravel()
        made[going_on] = merged(np.repeat(np.arange(len(going_on)), 2), len(going_on), pairs)
        inexact[going_on] |= before["inexact"] != 0
    over = touched[open_["start"][touched] != ABSENT]
    over = np.setdiff1d(over, series[going_on], assume_unique=True)
    if not len(over):
        return series, bucket, made, inexact
    at = np.searchsorted(series, over)  # before each series' own
    before = open_[over]
    whole = np.insert(made, at, before["aggregate"]) if len(made) else before["aggregate"]
    return np.insert(series, at, over), np.insert(bucket, at, before["start"]), whole, np.insert(inexact, at, before["inexact"] != 0)


def _reopen(rows: NDArray[np.void], level: str, touched: Indexes, newest: Int64s) -> None:
    rows[level]["start"][touched] = newest
    rows[level]["inexact"][touched] = 0
    rows[level]["aggregate"][touched] = np.zeros((), AGGREGATE)


def _marks(rows: NDArray[np.void], series: Indexes, bucket: Int64s) -> Marks:
    """Base buckets before the open one, as ranges; a day that is not known is told by its first bucket, which is enough for refresh."""
    before = bucket < rows["base"]["start"][series]
    series, bucket = series[before], bucket[before]
    if not len(series):
        return _no_marks()
    order = np.lexsort((bucket, series))
    series, bucket = series[order], bucket[order]
    breaks = (series[1:] != series[:-1]) | (bucket[1:] - bucket[:-1] > _APART_NS)
    starts = np.flatnonzero(np.append(True, breaks))
    ends = np.append(starts[1:], len(series)) - 1
    return Marks(series[starts], bucket[starts], bucket[ends] + STEPS_NS[0])


def _floor(instants: Int64s, step: int) -> Int64s:
    return instants - np.mod(instants, step)


def _floor_one(instant: int) -> int:
    return instant - instant % STEPS_NS[0]
