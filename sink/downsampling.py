"""Fewer points that look the same: the extremes of equal spans, or the largest triangles (LTTB). Pure.

Before: a table of points or of a rollup. After: it is drawn. LTTB is of Sveinn Steinarsson, "Downsampling Time Series for Visual
Representation" (2013). Points are chosen, never made; each series is thinned by itself, by its table's first column.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sink.rollups import RollupTable
from sink.shaping import valid_rows
from varve.errors import Incorrect

Thinning = Literal["minmax", "lttb"]
POINTS_MIN = 2


def downsampled(table: RollupTable, max_points: int, how: Thinning) -> RollupTable:
    """At most max_points rows a series; a series that has no more is left as it is. Nulls are left out where there are more."""
    if max_points < POINTS_MIN:
        raise Incorrect("max-points", f"max_points: {max_points} points draw nothing: give {POINTS_MIN} or more")
    if len(table) <= max_points:
        return table
    table = valid_rows(table)
    shown = next(iter(table.values.values()))
    kept = np.zeros(len(table), bool)
    for one in np.unique(table.index).tolist():
        low, high = (int(at) for at in np.searchsorted(table.index, [one, one + 1]))
        if high - low <= max_points:
            kept[low:high] = True
            continue
        time, value = table.bucket[low:high], shown[low:high]
        chosen = _minmax(time, value, max_points // 2) if how == "minmax" else _lttb(time, value, max_points)
        kept[low + chosen] = True
    return table.taken(kept)


def _minmax(time: NDArray[np.int64], value: NDArray[np.float64], spans: int) -> NDArray[np.intp]:
    """The places of the smallest and the largest value (the first of equals) of each of so many equal spans of time."""
    span = np.minimum(_since(time) * (spans / (_since(time)[-1] + 1)), spans - 1).astype(np.intp)
    starts = np.flatnonzero(np.diff(span, prepend=-1))
    upward, downward = np.lexsort((value, span)), np.lexsort((-value, span))
    return np.unique(np.concatenate((upward[starts], downward[starts])))


def _lttb(time: NDArray[np.int64], value: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """The places of `count` points: the first, the last, and from each of count - 2 equal runs between them the one that makes the
    largest triangle with the point chosen before and the mean of the next run."""
    since, last = _since(time), len(time) - 1
    chosen = np.zeros(count, np.intp)
    chosen[-1] = last
    if count == POINTS_MIN:
        return chosen
    edges = np.append(np.linspace(1, last, count - 1).astype(np.intp), len(time))  # of the runs; the last one is the last point
    sizes = np.diff(edges)
    mean_time, mean_value = np.add.reduceat(since, edges[:-1]) / sizes, np.add.reduceat(value, edges[:-1]) / sizes
    for run in range(count - 2):
        before, low, high = chosen[run], edges[run], edges[run + 1]
        area = np.abs(
            (since[before] - mean_time[run + 1]) * (value[low:high] - value[before])
            - (since[before] - since[low:high]) * (mean_value[run + 1] - value[before])
        )
        chosen[run + 1] = low + int(np.argmax(area))
    return chosen


def _since(time: NDArray[np.int64]) -> NDArray[np.float64]:
    """Nanoseconds from the first: floats keep more of small numbers, and no difference overflows."""
    found: NDArray[np.float64] = (time - time[0]).view(np.uint64).astype(np.float64)
    return found
