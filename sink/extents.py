"""How far series reach: how many points each has, the first and the last, out of stored rows of days where they are right and out of the
flat read elsewhere (I8), at the selection's one watermark vector (I9). Nulls are no points (I10).

Before: HydroServer's door, for a page of datastreams or of one's observations. After: the store. Blocking, like it.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sink.columns import Int64s, column, indexes
from sink.observations import layers_of
from sink.queries.extents import Near, Reach, around, in_gaps, near
from sink.queries.flat import flat_of
from sink.queries.layers import Source, source
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.reads import view_of
from sink.store import Store
from sink.stored import Gaps, Stored, stored
from streams.points import STEPS
from varve.instants import EARLIEST, LATEST

SERIES_MAX = 500  # bound into one query, with their gaps: an address line has its length
GAPS_MIN, GAPS_MAX = 8, 4_000  # of those; a series of more than its share is asked for as a whole
GROUPS = 16  # of series whose gaps lie near one another
_FIELDS = ("first_time", "last_time")


@dataclass(frozen=True)
class Extent:
    """begin, end: UTC ns of the first and the last point, which are there where count is not 0."""

    count: int = 0
    begin: int | None = None
    end: int | None = None


@dataclass
class _Reach:
    """Of n series, as far as it is known by now."""

    count: NDArray[np.int64]
    first: Int64s
    last: Int64s

    @classmethod
    def none(cls, n: int) -> "_Reach":
        return cls(np.zeros(n, np.int64), np.full(n, LATEST, np.int64), np.full(n, EARLIEST, np.int64))

    def add(self, index: NDArray[np.int32], count: NDArray[np.int64], first: Int64s, last: Int64s) -> None:
        np.add.at(self.count, index, count)
        np.minimum.at(self.first, index, first)
        np.maximum.at(self.last, index, last)

    def extents(self) -> Iterator[Extent]:
        for count, first, last in zip(self.count.tolist(), self.first.tolist(), self.last.tolist(), strict=True):
            yield Extent(count, first, last) if count else Extent()


def extents(store: Store, selection: Selection) -> dict[uuid.UUID, Extent]:
    """Of each of the selection's series, of numbers, within its span; no other bounds but the watermark."""
    series = selection.series or ()
    asked = replace(selection, columns=("series_id", "valid_time", "value"), order="series", after=None, limit=None, offset=0)
    found: dict[uuid.UUID, Extent] = {}
    for at in range(0, len(series), SERIES_MAX):
        some = series[at : at + SERIES_MAX]
        found |= zip(some, _some(store, replace(asked, series=some)).extents(), strict=True)
    return found


def _some(store: Store, selection: Selection) -> _Reach:
    assert selection.series is not None
    span = (EARLIEST if selection.from_ is None else selection.from_, LATEST if selection.until is None else selection.until)
    reach = _Reach.none(len(selection.series))
    if span[0] >= span[1]:
        return reach
    rows = stored(store, replace(selection, from_=span[0], until=span[1]), np.array(span, np.int64), _FIELDS, STEPS[-1:])
    told, gaps = _few_gaps(rows, len(selection.series), span)
    one = rows.aggregate[told]
    reach.add(rows.series[told], *(one[name].astype(np.int64) for name in ("count", *_FIELDS)))
    if len(gaps):
        table = _live(store, selection, gaps, span)
        reach.add(indexes(table, selection.series), *(column(table, name).astype(np.int64) for name in ("count", "first", "last")))
    return reach


def _few_gaps(rows: Stored, n: int, span: tuple[int, int]) -> tuple[NDArray[np.bool_], Gaps]:
    """Which rows count, and the gaps beside them: a series of very many is asked for as a whole."""
    many = np.bincount(rows.gaps.series, minlength=n) > max(GAPS_MIN, GAPS_MAX // n)
    if not many.any():
        return np.ones(len(rows.series), bool), rows.gaps
    own, kept = np.flatnonzero(many).astype(np.int32), ~many[rows.gaps.series]
    whole = Gaps(own, np.full(len(own), span[0], np.int64), np.full(len(own), span[1], np.int64))
    columns = (np.concatenate((getattr(whole, name), getattr(rows.gaps, name)[kept])) for name in ("series", "from_", "until"))
    return ~many[rows.series], Gaps(*columns)


def _live(store: Store, selection: Selection, gaps: Gaps, span: tuple[int, int]) -> pa.Table:
    """series_id, count, first, last of what lies in the gaps."""
    assert selection.series is not None
    bound: dict[str, Any] = {}
    groups, reaches = _groups(selection.series, gaps, span), _reaches(selection.series, gaps, span)
    conditions = [near(groups, bound), around(reaches, bound)]
    layers, folded = _layers(store, selection)
    flat = flat_of(selection, layers.narrowed(conditions), folded)
    named = [selection.series[at] for at in gaps.series.tolist()]
    asked = in_gaps(Query(flat.sql, flat.parameters | bound), list(zip(named, gaps.from_.tolist(), gaps.until.tolist(), strict=True)))
    return store.arrow(asked)


def _layers(store: Store, selection: Selection) -> tuple[Source, bool]:
    if selection.single is not None:
        found = layers_of(store, selection)
        return found.source, found.folded
    view = view_of(store, selection)
    return source(selection, view.hiding), view.folded


def _reaches(series: tuple[uuid.UUID, ...], gaps: Gaps, span: tuple[int, int]) -> list[Reach]:
    n, heads = len(series), gaps.from_ == span[0]
    tails = ~heads & (gaps.until == span[1])
    head, tail = np.full(n, EARLIEST, np.int64), np.full(n, LATEST, np.int64)
    inner_from, inner_until = tail.copy(), head.copy()
    open_end = heads & (gaps.until == LATEST)
    tail[gaps.series[open_end]] = EARLIEST  # all of it
    np.maximum.at(head, gaps.series[heads & ~open_end], gaps.until[heads & ~open_end])
    np.minimum.at(tail, gaps.series[tails], gaps.from_[tails])
    inner = ~heads & ~tails
    np.minimum.at(inner_from, gaps.series[inner], gaps.from_[inner])
    np.maximum.at(inner_until, gaps.series[inner], gaps.until[inner])
    columns = (one.tolist() for one in (head, tail, inner_from, inner_until))
    return [Reach(*one) for one in zip(series, *columns, strict=True)]


def _groups(series: tuple[uuid.UUID, ...], gaps: Gaps, span: tuple[int, int]) -> list[Near]:
    """Gaps that end, or begin, near one another: those before the first row of a series, and all others."""
    heads = gaps.from_ == span[0]
    found = []
    for chosen, near_by in (
        (heads, gaps.until),
        (~heads & (gaps.until == span[1]), gaps.from_),
        (~heads & (gaps.until < span[1]), gaps.from_),
    ):
        order = np.flatnonzero(chosen)
        order = order[np.argsort(near_by[order], kind="stable")]
        for some in np.array_split(order, min(GROUPS, max(1, len(order)))):
            if len(some):
                own = [series[at] for at in np.unique(gaps.series[some])]
                found.append(Near(own, int(gaps.from_[some].min()), int(gaps.until[some].max())))
    return found
