"""Filling, interpolating, folding over series and thinning, by examples and by properties that a chart needs."""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sink.downsampling import Thinning, downsampled
from sink.functions import parse_function
from sink.periods import Grid
from sink.rollups import RollupTable
from sink.shaping import Between, How, across, filled, interpolated
from tests.rollup_oracle import FUNCTIONS
from varve.errors import Incorrect
from varve.instants import EARLIEST, LATEST

SERIES = tuple(uuid.UUID(int=number) for number in range(3))
GRID = Grid(np.arange(0, 70, 10, dtype=np.int64))
Point = tuple[int, int, float]  # series, instant, value


def table(*points: Point, valid: Sequence[bool] | None = None) -> RollupTable:
    index, bucket, value = (np.array([point[at] for point in points]) for at in range(3))
    shown = None if valid is None else np.array(valid)
    return RollupTable(SERIES, index.astype(np.int32), bucket.astype(np.int64), {"mean": value.astype(np.float64)}, shown)


def rows(found: RollupTable, series: int = 0) -> list[tuple[int, Any]]:
    valid = np.ones(len(found), bool) if found.valid is None else found.valid
    listed = zip(found.index.tolist(), found.bucket.tolist(), found.values["mean"].tolist(), valid.tolist(), strict=True)
    return [(bucket, value if there else None) for index, bucket, value, there in listed if index == series]


@pytest.mark.parametrize(
    ("how", "values"),
    [
        ("null", [None, 1, None, None, 4, None]),
        ("zero", [0, 1, 0, 0, 4, 0]),
        ("previous", [None, 1, 1, 1, 4, 4]),
        ("linear", [None, 1, 2, 3, 4, None]),
    ],
)
def test_empty_buckets_are_filled_series_by_series(how: How, values: list[float | None]) -> None:
    found = filled(table((0, 10, 1), (0, 40, 4), (2, 0, 9)), GRID, how)
    assert rows(found) == list(zip(range(0, 60, 10), values, strict=True))
    assert [value for _, value in rows(found, 1)] == ([0] * 6 if how == "zero" else [None] * 6)
    assert rows(found, 2)[0] == (0, 9) and found.series == SERIES
    assert len(filled(table((0, 10, 1)).taken(slice(0)), GRID, how)) == 18


def test_what_is_full_stays_as_it_is() -> None:
    every = table(*((series, at, at) for series in range(3) for at in range(0, 60, 10)))
    for how in ("null", "zero", "previous", "linear"):
        found = filled(every, GRID, how)
        assert found.valid is None and np.array_equal(found.values["mean"], every.values["mean"])


def test_nulls_are_filled_like_what_is_absent() -> None:
    assert [value for _, value in rows(filled(table((0, 0, 1), (0, 10, 7), (0, 20, 3), valid=[True, False, True]), GRID, "linear"))][
        :3
    ] == [1, 2, 3]


@pytest.mark.parametrize(("how", "values"), [("zoh", [2, 2, 8, 8]), ("linear", [3.875, 7.625, 8, 8])])
def test_values_between_are_drawn_within_first_and_last_point(how: Between, values: list[float]) -> None:
    found = interpolated(table((0, 5, 2), (0, 25, 9.5), (0, 30, 8), (0, 40, 8), (1, 31, 5), (2, 20, 1)), GRID, how)
    assert rows(found) == [(at, pytest.approx(value)) for at, value in zip((10, 20, 30, 40), values, strict=True)]
    assert rows(found, 1) == []  # its only point lies beside the grid
    assert rows(found, 2) == [(20, 1)]


def test_interpolation_spans_all_of_time() -> None:
    ends = table((0, EARLIEST, 0), (0, LATEST, 1))
    (row,) = rows(interpolated(ends, Grid(np.array([0, 10])), "linear"))
    assert row == (0, pytest.approx(-EARLIEST / (LATEST - EARLIEST)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_series_are_folded_at_equal_instants(name: str) -> None:
    found = across(
        table((0, 0, 3), (0, 10, 5), (1, 10, -2), (2, 10, 8), (2, 20, 4), (2, 30, 6), valid=[True] * 5 + [False]), parse_function(name)
    )
    expected = [(0, FUNCTIONS[name]([3])), (10, FUNCTIONS[name]([5, -2, 8])), (20, FUNCTIONS[name]([4]))]
    assert rows(found) == [(at, pytest.approx(value)) for at, value in expected]
    assert len(across(table((0, 0, 3)).taken(slice(0)), parse_function(name))) == 0


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(2, 20), st.sampled_from(("minmax", "lttb")), st.integers(1, 1000)
)
def test_what_is_thinned_is_short_enough_and_made_of_its_own_points(values: list[int], most: int, how: Thinning, step: int) -> None:
    whole = table(*((0, at * at * step, value) for at, value in enumerate(values)), (1, 5, 1))
    found = downsampled(whole, most, how)
    kept = rows(found)
    assert set(kept) <= set(rows(whole)) and kept == sorted(kept, key=lambda row: row[0])
    assert rows(found, 1) == [(5, 1)]
    if len(values) <= most:
        assert kept == rows(whole)
        return
    assert len(kept) <= most
    if how == "minmax":
        assert {min(values), max(values)} <= {value for _, value in kept}
    else:
        assert len(kept) == most and (kept[0], kept[-1]) == (rows(whole)[0], rows(whole)[-1])


def test_minmax_keeps_the_extremes_of_each_span_with_their_times() -> None:
    whole = table(*((0, at, value) for at, value in enumerate([0, 5, -1, 0, 2, 2, 9, 1, 3, 3])))
    assert rows(downsampled(whole, 4, "minmax")) == [(1, 5), (2, -1), (6, 9), (7, 1)]


def test_lttb_takes_the_largest_triangles() -> None:
    # runs [1, 2], [3, 4], [5]: from (0, 0) and the next run's mean, 9 stands out; then -7; then the only one left
    whole = table(*((0, at, value) for at, value in enumerate([0, 1, 9, 0, -7, 2, 0])))
    assert [at for at, _ in rows(downsampled(whole, 5, "lttb"))] == lttb([0, 1, 9, 0, -7, 2, 0], 5)
    jagged = [float((at * 37) % 17) for at in range(100)]
    assert [at for at, _ in rows(downsampled(table(*((0, at, value) for at, value in enumerate(jagged))), 12, "lttb"))] == lttb(jagged, 12)


def lttb(values: list[float], count: int) -> list[int]:
    """The published algorithm, step by step, on values one apart."""
    edges = [int(1 + run * (len(values) - 2) / (count - 2)) for run in range(count - 1)] + [len(values)]
    chosen = [0]
    for run in range(count - 2):
        ahead = range(edges[run + 1], edges[run + 2])
        mean = (sum(ahead) / len(ahead), sum(values[at] for at in ahead) / len(ahead))
        a = chosen[-1]
        areas = {
            at: abs((a - mean[0]) * (values[at] - values[a]) - (a - at) * (mean[1] - values[a])) for at in range(edges[run], edges[run + 1])
        }
        chosen.append(max(areas, key=lambda at: (areas[at], -at)))
    return [*chosen, len(values) - 1]


def test_two_points_are_the_fewest() -> None:
    with pytest.raises(Incorrect, match="2 or more"):
        downsampled(table((0, 0, 1)), 1, "minmax")
