"""Aggregates of values over spans of time, and their merging, vectorized: what rollup rows hold (I8). Pure.

The fold aggregates what it appends, refresh and reads merge what is stored with what they read live. Means and deviations merge
by Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
"""

import numpy as np
from numpy.typing import NDArray

AGGREGATE = np.dtype(
    [
        ("count", "<u8"),
        ("sum", "<f8"),
        ("mean", "<f8"),
        ("m2", "<f8"),  # sum of squared deviations from mean
        ("min", "<f8"),
        ("max", "<f8"),
        ("first", "<f8"),
        ("first_time", "<i8"),  # UTC ns, as last_time; 0 where count is 0
        ("last", "<f8"),
        ("last_time", "<i8"),
    ]
)
Aggregates = NDArray[np.void]


def singles(valid_time: NDArray[np.int64], value: NDArray[np.float64]) -> Aggregates:
    """AGGREGATE[n]: each value alone."""
    made = np.zeros(len(value), AGGREGATE)
    made["count"] = 1
    for name in ("sum", "mean", "min", "max", "first", "last"):
        made[name] = value
    made["first_time"] = made["last_time"] = valid_time
    return made


def aggregated(group: NDArray[np.intp], groups: int, valid_time: NDArray[np.int64], value: NDArray[np.float64]) -> Aggregates:
    """AGGREGATE[groups] of n values, none of them null. group: rising; within a group valid_time rises."""
    made = np.zeros(groups, AGGREGATE)
    if not len(group):
        return made
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(group)) - 1
    there = group[starts]
    count = ends - starts + 1
    total = np.add.reduceat(value, starts)
    mean = total / count
    made["count"][there], made["sum"][there], made["mean"][there] = count, total, mean
    made["m2"][there] = np.add.reduceat((value - np.repeat(mean, count)) ** 2, starts)
    made["min"][there], made["max"][there] = np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)
    made["first"][there], made["first_time"][there] = value[starts], valid_time[starts]
    made["last"][there], made["last_time"][there] = value[ends], valid_time[ends]
    return made


def merged(group: NDArray[np.intp], groups: int, parts: Aggregates) -> Aggregates:
    """AGGREGATE[groups] of n parts. group: rising; within a group the parts follow one another in time. Empty parts add nothing."""
    made = np.zeros(groups, AGGREGATE)
    full = parts["count"] > 0
    if not full.all():
        group, parts = group[full], parts[full]
    if not len(group):
        return made
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(group)) - 1
    there, sizes = group[starts], ends - starts + 1
    count = np.add.reduceat(parts["count"], starts)
    mean = np.add.reduceat(parts["count"] * parts["mean"], starts) / count
    apart = parts["mean"] - np.repeat(mean, sizes)
    made["count"][there], made["mean"][there] = count, mean
    made["sum"][there] = np.add.reduceat(parts["sum"], starts)
    made["m2"][there] = np.add.reduceat(parts["m2"] + parts["count"] * apart * apart, starts)
    made["min"][there], made["max"][there] = np.minimum.reduceat(parts["min"], starts), np.maximum.reduceat(parts["max"], starts)
    for name in ("first", "first_time"):
        made[name][there] = parts[name][starts]
    for name in ("last", "last_time"):
        made[name][there] = parts[name][ends]
    return made
