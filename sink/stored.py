"""Stored rollups: the rows that a read may use at its watermark, and the gaps that it must compute live (I8, I9).

Before: sink/rollups.py has a grid. After: it reads the gaps from points and merges. A row may be used if no row of its bucket
covers more, it covers no more than the read sees, no mark over it is newer, and no edge of the grid cuts it. Days go first,
base buckets fill what they leave open. Inside, times are slots: base buckets counted from EARLIEST, packed with the series.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sink.columns import BASE_NS, Int64s, aggregates, column, indexes, packed, series_of, slot_of
from sink.newest import Newest
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.stored import Reach, marks, rollup_rows
from sink.store import Store
from streams.aggregate import AGGREGATE, Aggregates
from streams.points import STEPS
from varve.instants import EARLIEST, LATEST, NS_PER_SECOND
from varve.position import ROW_BITS
from varve.series import partitions_of

MARKS_MAX = 50_000  # more in view: a series' marks are taken as one
SPANS_MAX = 16  # of one query; what lies between two near ones is read too
EVERY_NAME = tuple(AGGREGATE.names or ())
_EARLIEST_SLOT = EARLIEST // BASE_NS
_WIDE = 4  # a series with more than 1/_WIDE of its span open is asked for as a whole
_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Gaps:
    """Spans [from_, until) (UTC ns) that no row tells about; series: index. In order of (series, from_), apart from one another."""

    series: NDArray[np.int32]
    from_: Int64s
    until: Int64s

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class Stored:
    """n rows with values, in order of (series, bucket); series: index into the selection's. What neither a row's points nor a gap
    holds is empty."""

    series: NDArray[np.int32]
    bucket: Int64s
    aggregate: Aggregates
    gaps: Gaps


@dataclass(frozen=True)
class _Rows:
    """Of one level. series, slot, until_slot: see above; the aggregate stays a table until rows are chosen."""

    series: NDArray[np.int32]
    slot: Int64s
    until: Int64s
    covers: NDArray[np.uint64]
    table: pa.Table

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "_Rows":
        if chosen.dtype == bool:
            if chosen.all():
                return self
            chosen = np.flatnonzero(chosen)
        columns = (self.series[chosen], self.slot[chosen], self.until[chosen], self.covers[chosen])
        return _Rows(*columns, self.table.take(pa.array(chosen)))


@dataclass(frozen=True)
class _View:
    """What a read asks. limits: of versions, by series. slots: all that the span touches; whole: all that lie within it."""

    selection: Selection
    series: tuple[uuid.UUID, ...]
    span: tuple[int, int]
    edges: Int64s
    limits: NDArray[np.uint64]
    names: tuple[str, ...]

    @property
    def slots(self) -> tuple[int, int]:
        return self.span[0] // BASE_NS - _EARLIEST_SLOT, -(-self.span[1] // BASE_NS) - _EARLIEST_SLOT

    @property
    def whole(self) -> tuple[int, int]:
        return -(-self.span[0] // BASE_NS) - _EARLIEST_SLOT, self.span[1] // BASE_NS - _EARLIEST_SLOT


def stored(store: Store, selection: Selection, edges: Int64s, names: Collection[str] = EVERY_NAME, steps: Sequence[int] = STEPS) -> Stored:
    """selection: series, from_ and until are given, and no other bounds but the watermark. edges: int64[n + 1], rising, over all of
    the span. names: fields of the aggregate that are wanted; the others are 0, but for the count. steps: levels to look at. Blocking."""
    assert selection.series is not None
    assert selection.from_ is not None
    assert selection.until is not None
    series, span = selection.series, (selection.from_, selection.until)
    view = _View(selection, series, span, edges, _limits(series, selection.watermark), ("count", *(set(names) - {"count"})))
    told = _NOTHING, _NOTHING
    found: list[_Rows] = []
    levels = [step for step in reversed(steps) if _fits(view, step)]
    newest = _marks(store, view) if levels else None
    for step in levels:
        gaps = _open(view, *told)
        reaches = _reaches(view, gaps, step)
        if reaches:
            rows = _usable(_read(store, view, step, reaches), view, step, newest)
            rows = rows.at(~_within(rows, *told))
            told = _joined(told, rows, view)
            found.append(rows)
    return _stored(view, found, _open(view, *told))


def _limits(series: Sequence[uuid.UUID], watermark: tuple[int, ...]) -> NDArray[np.uint64]:
    return np.array(watermark, np.uint64)[partitions_of(series, len(watermark))] << np.uint64(ROW_BITS)


def _fits(view: _View, step: int) -> bool:
    """Does any bucket of this level lie between two edges, and in the span?"""
    ends = np.clip(view.edges, *view.span)
    length = step * NS_PER_SECOND
    return bool((-(-ends[:-1] // length) + 1 <= ends[1:] // length).any())


def _read(store: Store, view: _View, step: int, reaches: Sequence[Reach]) -> _Rows:
    """The row of highest covers of each bucket, in order of (series, bucket)."""
    wanted = view.names if len(view.series) == 1 else ("series_id", *view.names)
    table = store.arrow(rollup_rows(view.selection.tenant, step, reaches, wanted)).combine_chunks()
    series = indexes(table, view.series)
    slot, until = (_slots(table, name) for name in ("bucket", "until"))
    rows = _Rows(series, slot, until, column(table, "covers"), table)
    key = packed(series, slot)
    rises = np.diff(key)
    if (rises > 0).all():
        return rows
    order = np.lexsort((rows.covers, key))
    key = key[order]
    return rows.at(order[np.append(key[1:] != key[:-1], True)])


def _usable(rows: _Rows, view: _View, step: int, newest: "Newest | None") -> _Rows:
    width = step // STEPS[0]
    low, high = view.whole
    good = (rows.until >= rows.slot + width) & (rows.covers <= view.limits[rows.series])
    good &= (rows.slot >= low) & (rows.slot + width <= high)
    bucket, length = (rows.slot + _EARLIEST_SLOT) * BASE_NS, step * NS_PER_SECOND
    if np.mod(view.edges, length).any():
        good &= np.searchsorted(view.edges, bucket, "right") == np.searchsorted(view.edges, bucket + length, "left")
    if newest is not None:
        until = np.minimum(rows.until, view.slots[1])  # what lies beyond is not asked
        good &= newest.within(packed(rows.series, rows.slot), packed(rows.series, until)) <= rows.covers
    return rows.at(good)


def _within(rows: _Rows, starts: Int64s, ends: Int64s) -> NDArray[np.bool_]:
    """Whether each row begins in a told span."""
    if not len(starts):
        return np.zeros(len(rows.slot), bool)
    key = packed(rows.series, rows.slot)
    at = np.searchsorted(starts, key, "right") - 1
    return (at >= 0) & (ends[np.maximum(at, 0)] > key)


def _joined(told: tuple[Int64s, Int64s], rows: _Rows, view: _View) -> tuple[Int64s, Int64s]:
    """Told spans, packed, in order of start; each end is the highest so far."""
    until = np.minimum(rows.until, view.slots[1])
    starts = np.concatenate((told[0], packed(rows.series, rows.slot)))
    ends = np.concatenate((told[1], packed(rows.series, until)))
    order = np.argsort(starts, kind="stable")
    return starts[order], np.maximum.accumulate(ends[order])


def _open(view: _View, starts: Int64s, ends: Int64s) -> tuple[Int64s, Int64s]:
    """What is not told, packed: from, until."""
    every = np.arange(len(view.series), dtype=np.int64)
    low, high = (packed(every, np.full(len(every), slot)) for slot in view.slots)
    from_ = np.concatenate((low, ends))
    until = np.concatenate((starts, high))
    order = np.argsort(np.concatenate((low, starts)), kind="stable")
    reached = np.maximum.accumulate(from_[order])
    next_ = np.sort(until)  # the start that follows each, or the end of its series
    gap = next_ > reached
    return reached[gap], next_[gap]


def _reaches(view: _View, gaps: tuple[Int64s, Int64s], step: int) -> list[Reach]:
    """Where to look for rows: series that are mostly open as a whole, the others around their gaps."""
    width = step // STEPS[0]
    low, high = view.whole
    series, from_, until = series_of(gaps[0]), np.maximum(slot_of(gaps[0]), low), np.minimum(slot_of(gaps[1]), high)
    whole = (-(-from_ // width) + 1) * width <= until  # holds a bucket of the level
    series, from_, until = series[whole], from_[whole], until[whole]
    if not len(series):
        return []
    open_ = np.bincount(series, until - from_, len(view.series))
    wide = open_ * _WIDE > view.slots[1] - view.slots[0]
    found = []
    for chosen in (wide, ~wide & (open_ > 0)):
        own = chosen[series]
        if own.any():
            spans = _hulls(from_[own], until[own])
            found.append(Reach([view.series[at] for at in np.flatnonzero(chosen)], [(_instant(a), _instant(b)) for a, b in spans]))
    return found


def _hulls(from_: Int64s, until: Int64s) -> list[tuple[int, int]]:
    """At most SPANS_MAX spans that hold all of these; the widest distances stay between them."""
    order = np.argsort(from_, kind="stable")
    from_, reached = from_[order], np.maximum.accumulate(until[order])
    apart = from_[1:] - reached[:-1]
    cuts = np.flatnonzero(apart > 0)
    if len(cuts) >= SPANS_MAX:
        cuts = np.sort(cuts[np.argsort(apart[cuts])[-(SPANS_MAX - 1) :]])
    starts, ends = np.append(0, cuts + 1), np.append(cuts, len(from_) - 1)
    return list(zip(from_[starts].tolist(), reached[ends].tolist(), strict=True))


def _stored(view: _View, found: Sequence[_Rows], gaps: tuple[Int64s, Int64s]) -> Stored:
    from_, until, last = slot_of(gaps[0]), slot_of(gaps[1]), view.slots[1]
    starts = np.maximum((from_ + _EARLIEST_SLOT) * BASE_NS, view.span[0])
    ends = np.where(until >= last, view.span[1], (np.minimum(until, last - 1) + _EARLIEST_SLOT) * BASE_NS)
    spans = Gaps(series_of(gaps[0]).astype(np.int32), starts, ends)
    full = [rows.at(column(rows.table, "count") > 0) for rows in found]
    series, slot = (np.concatenate([_NOTHING, *(getattr(rows, name) for rows in full)]) for name in ("series", "slot"))
    aggregate = aggregates(pa.concat_tables([rows.table for rows in full])) if full else np.zeros(0, AGGREGATE)
    if len(full) > 1 and len(full[-1].slot):
        order = np.argsort(packed(series, slot), kind="stable")
        series, slot, aggregate = series[order], slot[order], aggregate[order]
    return Stored(series.astype(np.int32), (slot + _EARLIEST_SLOT) * BASE_NS, aggregate, spans)


def _marks(store: Store, view: _View) -> Newest | None:
    selection = view.selection

    def asked(limit: int | None) -> Query:
        return marks(selection.tenant, view.series, selection.watermark, view.span, limit=limit)

    table = store.arrow(asked(MARKS_MAX + 1))
    if table.num_rows > MARKS_MAX:
        table = store.arrow(asked(None))
    if not table.num_rows:
        return None
    series = indexes(table, view.series)
    from_ = np.maximum(_slots(table, "from"), 0)
    until = -(-column(table, "until") // BASE_NS) - _EARLIEST_SLOT
    wide = until > from_
    return Newest(packed(series, from_)[wide], packed(series, until)[wide], column(table, "version")[wide])


def _slots(table: pa.Table, name: str) -> Int64s:
    return column(table, name) // BASE_NS - _EARLIEST_SLOT


def _instant(slot: int) -> int:
    return min((slot + _EARLIEST_SLOT) * BASE_NS, LATEST)
