"""What happens to a rollup before it is shown: empty buckets filled, points interpolated, series folded into one. Pure.

Before: rollups.py made the table. After: a route or door writes it. Each takes a table and gives one; rows that are
not valid count as absent. downsampling.py thins one.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sink.functions import Function, of_aggregates
from sink.periods import Grid
from sink.rollups import RollupTable
from streams.aggregate import aggregated

How = Literal["null", "zero", "previous", "linear"]
Between = Literal["zoh", "linear"]
Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Indexes = NDArray[np.intp]


def filled(table: RollupTable, grid: Grid, how: How) -> RollupTable:
    """One row a series and bucket of the grid. previous and linear leave null what has no bucket before it, or not one on each side."""
    table, series, buckets = valid_rows(table), len(table.series), len(grid)
    at = table.index.astype(np.int64) * buckets + np.searchsorted(grid.starts, table.bucket)
    there = np.zeros(series * buckets, bool)
    there[at] = True
    index, bucket = np.repeat(np.arange(series, dtype=np.int32), buckets), np.tile(grid.starts, series)
    if how in ("null", "zero"):
        values = {name: np.zeros(len(bucket)) for name in table.values}
        for name, one in table.values.items():
            values[name][at] = one
        return RollupTable(table.series, index, bucket, values, there if how == "null" and not there.all() else None)
    return _between(table, index, bucket, how == "linear")


def interpolated(table: RollupTable, grid: Grid, how: Between) -> RollupTable:
    """The value at every start of the grid that lies within a series' first and last point: nothing is extrapolated. zoh holds the
    point before; linear draws a line between the points around."""
    table = valid_rows(table)
    first, last = _ends(table)
    starts = grid.starts
    low, high = np.searchsorted(starts, table.bucket[first], "left"), np.searchsorted(starts, table.bucket[last], "right")
    sizes = np.maximum(high - low, 0)
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    index, bucket = np.repeat(table.index[first], sizes), starts[np.repeat(low, sizes) + within]
    return _between(table, index, bucket, how == "linear")


def across(table: RollupTable, fold: Function) -> RollupTable:
    """One series (index 0; the table's series stay named) of the fold over all series that have a value at the same instant. first
    and last go by the order of the series."""
    table = valid_rows(table)
    order = np.lexsort((table.index, table.bucket))
    bucket, group = np.unique(table.bucket, return_inverse=True)
    values = {name: _folded(fold, group[order], len(bucket), one[order]) for name, one in table.values.items()}
    return RollupTable(table.series, np.zeros(len(bucket), np.int32), bucket, values)


def valid_rows(table: RollupTable) -> RollupTable:
    if table.valid is None:
        return table
    kept = table.taken(table.valid)
    return RollupTable(kept.series, kept.index, kept.bucket, kept.values)


def _folded(fold: Function, group: Indexes, groups: int, value: Floats) -> Floats:
    """group: rising."""
    if fold.stored:
        return of_aggregates(fold, aggregated(group, groups, np.arange(len(value), dtype=np.int64), value))
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    if not len(starts):
        return np.zeros(0)
    if fold.fraction is None:
        return np.multiply.reduceat(value, starts)
    ordered = value[np.lexsort((value, group))]
    place = fold.fraction * (np.diff(starts, append=len(group)) - 1)
    low = np.floor(place).astype(np.intp)
    lower, upper = ordered[starts + low], ordered[starts + np.ceil(place).astype(np.intp)]
    return np.array(lower + (upper - lower) * (place - low), np.float64)


def _ends(table: RollupTable) -> tuple[Indexes, Indexes]:
    """The first and the last row of each series that has any."""
    first = np.flatnonzero(np.diff(table.index, prepend=-1))
    return first, np.append(first[1:], len(table)) - 1 if len(first) else first


def _neighbours(table: RollupTable, index: NDArray[np.int32], bucket: Int64s) -> tuple[Indexes, Indexes]:
    """For each of the places, sorted by (index, bucket): the row at it or last before it, and the row at it or first after it; -1: none."""
    before, after = np.full(len(index), -1), np.full(len(index), -1)
    for one in np.unique(index).tolist():
        low, high = np.searchsorted(table.index, [one, one + 1])
        where = slice(*np.searchsorted(index, [one, one + 1]))
        last = low + np.searchsorted(table.bucket[low:high], bucket[where], "right") - 1
        next_ = low + np.searchsorted(table.bucket[low:high], bucket[where], "left")
        before[where], after[where] = np.where(last >= low, last, -1), np.where(next_ < high, next_, -1)
    return before, after


def _between(table: RollupTable, index: NDArray[np.int32], bucket: Int64s, linear: bool) -> RollupTable:
    """The values at some places, sorted by (index, bucket), out of the rows around them; null where one that it takes is missing."""
    before, after = _neighbours(table, index, bucket)
    valid = (before >= 0) & (after >= 0) if linear else before >= 0
    values: dict[str, Floats] = {name: np.zeros(len(bucket)) for name in table.values}
    at, low, high = np.flatnonzero(valid), before[valid], after[valid]
    part = _apart(table.bucket[low], bucket[at]) / np.maximum(_apart(table.bucket[low], table.bucket[high]), 1) if linear else 0.0
    for name, one in table.values.items():
        values[name][at] = one[low] + (one[high] - one[low]) * part if linear else one[low]
    return RollupTable(table.series, index, bucket, values, None if valid.all() else valid)


def _apart(earlier: Int64s, later: Int64s) -> Floats:
    """Nanoseconds; unsigned, since two instants may lie further apart than an int64 holds."""
    return (later - earlier).view(np.uint64).astype(np.float64)
