"""The tail of each series: the cell of its newest valid_time, whose value the state knows while layers come in order. Pure.

Before: streams/fold.py has the layers of one segment with their versions. After: running values for the layers; the cells that
are behind the tail now, for streams/buckets.py; the layers that fell behind it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streams.fold_times import running_max
from streams.state import FLAG_TAIL_KNOWN, FLAG_TAIL_NULL
from varve.instants import ABSENT

Bools = NDArray[np.bool_]
Int64s = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Steps:
    """n layers in order of series, each series' in order of version. value: 0 where null. sets: replaces the value; adds: adds to it;
    neither: an update that leaves it alone."""

    series: NDArray[np.intp]
    valid_time: Int64s
    known: Int64s
    value: Floats
    null: Bools
    sets: Bools
    adds: Bools

    def __len__(self) -> int:
        return len(self.series)

    def taken(self, at: NDArray[np.intp]) -> "Steps":
        own = (self.value[at], self.null[at], self.sets[at], self.adds[at])
        return Steps(self.series[at], self.valid_time[at], self.known[at], *own)


@dataclass(frozen=True)
class Cells:
    """m cells in order of (series, valid_time) that the tail has left behind. counts: the value is known and not null."""

    series: NDArray[np.intp]
    valid_time: Int64s
    value: Floats
    known: Bools
    counts: Bools

    def of(self, wanted: Bools) -> "Cells":
        """Those of some series; wanted: by series."""
        at = wanted[self.series]
        return Cells(self.series[at], self.valid_time[at], self.value[at], self.known[at], self.counts[at])


@dataclass(frozen=True)
class Moved:
    """running: the cell's value after each layer, NaN where not known. late: layers that changed a value behind the tail."""

    running: Floats
    late: Bools
    closed: Cells


def move_tails(rows: NDArray[np.void], steps: Steps) -> Moved:
    """Brings the tails in rows (the touched series' state) forward by the layers."""
    starts = np.flatnonzero(np.diff(steps.series, prepend=-1))
    touched = steps.series[starts]
    had = rows["last"][touched] != ABSENT
    all_steps, own = _with_tails(rows, steps, starts[had], touched[had])
    advances, behind = _advances(all_steps)
    if behind.any():
        here = np.flatnonzero(~behind)
        kept, advances = all_steps.taken(here), advances[here]
    else:
        here, kept = np.arange(len(all_steps)), all_steps
    cell = np.cumsum(advances) - 1
    in_order = _in_order(kept, advances)
    value, known, null = _values(kept, advances, in_order, _unknown_tails(rows, kept, own[here]))
    _remember(rows, kept, cell, value, known, null)
    running = np.full(len(all_steps), np.nan)
    told = kept.adds & in_order & known & (kept.known >= rows["floor"][kept.series])
    running[here[told]] = value[told]
    ends = np.append(np.flatnonzero(np.diff(cell)), len(cell) - 1)
    left = ends[np.append(kept.series[ends[1:]] == kept.series[ends[:-1]], False)]
    closed = Cells(kept.series[left], kept.valid_time[left], value[left], known[left], known[left] & ~null[left])
    first = rows["first"][touched]
    lowest = np.minimum.reduceat(steps.valid_time, starts)
    rows["first"][touched] = np.where(first == ABSENT, lowest, np.minimum(first, lowest))
    return Moved(running[own], (behind & (all_steps.sets | all_steps.adds))[own], closed)


def _with_tails(rows: NDArray[np.void], steps: Steps, at: NDArray[np.intp], series: NDArray[np.intp]) -> tuple[Steps, Bools]:
    """The steps with each series' present tail before its own, as a set; and which are the layers' own."""
    if not len(at):
        return steps, np.ones(len(steps), bool)
    tails = rows[series]
    null = tails["flags"] & FLAG_TAIL_NULL != 0
    yes, no = np.ones(len(at), bool), np.zeros(len(at), bool)
    place = np.insert(np.arange(len(steps)), at, len(steps) + np.arange(len(at)))
    pairs = (
        (steps.series, series), (steps.valid_time, tails["last"]), (steps.known, tails["tail_known"]),
        (steps.value, tails["tail_value"]), (steps.null, null), (steps.sets, yes), (steps.adds, no),
    )  # fmt: skip
    return Steps(*(np.concatenate(pair)[place] for pair in pairs)), place < len(steps)


def _advances(steps: Steps) -> tuple[Bools, Bools]:
    """Which steps open a new newest cell, and which fall behind the newest one."""
    starts = np.diff(steps.series, prepend=-1) != 0
    rising, falling = starts.copy(), np.zeros(len(steps), bool)
    rising[1:] |= steps.valid_time[1:] > steps.valid_time[:-1]
    falling[1:] = ~starts[1:] & (steps.valid_time[1:] < steps.valid_time[:-1])
    if not falling.any():
        return rising, falling
    newest = running_max(steps.valid_time, starts)
    before = np.append(steps.valid_time[:1], newest[:-1])
    return starts | (steps.valid_time > before), ~starts & (steps.valid_time < before)


def _in_order(steps: Steps, advances: Bools) -> Bools:
    """Whether each step sorts after all before it in its cell; versions rise, so known_time decides (I7)."""
    falls = ~advances[1:] & (steps.known[1:] < steps.known[:-1])
    if not falls.any():
        return np.ones(len(steps), bool)
    highest = running_max(steps.known, advances)
    return advances | (steps.known >= np.append(steps.known[:1], highest[:-1]))


def _unknown_tails(rows: NDArray[np.void], steps: Steps, own: Bools) -> Bools:
    """The present tails whose value is not known."""
    unknown: Bools = rows["flags"][steps.series] & FLAG_TAIL_KNOWN == 0
    return ~own & unknown


def _values(steps: Steps, advances: Bools, in_order: Bools, unknown: Bools) -> tuple[Floats, Bools, Bools]:
    """The cell's value after each step, whether it is known, and whether it is null. An anchor starts a value anew."""
    anchor = advances | steps.sets | ~in_order
    of_anchor = np.maximum.accumulate(np.where(anchor, np.arange(len(steps)), 0))
    known = (in_order & ~unknown)[of_anchor]
    base_null = (steps.sets & steps.null) | ~(steps.sets | steps.adds)
    adding = steps.adds & in_order
    if not adding.any():
        base: Floats = np.where(steps.sets, steps.value, 0.0)
        return base[of_anchor], known, base_null[of_anchor]
    amounts = np.where(anchor, np.where(steps.sets | steps.adds, steps.value, 0.0), np.where(adding, steps.value, 0.0))
    so_far = np.cumsum(adding)
    added: Int64s = so_far - (so_far - adding)[of_anchor]
    null: Bools = base_null[of_anchor] & (added == 0)
    return _running_sums(amounts, np.flatnonzero(anchor)), known, null


def _running_sums(amounts: Floats, starts: NDArray[np.intp]) -> Floats:
    """Within each group, one added after another: group by group, or where groups are many and short, place by place in all of them."""
    sums, sizes = amounts.copy(), np.diff(starts, append=len(amounts))
    longest = int(sizes.max())
    if longest < len(starts):
        for place in range(1, longest):
            at = starts[sizes > place] + place
            sums[at] += sums[at - 1]
    else:
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
            np.cumsum(amounts[start : start + size], out=sums[start : start + size])
    return sums


def _remember(rows: NDArray[np.void], steps: Steps, cell: NDArray[np.intp], value: Floats, known: Bools, null: Bools) -> None:
    ends = np.append(np.flatnonzero(np.diff(steps.series)), len(steps) - 1)
    series = steps.series[ends]
    starts = np.searchsorted(cell, cell[ends])
    highest = np.maximum.reduceat(steps.known, np.stack([starts, ends + 1], 1).ravel()[:-1])[::2]
    rows["last"][series], rows["tail_value"][series], rows["tail_known"][series] = steps.valid_time[ends], value[ends], highest
    flags = rows["flags"][series] & ~np.uint32(FLAG_TAIL_KNOWN | FLAG_TAIL_NULL)
    flags |= np.where(known[ends], np.uint32(FLAG_TAIL_KNOWN), np.uint32(0))
    rows["flags"][series] = flags | np.where(null[ends], np.uint32(FLAG_TAIL_NULL), np.uint32(0))
