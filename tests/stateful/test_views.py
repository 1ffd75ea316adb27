"""Every read shape over a real store equals the oracle, whatever layers and deletions arrived, in whatever blocks, however often."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from sink.queries.flat import FLAT
from sink.queries.history import HISTORY
from sink.queries.latest import LATEST
from sink.queries.layers import ALWAYS, View
from sink.queries.overlapping import OVERLAPPING
from sink.queries.relative import DaysBefore, Lead, relative
from sink.queries.selection import Selection
from sink.queries.shape import Shape, probe
from sink.reads import page_of
from sink.store import Store
from streams.points import DELETIONS
from tests import oracle
from tests.cases import cases
from tests.store_rows import NO_RUN, layers_table, opened, rows_of, table_of
from varve.instants import EARLIEST, parse_instant
from varve.instants import LATEST as LATEST_INSTANT
from varve.position import version_of
from varve.series import partition_of

PARTITIONS = 3
HOUR = 3600 * 10**9
DAY = 24 * HOUR
NOON = 1_743_249_600 * 10**9  # 2025-03-29T12:00:00Z, the day before Europe's clocks go forward
VALID = (EARLIEST, NOON, NOON + 1, NOON + HOUR, NOON + DAY, NOON + 2 * DAY, LATEST_INSTANT)
KNOWN = (-HOUR, NOON - DAY, NOON - HOUR, NOON, NOON + HOUR, NOON + DAY)
RUNS = (NO_RUN, uuid.UUID(int=1), uuid.UUID(int=2))
_tenants = itertools.count(1)
Answer = Callable[[list[oracle.Layer], Selection, list[oracle.Deletion]], list[oracle.Layer]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("views"))


@st.composite
def written(draw: st.DrawFn, ops: tuple[int, ...], deletions_max: int) -> tuple[list[oracle.Layer], list[oracle.Deletion]]:
    """Layers and deletions of a few series, in many cells or in few; recorded_time rises with the version (I4)."""
    tenant = uuid.UUID(int=next(_tenants))
    series = [uuid.uuid5(tenant, str(number)) for number in range(draw(st.integers(1, 3)))]
    instants = draw(st.just(VALID) | st.lists(st.sampled_from(VALID), min_size=1, max_size=2, unique=True))
    count, gone = draw(st.integers(6, 14)), draw(st.integers(0, deletions_max))
    versions = [version_of(draw(st.integers(0, 4)), row) for row in range(count + gone)]
    recorded = sorted(draw(st.sampled_from(KNOWN)) for _ in versions)
    rows = []
    for version, at in zip(versions, (recorded[sorted(versions).index(one)] for one in versions), strict=True):
        ident = draw(st.sampled_from(series))
        row = {"tenant": tenant, "series_id": ident, "partition": partition_of(ident, PARTITIONS), "version": version}
        rows.append(
            row | {"known_time": draw(st.sampled_from(KNOWN)), "recorded_time": at, "changed_by": draw(st.sampled_from(("", "eva")))}
        )
    deletions = [row | draw(deleted_span()) for row in rows[count:]]
    found = [row | draw(layer_of(draw(st.sampled_from(ops)), instants)) for row in rows[:count]]
    for one in found:
        if one["op"] == oracle.ADD and draw(st.booleans()):
            one["running"] = running(one, found, deletions)
    return found, deletions


@st.composite
def layer_of(draw: st.DrawFn, op: int, instants: Sequence[int]) -> oracle.Layer:
    layer = {"op": op, "mask": 1, "valid_time": draw(st.sampled_from(instants)), "run_id": draw(st.sampled_from(RUNS))}
    if op == oracle.ADD:
        return layer | oracle.NEVER_SET | {"value": draw(st.sampled_from((0.0, 1.0, -2.5, 2.0**52)))}
    return layer | {
        "mask": draw(st.integers(1, 15)) if op == oracle.UPDATE else 15,
        "value": draw(st.sampled_from((None, 0.0, 1.0, 2.5))),
        "text": draw(st.sampled_from((None, "", "å"))),
        "valid_time_end": draw(st.sampled_from((None, NOON + DAY))),
        "annotation": draw(st.sampled_from((None, "", "checked"))),
        "tags": draw(st.sampled_from(([], ["a"], ["b", "a"]))),
    }


@st.composite
def deleted_span(draw: st.DrawFn) -> oracle.Deletion:
    first, last = sorted((draw(st.integers(0, len(VALID) - 1)), draw(st.integers(0, len(VALID) - 1))))
    return {"from": VALID[first], "until": VALID[last], "cause": "deleted"}


def running(one: oracle.Layer, layers: list[oracle.Layer], deletions: list[oracle.Deletion]) -> float | None:
    """What the fold may know after an add: the cell's value by all before it, if the add sorts last of what is not hidden by then."""
    cell = [other for other in layers if (other["series_id"], other["valid_time"]) == (one["series_id"], one["valid_time"])]
    before = [gone for gone in deletions if gone["version"] < one["version"]]
    there = [other for other in cell if other["version"] <= one["version"] and not any(oracle.hides(gone, other) for gone in before)]
    there.sort(key=lambda other: (other["known_time"], other["version"]))
    return oracle.folded(there)["value"] if there[-1] is one else None


@st.composite
def selections(draw: st.DrawFn, found: list[oracle.Layer]) -> Selection:
    series = sorted({one["series_id"] for one in found})
    known = st.sampled_from(KNOWN)
    bounds: dict[str, st.SearchStrategy[Any]] = {
        "series": st.lists(st.sampled_from(series), max_size=2, unique=True).map(tuple),
        "from_": st.sampled_from(VALID),
        "until": st.sampled_from(VALID),
        "known_from": known,
        "known_until": known,
        "as_of_known": known,
        "as_of_recorded": known,
        "run_id": st.sampled_from(RUNS),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(bounds)), max_size=2))  # all at once would leave nothing to see
    return Selection(
        tenant=found[0]["tenant"],
        watermark=draw(st.just((5,) * PARTITIONS) | st.tuples(*[st.integers(1, 5)] * PARTITIONS)),
        order=draw(st.sampled_from(("series", "time"))),
        value_types=draw(st.sampled_from((frozenset({"number"}), frozenset({"text"}), frozenset({"bool"}), frozenset({"number", "text"})))),
        limit=draw(st.none() | st.integers(1, 4)),
        **{name: draw(bounds[name]) for name in sorted(chosen)},
    ).every_column()


def shapes() -> list[tuple[Shape, Answer, tuple[str, ...], tuple[str, ...]]]:
    """Each shape, its oracle, and its order for order="series" and order="time"."""
    by_cell, by_time = ("series_id", "valid_time"), ("valid_time", "series_id")
    cutoffs: list[tuple[Lead | DaysBefore, Callable[[int], int]]] = [
        (Lead(HOUR), lambda valid: valid - HOUR),
        (Lead(-DAY), lambda valid: valid + DAY),
        (DaysBefore(1, 12 * 3600, "Europe/Stockholm"), day_before(1, 12, 0, "Europe/Stockholm")),
        (DaysBefore(0, 2 * 3600 + 1800, "Europe/Stockholm"), day_before(0, 2, 30, "Europe/Stockholm")),
    ]
    return [
        (FLAT, oracle.flat, by_cell, by_time),
        (OVERLAPPING, oracle.overlapping, (*by_cell, "known_time"), ("known_time", *by_time)),
        (HISTORY, oracle.history, (*by_cell, "known_time", "version"), (*by_time, "known_time", "version")),
        (LATEST, oracle.latest, by_cell, by_time),
        *(
            (relative(cutoff), lambda found, s, gone, limit=limit: oracle.relative(found, s, limit, gone), by_cell, by_time)
            for cutoff, limit in cutoffs
        ),
    ]


def day_before(days: int, hour: int, minute: int, zone: str) -> Callable[[int], int]:
    def limit(valid: int) -> int:
        local = datetime.fromtimestamp(valid // 10**9, ZoneInfo(zone)) - timedelta(days=days)
        at = datetime(local.year, local.month, local.day, hour, minute, tzinfo=ZoneInfo(zone))
        return int(at.astimezone(UTC).timestamp()) * 10**9

    return limit


KINDS = {
    "full-sets": ((oracle.SET,), 0),
    "full-sets-deleted": ((oracle.SET,), 3),
    "partial-updates": ((oracle.SET, oracle.UPDATE), 0),
    "adds": ((oracle.SET, oracle.ADD, oracle.ADD, oracle.UPDATE), 0),
    "adds-deleted": ((oracle.SET, oracle.ADD, oracle.ADD, oracle.UPDATE), 3),
    "counters": ((oracle.ADD,), 1),
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=cases(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_every_shape_answers_as_the_oracle_page_by_page(store: Store, drawn: st.DataObject, kind: str) -> None:
    found, gone = drawn.draw(written(*KINDS[kind]))
    insert_in_blocks(store, drawn, found, gone)
    selection = drawn.draw(selections(found))
    event(f"{store.rows(probe(selection))[0]}, rows: {bool(oracle.flat(found, selection, gone))}")
    for shape, answer, by_series, by_time in shapes():
        asked = replace(selection, columns=(*selection.columns, "deleted_time")) if shape is HISTORY else selection
        assert read_pages(store, shape, asked) == expected(answer(found, asked, gone), asked, by_series, by_time), shape.name


@pytest.mark.parametrize("kind", ["full-sets", "full-sets-deleted"])
@settings(max_examples=cases(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_plain_and_folded_queries_agree_where_every_layer_is_a_full_set(store: Store, drawn: st.DataObject, kind: str) -> None:
    found, gone = drawn.draw(written(*KINDS[kind]))
    insert_in_blocks(store, drawn, found, gone)
    selection = drawn.draw(selections(found))
    for shape, *_ in shapes():
        plain = shape.query(selection, View(hiding=bool(gone)))
        assert rows_of(store.arrow(plain)) == rows_of(store.arrow(shape.query(selection, ALWAYS))), shape.name


def insert_in_blocks(store: Store, drawn: st.DataObject, found: list[oracle.Layer], gone: list[oracle.Deletion]) -> None:
    """Two blocks, the second of which repeats rows of the first; all deletions twice."""
    cut = drawn.draw(st.integers(0, len(found)))
    repeated = drawn.draw(st.lists(st.sampled_from(found), max_size=3))
    for block in (found[:cut], found[cut:] + repeated):
        if block:
            store.insert("points", layers_table(block))
        if gone:
            store.insert("deletions", table_of(DELETIONS, gone))


def read_pages(store: Store, shape: Shape, selection: Selection) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _ in range(50):
        page = page_of(store, shape, selection)
        rows += rows_of(store.arrow(page.query))
        if page.after is None:
            return rows
        selection = replace(selection, after=page.after)
    raise AssertionError("the pages do not end")


def expected(rows: list[oracle.Layer], selection: Selection, by_series: tuple[str, ...], by_time: tuple[str, ...]) -> list[dict[str, Any]]:
    order = by_series if selection.order == "series" else by_time
    ordered = sorted(rows, key=lambda row: [sort_key(row[name]) for name in order])
    return [{name: shown(name, row, selection) for name in selection.columns} for row in ordered]


def sort_key(item: Any) -> Any:
    """ClickHouse compares the second half of a UUID first."""
    return (item.int & (1 << 64) - 1, item.int >> 64) if isinstance(item, uuid.UUID) else item


def shown(name: str, row: oracle.Layer, selection: Selection) -> Any:
    match name:
        case "value" if selection.value_types == {"text"}:
            return row["text"]
        case "value" if selection.value_types == {"bool"}:
            return None if row["value"] is None else bool(row["value"])
        case "run_id":
            return None if row["run_id"] == NO_RUN else row["run_id"]
        case _:
            return row[name]


@pytest.mark.parametrize(
    ("cutoff", "valid", "limit"),
    [
        (DaysBefore(1, 12 * 3600, "Europe/Stockholm"), "2025-03-30T12:00:00+00:00", "2025-03-29T11:00:00+00:00"),
        (DaysBefore(0, 12 * 3600, "Europe/Stockholm"), "2025-03-30T12:00:00+00:00", "2025-03-30T10:00:00+00:00"),
        (DaysBefore(1, 12 * 3600, "Europe/Stockholm"), "2025-03-31T12:00:00+00:00", "2025-03-30T10:00:00+00:00"),
        (DaysBefore(0, 9000, "Europe/Stockholm"), "2025-03-30T12:00:00+00:00", "2025-03-30T01:30:00+00:00"),  # skipped
        (DaysBefore(0, 9000, "Europe/Stockholm"), "2025-10-26T12:00:00+00:00", "2025-10-26T00:30:00+00:00"),  # comes twice
        (DaysBefore(1, 0, "Asia/Kathmandu"), "2025-06-01T18:15:00+00:00", "2025-05-31T18:15:00+00:00"),
        (DaysBefore(1, 0, "Asia/Kathmandu"), "2025-06-01T18:14:59+00:00", "2025-05-30T18:15:00+00:00"),
        (Lead(HOUR), "2025-06-01T18:15:00+00:00", "2025-06-01T17:15:00+00:00"),
        (Lead(-HOUR), "2025-06-01T18:15:00+00:00", "2025-06-01T19:15:00+00:00"),
    ],
)
def test_a_cutoff_holds_to_the_nanosecond_on_days_when_clocks_change(
    store: Store, cutoff: DaysBefore | Lead, valid: str, limit: str
) -> None:
    tenant = uuid.UUID(int=next(_tenants))
    ident, at = uuid.uuid5(tenant, "a"), parse_instant(limit)
    layer = {
        "tenant": tenant,
        "series_id": ident,
        "partition": 0,
        "valid_time": parse_instant(valid),
        "recorded_time": at,
        "op": 0,
        "mask": 15,
    }
    store.insert("points", layers_table([layer | {"known_time": at + row, "version": row + 1, "value": float(row)} for row in (0, 1)]))
    (row,) = rows_of(store.arrow(relative(cutoff).query(Selection(tenant, (9,), (ident,)), View())))
    assert row["value"] == 0.0
