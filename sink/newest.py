"""The highest of many spans' versions over any span, at once for many: who is newer, the row or a mark over it? Pure.

A sparse table (blocks of 1, 2, 4, ... segments between the spans' ends): each span is at most two blocks.
"""

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]


class Newest:
    """from_, until: int64[n], no span empty; version: uint64[n]."""

    def __init__(self, from_: Int64s, until: Int64s, version: NDArray[np.uint64]) -> None:
        self._breaks = np.unique(np.concatenate((from_, until)))
        left, right = np.searchsorted(self._breaks, from_), np.searchsorted(self._breaks, until)
        size = len(self._breaks)
        levels = [np.zeros(size, np.uint64) for _ in range(max(1, size.bit_length()))]
        height = _floor_log2(right - left)
        for level, row in enumerate(levels):
            own = height == level
            np.maximum.at(row, left[own], version[own])
            np.maximum.at(row, right[own] - (1 << level), version[own])
        for level in range(len(levels) - 1, 0, -1):  # a block is two of half its size
            half = 1 << level - 1
            np.maximum(levels[level - 1], levels[level], out=levels[level - 1])
            np.maximum(levels[level - 1][half:], levels[level][:-half], out=levels[level - 1][half:])
        self._highest = [levels[0]]
        for level in range(1, len(levels)):
            below, half = self._highest[-1], 1 << level - 1
            above = below.copy()
            np.maximum(above[:-half], below[half:], out=above[:-half])
            self._highest.append(above)

    def within(self, from_: Int64s, until: Int64s) -> NDArray[np.uint64]:
        """0 where no span lies over [from_, until)."""
        left = np.maximum(np.searchsorted(self._breaks, from_, "right") - 1, 0)
        right = np.searchsorted(self._breaks, until)
        found = np.zeros(len(from_), np.uint64)
        some = np.flatnonzero(right > left)
        height = _floor_log2(right[some] - left[some])
        for level in np.unique(height):
            own = some[height == level]
            row = self._highest[level]
            found[own] = np.maximum(row[left[own]], row[right[own] - (1 << int(level))])
        return found


def _floor_log2(lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.frexp(lengths.astype(np.float64))[1].astype(np.intp) - 1
