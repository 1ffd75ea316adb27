"""Rollups of series: aggregates by period, out of stored rows where they are right, and live out of the flat read elsewhere (I8).

Before: a route or door with a selection, functions and a grid. After: shaping.py fills, interpolates, folds and thins the table.
Blocking, like the store; all questions are at the selection's one watermark vector (I9).
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sink.columns import BASE_NS, Int64s, aggregates, column, indexes, packed
from sink.functions import Function, of_aggregates
from sink.periods import Even, Grid
from sink.queries.rollup import by_grid, extent, few, values
from sink.queries.selection import Selection
from sink.reads import flat_query
from sink.store import Store
from sink.stored import Gaps, stored
from streams.aggregate import Aggregates, aggregated, merged, singles
from streams.points import OP_SET, STEPS
from varve.errors import Incorrect

SERIES_MAX = 2_000  # bound into one query: an address line has its length
FEW_MAX = 16_384  # layers that are folded here
POINTS_MAX = 20_000_000  # held in memory at once
CLUSTERS_MAX = 4  # of gaps, a query each
POINTS_MIN = 20_000  # stored rows that stand for fewer save less than they cost, where much is open beside them
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RollupTable:
    """n rows, sorted by (index, bucket). index: int32[n] into series; bucket: int64[n] UTC ns, its start (or a point's valid_time);
    values: float64[n] by function name; valid: bool[n], false where a row has nothing to say and its values are null; None: all are valid.
    """

    series: tuple[uuid.UUID, ...]
    index: NDArray[np.int32]
    bucket: Int64s
    values: dict[str, Floats]
    valid: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.bucket)

    def taken(self, rows: Any) -> "RollupTable":
        """Some of the rows, in order: a slice, a mask or indexes."""
        valid = None if self.valid is None else self.valid[rows]
        return RollupTable(self.series, self.index[rows], self.bucket[rows], {name: one[rows] for name, one in self.values.items()}, valid)


def rollup(store: Store, selection: Selection, functions: Sequence[Function], grid: Grid) -> RollupTable:
    """One row a series and bucket that has values. The selection names its series and its span; its page and columns are not looked at."""
    asked = _asked(selection)
    assert asked.series is not None
    parts = [_some(store, replace(asked, series=some), functions, grid) for some in _chunks(asked.series)]
    return joined(parts, tuple(function.name for function in functions))


def points(store: Store, selection: Selection) -> RollupTable:
    """The flat read's points that are not null, as `value`."""
    asked = _asked(selection)
    assert asked.series is not None
    parts = []
    for some in _chunks(asked.series):
        table = store.arrow(values(flat_query(store, replace(asked, series=some, limit=POINTS_MAX + 1))))
        if table.num_rows > POINTS_MAX:
            raise Incorrect(
                "too-many-points", f"there are more than {POINTS_MAX} points in this span: ask for a rollup, or for less at once"
            )
        parts.append(_sorted(some, indexes(table, some), column(table, "at"), {"value": column(table, "value")}))
    return joined(parts, ("value",))


def of_points(table: RollupTable, functions: Sequence[Function]) -> RollupTable:
    """Each point as a bucket of its own, labelled by itself."""
    one = table.values["value"]
    alone = singles(table.bucket, one)
    found = {function.name: of_aggregates(function, alone) if function.stored else one for function in functions}
    return replace(table, values=found)


def joined(parts: Sequence[RollupTable], names: Sequence[str]) -> RollupTable:
    """Tables of other series each, one after another."""
    if not parts:
        return _empty((), names)
    before = np.cumsum([0, *(len(part.series) for part in parts[:-1])])
    index = np.concatenate([part.index + at for part, at in zip(parts, before.tolist(), strict=True)]).astype(np.int32)
    found = {name: np.concatenate([part.values[name] for part in parts]) for name in names}
    valid = [np.ones(len(part), bool) if part.valid is None else part.valid for part in parts]
    some = any(part.valid is not None for part in parts)
    series = tuple(one for part in parts for one in part.series)
    return RollupTable(series, index, np.concatenate([part.bucket for part in parts]), found, np.concatenate(valid) if some else None)


def span(store: Store, selection: Selection) -> tuple[int, int]:
    """[from, until) of the selection, where it leaves one open that of the layers in view; empty where there is none."""
    if selection.from_ is not None and selection.until is not None:
        return selection.from_, selection.until
    found = [store.rows(extent(replace(selection, series=some)))[0] for some in _chunks(selection.series or ())]
    firsts, lasts = ([row[name] for row in found if row["layers"]] for name in ("first", "last"))
    from_ = selection.from_ if selection.from_ is not None else min(firsts, default=0)
    until = selection.until if selection.until is not None else min(max(lasts, default=from_ - 1) + 1, np.iinfo(np.int64).max)
    return from_, until


def _asked(selection: Selection) -> Selection:
    if selection.series is None:
        raise Incorrect("rollup-series", "a rollup names its series: give series_id, key or a filter")
    if "text" in selection.value_types:
        raise Incorrect("rollup-text", "a rollup is of numbers or booleans: leave series of text out (their value_type is text)")
    columns = ("series_id", "valid_time", "value")
    return replace(
        selection, value_types=frozenset({"number"}), columns=columns, order="series", after=None, limit=None, offset=0
    )  # booleans count as 0 and 1


def _some(store: Store, selection: Selection, functions: Sequence[Function], grid: Grid) -> RollupTable:
    assert selection.series is not None
    if not len(grid):
        return _empty(selection.series, tuple(function.name for function in functions))
    if _bounded(selection) or not all(function.stored for function in functions) or not grid.multiple_of(STEPS[0]):
        return _live(store, selection, functions, grid)
    found = _from_rows(store, selection, functions, grid)
    return _live(store, selection, functions, grid) if found is None else found


def _bounded(selection: Selection) -> bool:
    """Stored rows know all there is below a watermark, no less."""
    bounds = (selection.as_of_known, selection.as_of_recorded, selection.known_from, selection.known_until, selection.run_id)
    return any(bound is not None for bound in (*bounds, selection.version_until))


def _from_rows(store: Store, selection: Selection, functions: Sequence[Function], grid: Grid) -> RollupTable | None:
    """Out of stored rows, and of base buckets worked out live where there are none; None where that does not pay."""
    assert selection.series is not None
    found = stored(store, selection, grid.edges, _fields(functions))
    if not _pays(int(found.aggregate["count"].sum()), found.gaps, selection):
        return None
    index, bucket, parts = [found.series], [found.bucket], [found.aggregate]
    for cluster in _clusters(found.gaps):
        own, at, part = _base(store, selection, cluster, _fields(functions))
        kept = _within(cluster, own, at)
        index.append(own[kept])
        bucket.append(at[kept])
        parts.append(part[kept])
    return _merged(selection.series, np.concatenate(index), np.concatenate(bucket), np.concatenate(parts), functions, grid)


def _pays(points: int, gaps: Gaps, selection: Selection) -> bool:
    assert selection.series is not None
    assert selection.from_ is not None
    assert selection.until is not None
    open_ = float((gaps.until.astype(np.float64) - gaps.from_).sum())
    return points > 0 and (points >= POINTS_MIN or open_ < len(selection.series) * float(selection.until - selection.from_) / 2)


def _clusters(gaps: Gaps) -> list[Gaps]:
    """Gaps that lie near one another in time; the widest distances stay between the clusters."""
    order = np.argsort(gaps.from_, kind="stable")
    if not len(order):
        return []
    from_, reached = gaps.from_[order], np.maximum.accumulate(gaps.until[order])
    apart = from_[1:].astype(np.float64) - reached[:-1]
    wide = np.argsort(apart)[::-1][: CLUSTERS_MAX - 1]
    cuts = np.sort(wide[apart[wide] > (float(reached[-1]) - float(from_[0])) / 64]) + 1
    near = [np.sort(some) for some in np.split(order, cuts)]
    return [Gaps(gaps.series[some], gaps.from_[some], gaps.until[some]) for some in near]


def _base(store: Store, selection: Selection, gaps: Gaps, fields: frozenset[str]) -> tuple[NDArray[np.int32], Int64s, Aggregates]:
    """Base buckets of the series and the span that hold the gaps, worked out live: index of series, start, aggregate."""
    assert selection.series is not None
    own = np.unique(gaps.series)
    series = tuple(selection.series[at] for at in own)
    asked = replace(selection, series=series, from_=int(gaps.from_.min()), until=int(gaps.until.max()))
    table = store.arrow(few(asked, FEW_MAX + 1))
    if table.num_rows <= FEW_MAX and _plain(table):
        index, bucket, parts = _of_few(table, indexes(table, series))
        return own[index], bucket, parts
    table = store.arrow(by_grid(flat_query(store, asked), Even(BASE_NS), fields, ()))
    return own[indexes(table, series)], column(table, "bucket"), aggregates(table)


def _plain(table: pa.Table) -> bool:
    """All layers are full sets, and nothing hides one: the newest of a cell is its value."""
    return not (column(table, "hiding").any() or (column(table, "op") != OP_SET).any())


def _of_few(table: pa.Table, index: NDArray[np.int32]) -> tuple[NDArray[np.int32], Int64s, Aggregates]:
    """Base buckets of a few layers, worked out here: a second question to the store takes longer than they do."""
    at, value = column(table, "at"), table.column("value").to_numpy()
    order = np.lexsort((column(table, "version"), column(table, "known"), at, index))
    index, at, value = index[order], at[order], value[order]
    kept = np.append((index[1:] != index[:-1]) | (at[1:] != at[:-1]), True)[: len(at)] & ~np.isnan(value)  # the last of a cell
    index, at, value = index[kept], at[kept], value[kept]
    key = packed(index, at // BASE_NS)
    new = np.append(True, np.diff(key) != 0)[: len(key)]
    parts = aggregated(np.cumsum(new) - 1, int(new.sum()), at, value)
    return index[new], at[new] // BASE_NS * BASE_NS, parts


def _within(gaps: Gaps, index: NDArray[np.int32], bucket: Int64s) -> NDArray[np.bool_]:
    """Which base buckets lie in a gap; gaps begin and end with one, but for the ends of the span."""
    starts, ends = (packed(gaps.series, at // BASE_NS) for at in (gaps.from_, gaps.until - 1))
    key = packed(index, bucket // BASE_NS)
    at = np.searchsorted(starts, key, "right") - 1
    found: NDArray[np.bool_] = (at >= 0) & (ends[np.maximum(at, 0)] >= key)
    return found


def _merged(
    series: tuple[uuid.UUID, ...], index: NDArray[np.int32], bucket: Int64s, parts: Aggregates, functions: Sequence[Function], grid: Grid
) -> RollupTable:
    """Parts of buckets into the grid's."""
    key = packed(index, bucket // BASE_NS)
    if (np.diff(key) < 0).any():
        order = np.argsort(key, kind="stable")  # runs that are in order, one of rows and one a cluster
        index, bucket, parts = index[order], bucket[order], parts[order]
    cell = index * np.int64(len(grid)) + np.searchsorted(grid.edges, bucket, "right") - 1
    new = np.diff(cell, prepend=-1) > 0
    whole = merged(np.cumsum(new) - 1, int(new.sum()), parts)
    at, where = np.divmod(cell[new], len(grid))
    values = {function.name: of_aggregates(function, whole) for function in functions}
    return RollupTable(series, at.astype(np.int32), grid.starts[where], values)


def _fields(functions: Sequence[Function]) -> frozenset[str]:
    return frozenset().union(*(function.needs for function in functions if function.stored))


def _live(store: Store, selection: Selection, functions: Sequence[Function], grid: Grid) -> RollupTable:
    """Out of the flat read, straight into the grid."""
    assert selection.series is not None
    table = store.arrow(
        by_grid(flat_query(store, selection), grid, _fields(functions), [function for function in functions if not function.stored])
    )
    parts = aggregates(table)
    found = {
        function.name: of_aggregates(function, parts) if function.stored else column(table, function.name).astype(np.float64)
        for function in functions
    }
    return _sorted(selection.series, indexes(table, selection.series), column(table, "bucket"), found)


def _sorted(series: tuple[uuid.UUID, ...], index: NDArray[np.int32], bucket: Int64s, found: dict[str, Floats]) -> RollupTable:
    order = np.lexsort((bucket, index))
    return RollupTable(series, index[order], bucket[order], {name: one[order] for name, one in found.items()})


def _empty(series: tuple[uuid.UUID, ...], names: Sequence[str]) -> RollupTable:
    return RollupTable(series, np.zeros(0, np.int32), np.zeros(0, np.int64), {name: np.zeros(0) for name in names})


def _chunks(series: tuple[uuid.UUID, ...]) -> list[tuple[uuid.UUID, ...]]:
    return [series[at : at + SERIES_MAX] for at in range(0, len(series), SERIES_MAX)]
