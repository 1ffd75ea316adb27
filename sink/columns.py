"""Rows of several series as numpy: their ids as indexes, their buckets packed with them into one number each. Pure.

Before: stored.py and rollups.py have Arrow tables. After: numpy sorts, searches and merges.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.aggregate import AGGREGATE, Aggregates
from streams.points import STEPS
from varve.instants import NS_PER_SECOND

BASE_NS = STEPS[0] * NS_PER_SECOND  # a slot is one base bucket
_SERIES_SHIFT = 32  # slots of the years from 1900 to 2262 need 25 bits
Int64s = NDArray[np.int64]


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """Instants as UTC nanoseconds."""
    made: NDArray[Any] = table.column(name).combine_chunks().to_numpy(zero_copy_only=False)
    return made.view(np.int64) if made.dtype.kind == "M" else made


def indexes(table: pa.Table, series: Sequence[uuid.UUID]) -> NDArray[np.int32]:
    """Of each row's series_id into series. Rows of a series mostly follow one another, so that few ids are looked up."""
    if len(series) == 1 or not table.num_rows:
        return np.zeros(table.num_rows, np.int32)
    ids = table.column("series_id").combine_chunks()
    ids = ids.storage if hasattr(ids, "storage") else ids
    halves = np.frombuffer(ids.buffers()[1], np.uint64)[2 * ids.offset :][: 2 * len(ids)].reshape(-1, 2)
    starts = np.flatnonzero(np.append(True, (halves[1:] != halves[:-1]).any(axis=1)))
    known = np.frombuffer(b"".join(one.bytes for one in series), "S16")
    order = np.argsort(known)
    found = order[np.searchsorted(known[order], np.ascontiguousarray(halves[starts]).view("S16").ravel())]
    return np.repeat(found.astype(np.int32), np.diff(starts, append=len(halves)))


def aggregates(table: pa.Table) -> Aggregates:
    """AGGREGATE[n] of the fields that the table has."""
    made = np.zeros(table.num_rows, AGGREGATE)
    for name in table.column_names:
        if name in (AGGREGATE.names or ()):
            made[name] = column(table, name)
    return made


def packed(series: NDArray[Any], slot: Int64s) -> Int64s:
    """The series above the slot, which may be counted from any origin."""
    return (series.astype(np.int64) << _SERIES_SHIFT) + slot


def series_of(key: Int64s) -> Int64s:
    """Of packed slots that are not negative, as slot_of."""
    return key >> _SERIES_SHIFT


def slot_of(key: Int64s) -> Int64s:
    return key & (1 << _SERIES_SHIFT) - 1
