"""Which recorded_time and known_time the rows of one record get (I4): never behind what the series already has, so that
a later plain write is not hidden by a skewed clock. Pure; streams/fold.py calls it once a segment.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from varve.instants import ABSENT

Int64s = NDArray[np.int64]


@dataclass(frozen=True)
class Times:
    """Per row, int64[n]. highest: the highest known_time of the row's series once its event is applied."""

    recorded: Int64s
    known: Int64s
    highest: Int64s


def assign_times(
    event: NDArray[np.int32], series: NDArray[np.int32], stamps: Int64s, given: Int64s, recorded_before: Int64s, known_before: Int64s
) -> Times:
    """event, series: int32[n], each row's; stamps: int64[events]; given: int64[n], the client's known_time or ABSENT.
    recorded_before, known_before: int64[series], what the state holds.

    For the events e of one series in order: recorded(e) = max(stamp(e), recorded before); known(e) = what the client gave, else
    max(recorded(e), every known_time of the series so far).
    """
    if event[0] == event[-1]:  # rows are in order of event, so this is one event: each series is a pair of its own
        inverse, pair_event, pair_series = series, np.full(len(recorded_before), event[0]), np.arange(len(recorded_before))
    else:
        events = len(stamps)
        pairs, inverse = np.unique(series.astype(np.int64) * events + event, return_inverse=True)
        pair_event, pair_series = pairs % events, pairs // events
    starts = np.diff(pair_series, prepend=-1) != 0
    recorded = running_max(np.maximum(stamps[pair_event], recorded_before[pair_series]), starts)
    plain = given == ABSENT
    highest_given = np.full(len(pair_event), ABSENT, np.int64)
    np.maximum.at(highest_given, inverse, given)
    has_plain = np.zeros(len(pair_event), bool)
    has_plain[inverse[plain]] = True
    highest = np.maximum(highest_given, np.where(has_plain, recorded, ABSENT))
    highest = running_max(np.maximum(highest, known_before[pair_series]), starts)
    return Times(recorded[inverse], np.where(plain, highest[inverse], given), highest[inverse])


def running_max(values: Int64s, starts: NDArray[np.bool_]) -> Int64s:
    """Running maximum within each group; ranks keep the sums small enough for one accumulate."""
    if (starts[1:] | (values[1:] >= values[:-1])).all():
        return values
    distinct, rank = np.unique(values, return_inverse=True)
    base = (np.cumsum(starts) - 1) * len(distinct)
    found: Int64s = distinct[np.maximum.accumulate(rank + base) - base]
    return found
