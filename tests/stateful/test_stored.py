"""Which stored rollup rows a read may use, and the gaps between them, equal an oracle that looks at every slot by itself."""

import itertools
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import sink.stored
from sink.queries.selection import Selection
from sink.store import Store
from sink.stored import Stored, stored
from streams.points import ROLLUPS, STALE
from tests.cases import cases
from tests.store_rows import opened, table_of
from varve.instants import EARLIEST, LATEST, NS_PER_SECOND
from varve.series import partition_of

Row = dict[str, Any]
PARTITIONS = 2
BASE, DAY = 900 * NS_PER_SECOND, 86_400 * NS_PER_SECOND
SLOTS = 3 * 96  # three days
ORIGINS = (EARLIEST, 1_743_206_400 * NS_PER_SECOND, (LATEST - SLOTS * BASE) // DAY * DAY)  # the second: 2025-03-29
NEAR_SLOTS = (0, 1, 2, 4, 8, 95, 96, 97, 100, 191, 192, 193, 196, 287, 288)
_tenants = itertools.count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("stored"))


def slots() -> st.SearchStrategy[int]:
    return st.sampled_from(NEAR_SLOTS)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], list[Row], Selection, np.ndarray]:
    tenant, origin = uuid.UUID(int=next(_tenants) << 64 | 7), draw(st.sampled_from(ORIGINS))
    series = [uuid.uuid5(tenant, str(number)) for number in range(3)]
    rows: list[Row] = []
    marks: list[Row] = []
    for _ in range(draw(st.integers(0, 25))):
        ident, step = draw(st.sampled_from(series)), draw(st.sampled_from((900, 900, 86_400)))
        width = step // 900
        slot = min(draw(slots()), SLOTS - 1) // width * width
        rows.append(
            of_series(tenant, ident)
            | {
                "step_seconds": step,
                "bucket": origin + slot * BASE,
                "until": origin
                + draw(st.just(slot) | st.sampled_from([slot + width, *(end for end in NEAR_SLOTS if end > slot + width)])) * BASE,
                "covers": draw(st.integers(0, 5)) << 20 | draw(st.integers(0, 2)),
                "count": draw(st.sampled_from((0, 8))),
                "sum": float(len(rows) + 1),
            }
        )
    for _ in range(draw(st.integers(0, 4))):
        from_ = draw(slots().filter(lambda slot: slot < SLOTS))
        mark = {
            "from": origin + from_ * BASE,
            "until": draw(st.just(LATEST) | st.sampled_from([origin + end * BASE for end in NEAR_SLOTS if end > from_])),
            "version": draw(st.integers(0, 5)) << 20 | draw(st.integers(1, 2)),
            "removed": draw(st.integers(0, 1)),
        }
        marks.append(of_series(tenant, draw(st.sampled_from(series))) | mark)
    nudge = st.sampled_from((0, 0, 1, BASE // 2))
    ends = sorted({origin + draw(slots()) * BASE + draw(nudge) for _ in range(2)} | {origin + SLOTS * BASE})
    selection = Selection(
        tenant,
        tuple(draw(st.integers(0, 6)) for _ in range(PARTITIONS)),
        tuple(draw(st.permutations(series))[: draw(st.integers(1, 3))]),
        min(ends[0], LATEST - 1),
        min(ends[-1], LATEST),
    )
    step, shift = draw(st.sampled_from(((BASE, 0), (4 * BASE, 0), (4 * BASE, BASE), (DAY, 0), (DAY, 4 * BASE), (2 * DAY, BASE), (700, 0))))
    return rows, marks, selection, edges_over(selection, step if step > 700 else BASE * 5 // 2, origin - shift)


def edges_over(selection: Selection, step: int, origin: int) -> np.ndarray:
    assert selection.from_ is not None
    assert selection.until is not None
    first, last = (selection.from_ - origin) // step, -((origin - selection.until) // step)
    return np.array([max(EARLIEST, min(LATEST, origin + at * step)) for at in range(first, last + 1)], np.int64)


def of_series(tenant: uuid.UUID, ident: uuid.UUID) -> Row:
    return {"tenant": tenant, "series_id": ident, "partition": partition_of(ident, PARTITIONS)}


def expected(rows: list[Row], marks: list[Row], selection: Selection, edges: np.ndarray) -> tuple[list[Any], list[Any]]:
    """(series, bucket, sum) of the rows used, and (series, slot start) of the slots that no row tells about."""
    assert selection.series is not None
    assert selection.from_ is not None
    assert selection.until is not None
    used, open_ = [], []
    for index, ident in enumerate(selection.series):
        limit = selection.watermark[partition_of(ident, PARTITIONS)] << 20
        told: set[int] = set()
        for step in (DAY, BASE):
            new: set[int] = set()
            for row in highest([row for row in rows if row["series_id"] == ident and row["step_seconds"] * NS_PER_SECOND == step]):
                if usable(row, [mark for mark in marks if mark["series_id"] == ident], limit, step, selection, edges):
                    if row["bucket"] in told:
                        continue
                    new |= set(range(row["bucket"], min(row["until"], selection.until), BASE))
                    used += [(index, row["bucket"], row["sum"])] if row["count"] else []
            told |= new
        first = selection.from_ // BASE * BASE
        open_ += [(index, slot) for slot in range(first, selection.until, BASE) if slot not in told]
    return sorted(used), open_


def highest(rows: list[Row]) -> list[Row]:
    return list({row["bucket"]: row for row in sorted(rows, key=lambda row: row["covers"])}.values())


def usable(row: Row, marks: list[Row], limit: int, step: int, selection: Selection, edges: np.ndarray) -> bool:
    assert selection.from_ is not None
    assert selection.until is not None
    ends = row["bucket"] + step
    newer = [
        mark
        for mark in marks
        if row["covers"] < mark["version"] < limit and mark["from"] < min(row["until"], selection.until) and mark["until"] > row["bucket"]
    ]
    within = selection.from_ <= row["bucket"] and ends <= selection.until
    uncut = not any(row["bucket"] < int(edge) < ends for edge in edges)
    return row["until"] >= ends and row["covers"] <= limit and within and uncut and not newer


def found(answer: Stored, selection: Selection) -> tuple[list[Any], list[Any]]:
    assert selection.from_ is not None
    assert selection.until is not None
    rows = zip(answer.series.tolist(), answer.bucket.tolist(), answer.aggregate["sum"].tolist(), strict=True)
    spans = list(zip(answer.gaps.series.tolist(), answer.gaps.from_.tolist(), answer.gaps.until.tolist(), strict=True))
    for _, from_, until in spans:
        assert selection.from_ <= from_ < until <= selection.until
        assert (from_ % BASE == 0 or from_ == selection.from_) and (until % BASE == 0 or until == selection.until)
    listed = list(rows)
    assert listed == sorted(listed)
    return listed, [(series, slot) for series, from_, until in spans for slot in range(from_ // BASE * BASE, until, BASE)]


def distinct(rows: list[Row]) -> list[Row]:
    """One row of a bucket and covers: equal ones say the same."""
    return list({(row["series_id"], row["step_seconds"], row["bucket"], row["covers"]): row for row in rows}.values())


@settings(max_examples=cases(80), deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_the_rows_used_and_the_gaps_are_those_of_the_oracle(store: Store, drawn: st.DataObject) -> None:
    rows, marks, selection, edges = drawn.draw(worlds())
    assert selection.from_ is not None
    assert selection.until is not None
    if selection.from_ >= selection.until:
        return
    rows = distinct(rows)
    cut = drawn.draw(st.integers(0, len(rows)))
    for block in (rows[:cut], rows[cut:] + rows[:cut][:2]):
        if block:
            store.insert("rollups", table_of(ROLLUPS, block))
    if marks:
        removed = [one["removed"] for one in marks]
        store.insert("stale", table_of(STALE, marks))
        again = table_of(STALE, [mark for mark, gone in zip(marks, removed, strict=True) if gone])
        if again.num_rows:
            store.insert("stale", again.append_column("removed", [[1] * again.num_rows]))
    used, open_ = expected(rows, marks, selection, edges)
    event(f"rows used: {bool(used)}, gaps: {bool(open_)}")
    assert found(stored(store, selection, edges), selection) == (used, open_)


def test_too_many_marks_make_a_series_one_gap(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 7)
    one, other = (uuid.uuid5(tenant, name) for name in "ab")
    origin, covers = ORIGINS[1], 1 << 20
    full = [
        {"step_seconds": 900, "bucket": origin + at * BASE, "until": origin + (at + 1) * BASE, "covers": covers, "count": 8}
        for at in range(8)
    ]
    store.insert("rollups", table_of(ROLLUPS, [of_series(tenant, ident) | row for ident in (one, other) for row in full]))
    stale = [{"from": origin + at * BASE, "until": origin + (at + 1) * BASE, "version": covers + 1} for at in (0, 7)]
    store.insert("stale", table_of(STALE, [of_series(tenant, one) | mark for mark in stale]))
    selection = Selection(tenant, (2, 2), (one, other), origin, origin + 8 * BASE)
    edges = np.arange(9, dtype=np.int64) * BASE + origin
    few = stored(store, selection, edges)
    assert few.series.tolist() == [0] * 6 + [1] * 8
    assert few.gaps.from_.tolist() == [origin, origin + 7 * BASE]
    monkeypatch.setattr(sink.stored, "MARKS_MAX", 1)
    many = stored(store, selection, edges)
    assert many.series.tolist() == [1] * 8
    assert list(zip(many.gaps.series, many.gaps.from_, many.gaps.until, strict=True)) == [(0, origin, origin + 8 * BASE)]
    assert not len(stored(store, replace(selection, watermark=(0, 0)), edges).series)
