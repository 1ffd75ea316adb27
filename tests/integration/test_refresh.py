"""Refresh over a real store: whatever came, was refreshed and is read, at whatever watermark and in whatever order, a stored row
that a read uses is the aggregate of the oracle's flat read, and nothing is told of what a gap must tell (I8)."""

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import sink.queries.refresh
import sink.refresh
from sink.queries.query import Query
from sink.queries.refresh import settled
from sink.queries.selection import Selection
from sink.refresh import Refresh
from sink.store import Store
from sink.stored import stored
from sink.watermark import Watermarks
from streams.aggregate import AGGREGATE, aggregated, merged
from streams.points import DELETIONS, ROLLUPS, STALE, STEPS
from tests import oracle
from tests.cases import cases
from tests.conftest import wait_until
from tests.store_rows import NO_RUN, layers_table, opened, table_of
from varve.clock import SystemClock
from varve.errors import Unavailable
from varve.instants import EARLIEST, LATEST, NS_PER_SECOND
from varve.position import version_of
from varve.series import partition_of

Row = dict[str, Any]
PARTITIONS = 2
COUNT_MIN = 2  # instead of 8, so that few layers make a row
BASE, DAY = (step * NS_PER_SECOND for step in STEPS)
ORIGIN = 1_743_206_400 * NS_PER_SECOND  # 2025-03-29
SLOTS = (0, 1, 2, 3, 95, 96, 97, 191, 192, 193, 288)
TIMES = [ORIGIN + slot * BASE + late for slot in SLOTS for late in (0, 1, BASE // 2)]
SPAN = (ORIGIN, ORIGIN + 4 * DAY)
_tenants = itertools.count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("refresh"))


@pytest.fixture(autouse=True)
def few_values_make_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink.queries.refresh, "ROLLUP_COUNT_MIN", COUNT_MIN)


@dataclass
class Fold:
    """What the fold promises, said simply: rows for buckets that appends close, marks for whatever changes behind the open bucket."""

    tenant: uuid.UUID
    layers: list[Row] = field(default_factory=list)
    deletions: list[Row] = field(default_factory=list)
    newest: dict[uuid.UUID, int] = field(default_factory=dict)

    def record(self, offset: int, events: list[Row], exact: bool) -> dict[str, list[Row]]:
        """Its rows by table. exact: the aggregates of buckets that close are known; else they are marked."""
        made: dict[str, list[Row]] = {"points": [], "deletions": [], "stale": [], "rollups": []}
        closed: set[tuple[uuid.UUID, int, int]] = set()
        for at, one in enumerate(events):
            ident, own = one["series_id"], {"version": version_of(offset, at), "tenant": self.tenant}
            row = one | own | {"partition": partition_of(one["series_id"], PARTITIONS), "recorded_time": ORIGIN}
            newest = self.newest.get(ident)
            last = {
                "tenant": self.tenant,
                "series_id": ident,
                "partition": row["partition"],
                "version": version_of(offset, len(events) - 1),
            }
            if "from" in one:
                made["deletions"].append(row)
                if newest is not None and one["from"] < newest // BASE * BASE:
                    ends = min(one["until"], newest // BASE * BASE)
                    made["stale"].append(last | {"from": one["from"] // BASE * BASE, "until": -(-ends // BASE) * BASE})
                if (one["from"], one["until"]) == (EARLIEST, LATEST):
                    self.newest.pop(ident, None)
                    closed = {item for item in closed if item[0] != ident}
                continue
            made["points"].append(row)
            valid = one["valid_time"]
            if newest is not None and valid // BASE < newest // BASE:
                made["stale"].append(last | {"from": valid // BASE * BASE, "until": (valid // BASE + 1) * BASE})
            elif newest is not None:
                closed |= {(ident, step, newest // step * step) for step in (BASE, DAY) if valid // step > newest // step}
            self.newest[ident] = valid if newest is None else max(newest, valid)
        self.layers += made["points"]
        self.deletions += made["deletions"]
        for ident, step, bucket in sorted(closed, key=str):
            own = {"tenant": self.tenant, "series_id": ident, "partition": partition_of(ident, PARTITIONS)}
            if exact:
                made["rollups"] += self.row(own, step, bucket, offset, version_of(offset, len(events) - 1))
            else:
                made["stale"].append(own | {"from": bucket, "until": bucket + BASE, "version": version_of(offset, len(events) - 1)})
        return made

    def row(self, own: Row, step: int, bucket: int, offset: int, covers: int) -> list[Row]:
        ident = own["series_id"]
        points = self.flat(Selection(self.tenant, (offset + 1,) * PARTITIONS, (ident,)))
        within = whole(points, [(bucket, bucket + step)], 1)[0]
        later = [at // step * step for _, at, _ in points if at >= bucket + step]
        until = min([*later, self.newest[ident] // step * step])
        fields = {name: within[name].item() for name in AGGREGATE.names or ()}
        row = own | {"step_seconds": step // NS_PER_SECOND, "bucket": bucket, "until": until, "covers": covers} | fields
        return [row] if within["count"] >= COUNT_MIN else []

    def flat(self, selection: Selection) -> list[tuple[int, int, float]]:
        """(index of series, valid_time, value) of points that are not null, in that order."""
        assert selection.series is not None
        rows = [row for row in oracle.flat(self.layers, selection, self.deletions) if row["value"] is not None]
        return sorted((selection.series.index(row["series_id"]), row["valid_time"], row["value"]) for row in rows)


def whole(points: list[tuple[int, int, float]], spans: list[tuple[int, int]], series: int) -> np.ndarray:
    """AGGREGATE[series * spans]: of the points in each span."""
    found = [(index * len(spans) + n, at, value) for index, at, value in points for n, (low, high) in enumerate(spans) if low <= at < high]
    table = np.array(sorted(found), [("group", np.intp), ("at", np.int64), ("value", np.float64)])
    return aggregated(table["group"], series * len(spans), table["at"], table["value"])


@st.composite
def events(draw: st.DrawFn, series: list[uuid.UUID]) -> list[Row]:
    found: list[Row] = []
    for _ in range(draw(st.integers(1, 5))):
        ident = draw(st.sampled_from(series))
        known = {"series_id": ident, "known_time": ORIGIN - draw(st.sampled_from((0, 0, 0, 1)))}
        if draw(st.integers(0, 5)) == 0:
            low = draw(st.sampled_from((EARLIEST, *TIMES)))
            until = draw(st.sampled_from([LATEST, *(at for at in TIMES if at > low)]))
            found.append(known | {"from": low, "until": until, "cause": "deleted"})
        else:
            value = draw(st.sampled_from((None, 1.0, 2.0, -3.0, 5.0)))
            op = draw(st.sampled_from((0, 0, 0, 1, 2))) if value is not None else draw(st.sampled_from((0, 2)))
            mask = {0: 15, 1: 1, 2: draw(st.sampled_from((1, 3, 2)))}[op]
            row = {"valid_time": draw(st.sampled_from(TIMES)), "op": op, "mask": mask, "value": value, "run_id": NO_RUN}
            found.append(known | row | {"text": None, "annotation": None, "tags": [], "valid_time_end": None, "changed_by": ""})
    return found


@settings(max_examples=cases(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=st.data())
def test_no_read_ever_uses_a_wrong_row(store: Store, drawn: st.DataObject) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    series = [next(ident for ident in names(tenant) if partition_of(ident, PARTITIONS) == at) for at in range(PARTITIONS)]
    fold, oldest = Fold(tenant), 0
    for offset in range(drawn.draw(st.integers(1, 6))):
        made = fold.record(offset, drawn.draw(events(series)), drawn.draw(st.booleans()))
        for _ in range(drawn.draw(st.integers(1, 2))):  # a redelivery is a block of its own
            insert(store, made)
        for _ in range(drawn.draw(st.integers(0, 2))):
            refresher(store, drawn.draw(watermarks(oldest, offset + 1))).step()
        if drawn.draw(st.integers(0, 4)) == 0:
            oldest = offset + 1  # nothing older runs when removed marks are forgotten
            forget(store, (oldest,) * PARTITIONS)
        check(store, fold, drawn.draw(watermarks(0, offset + 1)), series, drawn.draw(st.sampled_from((BASE, 4 * BASE, DAY))))
        check(store, fold, (offset + 1,) * PARTITIONS, series, drawn.draw(st.sampled_from((BASE, DAY))))


def names(tenant: uuid.UUID) -> Iterator[uuid.UUID]:
    return (uuid.uuid5(tenant, str(number)) for number in itertools.count())


def watermarks(low: int, high: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * PARTITIONS)


def refresher(store: Store, watermark: tuple[int, ...]) -> Refresh:
    found = Watermarks(PARTITIONS)
    for partition, offset in enumerate(watermark):
        found.advance(partition, offset)
    return Refresh(store, found, SystemClock(), 1.0)


def forget(store: Store, watermark: tuple[int, ...]) -> None:
    """Removed marks go, so that nothing but the rows themselves can be right or wrong."""
    store.change(Query("OPTIMIZE TABLE stale FINAL"))
    store.change(settled(watermark))


def insert(store: Store, made: dict[str, list[Row]]) -> None:
    tables: dict[str, Any] = {"deletions": DELETIONS, "stale": STALE, "rollups": ROLLUPS}
    for name, rows in made.items():
        if rows:
            store.insert(name, layers_table(rows) if name == "points" else table_of(tables[name], rows))


def check(store: Store, fold: Fold, watermark: tuple[int, ...], series: list[uuid.UUID], step: int) -> None:
    """Stored rows and the points in the gaps make up the aggregates of all points."""
    selection = Selection(fold.tenant, watermark, tuple(series), *SPAN)
    edges = np.arange(SPAN[0], SPAN[1] + 1, step, dtype=np.int64)
    spans = list(itertools.pairwise(edges.tolist()))
    found, points = stored(store, selection, edges), fold.flat(selection)
    gaps = list(zip(found.gaps.series.tolist(), found.gaps.from_.tolist(), found.gaps.until.tolist(), strict=True))
    live = [one for one in points if any(index == one[0] and low <= one[1] < high for index, low, high in gaps)]
    cell = found.series * len(spans) + np.searchsorted(edges, found.bucket, "right") - 1
    event(f"rows used: {bool(len(cell))}, older watermark: {len(set(watermark)) > 1}")
    singles = [whole([one], spans, len(series)) for one in live]
    parts = np.concatenate([found.aggregate, *(one[one["count"] > 0] for one in singles)])
    cells = np.concatenate([cell, *(np.flatnonzero(one["count"] > 0) for one in singles)]).astype(np.intp)
    order = np.lexsort((parts["first_time"], cells))
    got, wanted = merged(cells[order], len(spans) * len(series), parts[order]), whole(points, spans, len(series))
    for name in AGGREGATE.names or ():
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-9, atol=1e-9, err_msg=name)


def late_rows(tenant: uuid.UUID, ident: uuid.UUID, offset: int, slots: range, newest: int, each: int = 4) -> dict[str, list[Row]]:
    """Some values in each slot, late behind `newest`, with their marks; and one at `newest`."""
    own = {"tenant": tenant, "series_id": ident, "partition": partition_of(ident, PARTITIONS)}
    plain = {"known_time": ORIGIN, "recorded_time": ORIGIN, "op": 0, "mask": 15, "run_id": NO_RUN, "changed_by": "", "tags": []}
    times = [ORIGIN + slot * BASE + at for slot in slots for at in range(each)] + [newest]
    points = [own | plain | {"version": version_of(offset, at), "valid_time": time, "value": 1.0} for at, time in enumerate(times)]
    mark = {"from": ORIGIN + slots.start * BASE, "until": ORIGIN + slots.stop * BASE, "version": version_of(offset, len(times))}
    return {"points": points, "stale": [own | mark]}


def mark_over(tenant: uuid.UUID, ident: uuid.UUID, offset: int, slots: range) -> Row:
    span = {"from": ORIGIN + slots.start * BASE, "until": ORIGIN + slots.stop * BASE, "version": version_of(offset)}
    return {"tenant": tenant, "series_id": ident, "partition": partition_of(ident, PARTITIONS)} | span


def gap_slots(store: Store, tenant: uuid.UUID, ident: uuid.UUID, watermark: int) -> set[int]:
    """Of the first ten."""
    edges = np.arange(ORIGIN, ORIGIN + 10 * BASE + 1, BASE, dtype=np.int64)
    found = stored(store, Selection(tenant, (watermark,) * PARTITIONS, (ident,), ORIGIN, ORIGIN + 10 * BASE), edges).gaps
    spans = zip(found.from_.tolist(), found.until.tolist(), strict=True)
    return {slot for low, high in spans for slot in range((low - ORIGIN) // BASE, (high - ORIGIN) // BASE)}


def told(store: Store, tenant: uuid.UUID, series: list[uuid.UUID], watermark: int, step: int) -> tuple[int, int]:
    """Rows used, and the values in them."""
    edges = np.arange(SPAN[0], SPAN[1] + 1, step, dtype=np.int64)
    found = stored(store, Selection(tenant, (watermark,) * PARTITIONS, tuple(series), *SPAN), edges)
    return len(found.bucket), int(found.aggregate["count"].sum())


def active(store: Store, tenant: uuid.UUID) -> int:
    sql = """SELECT count() AS marks FROM (
  SELECT 1 FROM stale WHERE tenant = {tenant:UUID} GROUP BY series_id, `from`, until, version HAVING max(removed) = 0)"""
    return int(store.rows(Query(sql, {"tenant": tenant}))[0]["marks"])


def test_a_refreshed_span_is_read_from_rows_of_both_levels_until_a_new_mark(store: Store) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    series = [uuid.uuid5(tenant, str(number)) for number in range(3)]
    for ident in series:
        insert(store, late_rows(tenant, ident, 0, range(8), ORIGIN + DAY + BASE))
    assert told(store, tenant, series, 1, BASE) == (0, 0)
    refresh = refresher(store, (1, 1))
    assert refresh.step() >= 3
    assert active(store, tenant) == 0
    assert refresh.step() == 0
    assert told(store, tenant, series, 1, BASE) == (24, 96)
    assert told(store, tenant, series, 1, DAY) == (3, 96)
    insert(store, late_rows(tenant, series[0], 1, range(2, 3), ORIGIN + DAY + BASE))
    assert told(store, tenant, series, 1, DAY) == (3, 96), "a read at the older watermark does not see the mark"
    assert told(store, tenant, series, 2, BASE) == (23, 92)
    refresher(store, (2, 2)).step()
    assert told(store, tenant, series, 2, BASE) == (24, 96)
    assert told(store, tenant, series, 1, BASE) == (23, 92), "superseded by rows that know more than this read may"


def test_a_row_that_reaches_into_the_span_is_superseded(store: Store) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    ident = uuid.uuid5(tenant, "a")
    insert(store, late_rows(tenant, ident, 0, range(1), ORIGIN + 9 * BASE))
    insert(store, {"stale": [mark_over(tenant, ident, 0, range(9))]})
    refresher(store, (1, 1)).step()
    assert told(store, tenant, [ident], 1, BASE) == (1, 4), "it tells that there is nothing up to the open bucket"
    insert(store, late_rows(tenant, ident, 1, range(5, 6), ORIGIN + 9 * BASE, each=1))
    refresher(store, (2, 2)).step()
    forget(store, (2, 2))
    assert gap_slots(store, tenant, ident, 2) == {5, 6, 7, 8, 9}, "one value makes no row"


def test_a_row_whose_values_were_deleted_is_superseded(store: Store) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    ident = uuid.uuid5(tenant, "a")
    insert(store, late_rows(tenant, ident, 0, range(4), ORIGIN + 9 * BASE))
    refresher(store, (1, 1)).step()
    assert told(store, tenant, [ident], 1, BASE) == (4, 16)
    mark = mark_over(tenant, ident, 1, range(1, 3))
    insert(store, {"deletions": [mark | {"known_time": ORIGIN, "recorded_time": ORIGIN}], "stale": [mark]})
    refresher(store, (2, 2)).step()
    forget(store, (2, 2))
    assert told(store, tenant, [ident], 2, BASE) == (2, 8)
    assert gap_slots(store, tenant, ident, 2) == set(range(4, 10))


def test_nothing_is_told_at_or_beyond_the_open_bucket(store: Store) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    ident = uuid.uuid5(tenant, "a")
    insert(store, late_rows(tenant, ident, 0, range(4), ORIGIN + 3 * BASE + 9))
    insert(store, {"stale": [mark_over(tenant, ident, 0, range(9))]})
    refresher(store, (1, 1)).step()
    assert told(store, tenant, [ident], 1, BASE) == (3, 12)
    assert gap_slots(store, tenant, ident, 1) == set(range(3, 10)), "the fold appends there without marks"
    assert active(store, tenant) == 0


def test_a_large_span_is_worked_off_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    series = [uuid.uuid5(tenant, str(number)) for number in range(3)]
    for ident in series:
        insert(store, late_rows(tenant, ident, 0, range(3 * 96), SPAN[1] - 1))
    monkeypatch.setattr(sink.refresh, "POINTS_MAX", 4 * 96)
    refresher(store, (1, 1)).step()
    assert told(store, tenant, series, 1, BASE) == (3 * 288, 3 * 288 * 4)
    assert told(store, tenant, series, 1, DAY) == (9, 3 * 288 * 4)


def test_marks_of_other_partitions_are_left_alone(store: Store) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    series = [uuid.uuid5(tenant, str(number)) for number in range(8)]
    own = [ident for ident in series if partition_of(ident, PARTITIONS) == 1]
    assert 0 < len(own) < len(series)
    for ident in series:
        insert(store, late_rows(tenant, ident, 0, range(2), ORIGIN + BASE * 9))
    marks = Watermarks(PARTITIONS)
    for partition in range(PARTITIONS):
        marks.advance(partition, 1)
    Refresh(store, marks, SystemClock(), 1.0, {1}).step()
    assert active(store, tenant) == len(series) - len(own)


def test_removed_marks_are_forgotten_when_nothing_old_can_still_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    insert(store, late_rows(tenant, uuid.uuid5(tenant, "a"), 0, range(4), ORIGIN + BASE * 9))
    monkeypatch.setattr(sink.refresh, "REMOVED_MAX", 0)
    clock = Hands()
    marks = Watermarks(PARTITIONS)
    for partition in range(PARTITIONS):
        marks.advance(partition, 1)
    refresh = Refresh(store, marks, clock, 1.0)
    refresh.step()
    kept = []
    for _ in range(3):
        refresh.settle()
        kept.append(int(store.rows(Query("SELECT count() AS n FROM stale WHERE tenant = {tenant:UUID}", {"tenant": tenant}))[0]["n"]) > 0)
        clock.seconds += sink.refresh.SETTLE_SECONDS
    assert kept == [True, True, False]


class Hands(SystemClock):
    """A clock that somebody moves."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_it_runs_beside_the_sink_comes_back_after_an_outage_and_stops(store: Store) -> None:
    tenant = uuid.UUID(int=next(_tenants) << 64 | 9)
    insert(store, late_rows(tenant, uuid.uuid5(tenant, "a"), 0, range(4), ORIGIN + BASE * 9))

    async def scenario() -> None:
        marks = Watermarks(PARTITIONS)
        for partition in range(PARTITIONS):
            marks.advance(partition, 1)
        failing = Failing(store)
        running = asyncio.create_task(Refresh(failing, marks, SystemClock(), 0.01).run())  # type: ignore[arg-type]
        await asyncio.to_thread(wait_until, lambda: active(store, tenant) == 0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert failing.failed

    asyncio.run(asyncio.wait_for(scenario(), 60))


class Failing:
    """The store, which does not answer the first statement."""

    def __init__(self, store: Store) -> None:
        self._store, self.failed = store, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def arrow(self, query: Query) -> pa.Table:
        if not self.failed:
            self.failed = True
            raise Unavailable("store-unavailable", "the store is away")
        return self._store.arrow(query)
