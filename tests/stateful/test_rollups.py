"""Rollups over a real store equal the oracle's: every function, in several zones, on nights when clocks change, whatever layers and
deletions there are, with and without stored rows (I8)."""

import itertools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import sink.rollups
from sink.functions import parse_function
from sink.periods import Grid, Period, grid_of, parse_period
from sink.queries.selection import Selection
from sink.rollups import RollupTable, points, rollup, span
from sink.store import Store
from sink.stored import Gaps
from streams.aggregate import singles
from streams.points import DELETIONS, ROLLUPS, STALE, STEPS
from tests import oracle
from tests.cases import cases
from tests.rollup_oracle import FUNCTIONS, rolled
from tests.store_rows import layers_table, opened, table_of
from varve.errors import Incorrect
from varve.instants import LATEST, NS_PER_SECOND, parse_instant
from varve.position import version_of
from varve.series import partition_of

PARTITIONS = 2
OFFSETS = 6  # of varve.events
MINUTE, BASE, DAY = 60 * NS_PER_SECOND, 900 * NS_PER_SECOND, 86_400 * NS_PER_SECOND
ZONES = ("UTC", "America/Denver", "Asia/Kathmandu", "Europe/Stockholm", "Australia/Lord_Howe")
NIGHTS = [  # spring and autumn, north and south; the end of a year
    parse_instant(text)
    for text in (
        "2025-03-30T01:00:00Z", "2025-10-26T01:00:00Z", "2025-03-09T09:00:00Z", "2025-11-02T08:00:00Z", "2025-04-05T15:00:00Z",
        "2025-10-04T15:30:00Z", "2025-12-31T23:30:00Z",
    )
]  # fmt: skip
PERIODS = [parse_period(text) for text in ("7min", "15min", "1hour", "90min", "6hour", "1day", "2day", "1week", "1month", "1year")]
STORED = [name for name in FUNCTIONS if parse_function(name).stored]
VALUES = (None, 0.0, 1.0, -2.5, 3.0, 1e6, 1e6 + 1)
_tenants = itertools.count(1)
Points = dict[uuid.UUID, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("rollups"))


@st.composite
def written(draw: st.DrawFn) -> tuple[list[oracle.Layer], list[oracle.Deletion], Selection]:
    """Layers and deletions of three series around a night, and what is asked of them."""
    tenant, night = uuid.UUID(int=next(_tenants) << 64 | 3), draw(st.sampled_from(NIGHTS))
    series = [uuid.uuid5(tenant, str(number)) for number in range(3)]
    minutes = st.sampled_from((1, 7, 15, 60, 360)).flatmap(lambda step: st.integers(-40, 40).map(lambda at: at * step))
    found: list[oracle.Layer] = []
    for row in range(draw(st.integers(5, 40))):
        op = draw(st.sampled_from((oracle.SET, oracle.SET, oracle.SET, oracle.ADD, oracle.UPDATE)))
        found.append(
            {
                **(oracle.NEVER_SET | of_series(tenant, draw(st.sampled_from(series)))),
                "version": version_of(draw(st.integers(0, OFFSETS - 1)), row),
                "valid_time": night + draw(minutes) * MINUTE + draw(st.sampled_from((0, 0, 1, 30 * NS_PER_SECOND))),
                "known_time": night + draw(st.integers(0, 3)),
                "recorded_time": night,
                "run_id": uuid.UUID(int=0),
                "changed_by": "",
                "op": op,
                "mask": 15 if op == oracle.SET else 1 if op == oracle.ADD else draw(st.integers(1, 3)),
                "value": draw(st.sampled_from(VALUES[1:] if op == oracle.ADD else VALUES)),
            }
        )
    gone = [
        of_series(tenant, draw(st.sampled_from(series)))
        | {
            "version": version_of(draw(st.integers(0, OFFSETS - 1)), 100 + row),
            "known_time": night,
            "recorded_time": night,
            "cause": "deleted",
        }
        | {"from": night + draw(minutes) * MINUTE, "until": draw(st.just(LATEST) | minutes.map(lambda at: night + at * MINUTE))}
        for row in range(draw(st.sampled_from((0, 0, 1, 2))))
    ]
    times = sorted(one["valid_time"] for one in found)
    middle = times[len(times) // 2]
    from_ = draw(st.sampled_from((times[0] - 5 * BASE, times[0], times[0] // DAY * DAY, middle)))
    until = draw(st.sampled_from((times[-1] + 5 * BASE, times[-1] + 1, -(-times[-1] // DAY) * DAY, middle + MINUTE)))
    bounds: dict[str, Any] = draw(
        st.sampled_from(({}, {}, {}, {"as_of_known": night + 1}, {"known_from": night + 1}, {"known_until": night + 2}))
    )
    watermark = draw(
        st.just((OFFSETS,) * PARTITIONS) | st.just((OFFSETS - 1,) * PARTITIONS) | st.tuples(*[st.integers(0, OFFSETS)] * PARTITIONS)
    )
    chosen = tuple(draw(st.permutations(series))[: draw(st.sampled_from((1, 3, 3)))])
    return found, gone, Selection(tenant, watermark, chosen, from_, until, **bounds)


def of_series(tenant: uuid.UUID, ident: uuid.UUID) -> dict[str, Any]:
    return {"tenant": tenant, "series_id": ident, "partition": partition_of(ident, PARTITIONS)}


def insert(store: Store, layers: list[oracle.Layer], deletions: list[oracle.Deletion]) -> None:
    """Two blocks, the second of which repeats rows of the first."""
    for block in (layers[: len(layers) // 2], layers[len(layers) // 3 :]):
        store.insert("points", layers_table(block))
    if deletions:
        store.insert("deletions", table_of(DELETIONS, deletions))


def flat_points(layers: list[oracle.Layer], deletions: list[oracle.Deletion], selection: Selection) -> Points:
    found: Points = {ident: [] for ident in selection.series or ()}
    for row in sorted(oracle.flat(layers, selection, deletions), key=lambda row: row["valid_time"]):
        if row["value"] is not None:
            found[row["series_id"]].append((row["valid_time"], row["value"]))
    return found


def listed(table: RollupTable) -> list[tuple[uuid.UUID, int, dict[str, float]]]:
    assert (np.diff(table.index.astype(np.int64) * (1 << 32) + table.bucket // NS_PER_SECOND) > 0).all(), "not in order"
    rows = zip(table.index.tolist(), table.bucket.tolist(), strict=True)
    return [
        (table.series[index], bucket, {name: float(one[at]) for name, one in table.values.items()})
        for at, (index, bucket) in enumerate(rows)
    ]


def expected(found: Points, period: Period, zone: str, names: Sequence[str]) -> list[tuple[uuid.UUID, int, dict[str, float]]]:
    return [(ident, bucket, row) for ident, of_one in found.items() for bucket, row in rolled(of_one, period, zone, names).items()]


def assert_same(found: RollupTable, wanted: list[tuple[uuid.UUID, int, dict[str, float]]]) -> None:
    rows = listed(found)
    assert [row[:2] for row in rows] == [row[:2] for row in wanted]
    for (_, _, values), (_, _, truth) in zip(rows, wanted, strict=True):
        for name, value in truth.items():
            exact = name in ("count", "min", "max", "first", "last")
            assert values[name] == (
                value if exact else pytest.approx(value, rel=1e-9, abs=1e-3 if name in ("variance", "stddev") else 1e-9)
            ), name


@settings(max_examples=cases(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    world=written(),
    period=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    names=st.sets(st.sampled_from(sorted(FUNCTIONS)), min_size=1),
)
def test_every_function_in_every_zone_equals_the_oracle(
    store: Store, world: tuple[list[oracle.Layer], list[oracle.Deletion], Selection], period: Period, zone: str, names: set[str]
) -> None:
    layers, deletions, selection = world
    insert(store, layers, deletions)
    truth = flat_points(layers, deletions, selection)
    event(f"empty: {not any(truth.values())}")
    asked = sorted(names)
    grid = grid_of(period, zone, *span(store, selection))
    found = rollup(store, selection, [parse_function(name) for name in asked], grid)
    assert_same(found, expected(truth, period, zone, asked))
    alone = points(store, selection)
    assert [(ident, at, row["value"]) for ident, at, row in listed_exactly(alone)] == [
        (ident, at, value) for ident, of_one in truth.items() for at, value in of_one
    ]


def listed_exactly(table: RollupTable) -> list[tuple[uuid.UUID, int, dict[str, float]]]:
    rows = zip(table.index.tolist(), table.bucket.tolist(), table.values["value"].tolist(), strict=True)
    return [(table.series[index], at, {"value": value}) for index, at, value in rows]


@settings(max_examples=cases(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    world=written(),
    period=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    names=st.sets(st.sampled_from(STORED), min_size=1),
    drawn=st.data(),
)
def test_stored_rows_and_what_is_between_them_equal_the_oracle(
    store: Store,
    world: tuple[list[oracle.Layer], list[oracle.Deletion], Selection],
    period: Period,
    zone: str,
    names: set[str],
    drawn: st.DataObject,
) -> None:
    layers, deletions, selection = world
    insert(store, layers, deletions)
    insert_rows(store, drawn, layers, deletions, selection)
    asked = sorted(names)
    assert selection.from_ is not None and selection.until is not None
    grid = grid_of(period, zone, selection.from_, selection.until)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sink.rollups, "_pays", pays)
        patched.setattr(sink.rollups, "FEW_MAX", drawn.draw(st.sampled_from((0, 100))))
        found = rollup(store, selection, [parse_function(name) for name in asked], grid)
    assert_same(found, expected(flat_points(layers, deletions, selection), period, zone, asked))


def pays(points: int, gaps: Gaps, selection: Selection) -> bool:
    """Always, so that few points are enough."""
    event(f"rows: {points > 0}, gaps: {len(gaps) > 0}")
    return points > 0


def insert_rows(
    store: Store, drawn: st.DataObject, layers: list[oracle.Layer], deletions: list[oracle.Deletion], selection: Selection
) -> None:
    """Rows as they were right at some watermark; what came later lies under marks."""
    assert selection.series is not None
    for ident in selection.series:
        known = drawn.draw(st.sampled_from((OFFSETS, OFFSETS, OFFSETS - 1, 3)))
        then = Selection(selection.tenant, (known,) * PARTITIONS, (ident,))
        of_one = flat_points(layers, deletions, then)[ident]
        rows = [
            row
            for step in STEPS
            for row in rows_of_level(drawn, of_series(selection.tenant, ident) | {"covers": known << 20}, of_one, step)
        ]
        if rows:
            store.insert("rollups", table_of(ROLLUPS, rows))
        changed = [(one, one["valid_time"], one["valid_time"] + 1) for one in layers] + [
            (one, one["from"], one["until"]) for one in deletions
        ]
        marks = [
            of_series(selection.tenant, ident)
            | {"version": one["version"], "from": from_ // BASE * BASE, "until": until if until == LATEST else -(-until // BASE) * BASE}
            for one, from_, until in changed
            if one["series_id"] == ident and one["version"] >= known << 20 and until > from_
        ]
        if marks:
            store.insert("stale", table_of(STALE, marks))


def rows_of_level(drawn: st.DataObject, whose: dict[str, Any], of_one: list[tuple[int, float]], step: int) -> list[dict[str, Any]]:
    length = step * NS_PER_SECOND
    buckets: dict[int, list[tuple[int, float]]] = {}
    for at, value in of_one:
        buckets.setdefault(at // length * length, []).append((at, value))
    found = []
    for bucket, following in zip(buckets, [*list(buckets)[1:], None], strict=False):
        if drawn.draw(st.booleans()):
            until = bucket + length if following is None else drawn.draw(st.sampled_from((bucket + length, following)))
            found.append(whose | {"step_seconds": step, "bucket": bucket, "until": until} | whole(buckets[bucket]))
    return found


def whole(of_bucket: list[tuple[int, float]]) -> dict[str, Any]:
    values = np.array([value for _, value in of_bucket])
    ends = {"first": values[0], "first_time": of_bucket[0][0], "last": values[-1], "last_time": of_bucket[-1][0]}
    about = {"count": len(values), "sum": values.sum(), "mean": values.mean(), "m2": ((values - values.mean()) ** 2).sum()}
    return about | ends | {"min": values.min(), "max": values.max()}


def one_series() -> tuple[Selection, dict[str, Any], int]:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 3)
    ident, night = uuid.uuid5(tenant, "one"), NIGHTS[0] // DAY * DAY
    return Selection(tenant, (OFFSETS,) * PARTITIONS, (ident,), night, night + DAY), of_series(tenant, ident), night


def layer(whose: dict[str, Any], at: int, value: float) -> oracle.Layer:
    return whose | {"valid_time": at, "known_time": at, "recorded_time": at, "version": 1, "op": 0, "mask": 15, "value": value}


def sums(store: Store, selection: Selection, grid: Grid | None = None) -> list[float]:
    assert selection.from_ is not None and selection.until is not None
    grid = grid or grid_of(Period(1, "day"), "UTC", selection.from_, selection.until)
    found: list[float] = rollup(store, selection, [parse_function("sum")], grid).values["sum"].tolist()
    return found


def test_stored_rows_are_used_where_they_may_be(store: Store) -> None:
    """A row that lies shows that it was read: else the tests above would say nothing about rows."""
    selection, whose, night = one_series()
    store.insert("points", layers_table([layer(whose, night, 1.0), layer(whose, night + 12 * 3600 * NS_PER_SECOND, 2.0)]))
    alone = singles(np.array([night]), np.array([100.0]))
    lie = {name: alone[name][0].item() for name in alone.dtype.names or ()}
    row = whose | lie | {"step_seconds": 900, "bucket": night, "until": night + DAY // 4, "covers": 1 << 20}
    store.insert("rollups", table_of(ROLLUPS, [row]))
    assert sums(store, selection) == [3.0]  # one point saves nothing while more than half of the span is open
    store.insert("rollups", table_of(ROLLUPS, [row | {"until": night + 3 * DAY // 4, "covers": 2 << 20}]))
    assert sums(store, selection) == [100.0]
    assert sums(store, replace(selection, as_of_recorded=night + DAY)) == [3.0]  # rows do not know what was recorded when
    assert sums(store, selection, grid_of(Period(7, "min"), "UTC", night, night + DAY)) == [1.0, 2.0]  # an edge cuts the row
    assert sums(store, replace(selection, from_=night + 1)) == [2.0]
    store.insert("stale", table_of(STALE, [whose | {"from": night, "until": night + DAY, "version": 3 << 20}]))
    assert sums(store, selection) == [3.0]


@pytest.mark.parametrize(
    ("later", "total"),
    [
        ([{"value": 7.0}], 1 + 7),
        ([{"value": 7.0, "known_time": NIGHTS[0] + DAY}, {"value": 8.0}], 1 + 7),  # the newest known, not the last in the table
        ([{"value": 7.0}, {"value": None}], 1),
        ([{"value": 7.0}, {"value": 2.0, "op": oracle.ADD, "mask": 1}], 1 + 9),
    ],
)
@pytest.mark.parametrize("few", [0, 100])
def test_what_no_row_tells_is_read_as_flat_reads_it(
    store: Store, later: list[dict[str, Any]], total: float, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the first quarter tells of the first point; the cells of the last hours are worked out live."""
    monkeypatch.setattr(sink.rollups, "FEW_MAX", few)
    selection, whose, night = one_series()
    at = night + DAY - 2 * BASE
    layers = [layer(whose, night, 1.0)] + [layer(whose, at, 0.0) | {"version": number} | given for number, given in enumerate(later, 2)]
    for one in [*layers, *reversed(layers)]:  # whichever way the blocks are read, the oldest comes last
        store.insert("points", layers_table([one]))
    row = whose | {"step_seconds": 900, "bucket": night, "until": night + 3 * DAY // 4, "covers": 2 << 20} | whole([(night, 1.0)])
    store.insert("rollups", table_of(ROLLUPS, [row]))
    assert sums(store, selection) == [total]
    gone = whose | {"version": 50, "from": at, "until": at + 1, "known_time": night, "recorded_time": night, "cause": "deleted"}
    store.insert("deletions", table_of(DELETIONS, [gone]))
    assert sums(store, selection) == [1.0]


@pytest.mark.parametrize("clusters", [1, 4])
def test_gaps_on_both_sides_of_a_row_do_not_count_it_twice(store: Store, clusters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink.rollups, "CLUSTERS_MAX", clusters)
    selection, whose, night = one_series()
    points_ = [(night + quarter * DAY // 4 + BASE, 10.0**quarter) for quarter in range(4)]
    store.insert("points", layers_table([layer(whose, at, value) | {"version": 1 + number} for number, (at, value) in enumerate(points_)]))
    row = whose | {"step_seconds": 900, "bucket": points_[1][0], "until": night + 3 * DAY // 4, "covers": 2 << 20}
    store.insert("rollups", table_of(ROLLUPS, [row | whole([(points_[1][0], 1000.0)])]))
    middle = replace(selection, until=night + 7 * DAY // 8)
    assert sums(store, middle) == [1 + 1000 + 1000]  # what it says instead of 10, and that there is no 100


def test_a_grid_that_cuts_base_buckets_is_worked_out_live(store: Store) -> None:
    selection, whose, night = one_series()
    times = [(night, 1.0), (night + DAY * 3 // 4 + 16 * MINUTE, 10.0), (night + DAY * 3 // 4 + 21 * MINUTE, 100.0)]
    store.insert("points", layers_table([layer(whose, at, value) | {"version": 1 + number} for number, (at, value) in enumerate(times)]))
    row = whose | {"step_seconds": 900, "bucket": night, "until": night + DAY * 3 // 4, "covers": 2 << 20} | whole(times[:1])
    store.insert("rollups", table_of(ROLLUPS, [row]))
    assert sums(store, selection, grid_of(Period(20, "min"), "UTC", night, night + DAY)) == [1, 10, 100]


def test_text_is_refused_and_no_series_is_no_rows(store: Store) -> None:
    selection, _, _ = one_series()
    with pytest.raises(Incorrect, match="text"):
        sums(store, replace(selection, value_types=frozenset({"text"})))
    with pytest.raises(Incorrect, match="series"):
        sums(store, replace(selection, series=None))
    assert sums(store, replace(selection, series=())) == []
    assert sums(store, selection, Grid(np.array([selection.from_ or 0]))) == []
