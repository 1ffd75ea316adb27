"""The whole way from events to answers: whatever is written, incremented, updated, deleted, rewritten, sent again or delivered twice,
and whenever refresh runs, the real fold and the real store answer flat, overlapping, history, latest and rollups, as of any watermark
and any known or recorded time, as the oracles do from a ledger of plain lists (I1, I3, I8, I9)."""

import itertools
import uuid
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import event as note
from hypothesis import strategies as st

import sink.queries.refresh
from sink.functions import parse_function
from sink.periods import grid_of, parse_period
from sink.queries.flat import FLAT
from sink.queries.history import HISTORY
from sink.queries.latest import LATEST as NEWEST
from sink.queries.overlapping import OVERLAPPING
from sink.queries.selection import Selection
from sink.reads import page_of
from sink.refresh import Refresh
from sink.rollups import rollup
from sink.rows import TARGETS
from sink.store import Store
from sink.watermark import Watermarks
from streams import buckets
from streams.fold import fold
from streams.state import PartitionState
from tests import oracle
from tests.cases import cases
from tests.ledger import DAY, MINUTE, NOON, SECOND, SERIES, Event, Ledger, logs, record_of
from tests.rollup_oracle import FUNCTIONS, rolled
from tests.store_rows import opened, rows_of
from varve.clock import SystemClock
from varve.codec import decode, encode
from varve.instants import LATEST

_tenants = itertools.count(1)
ZONES = ("UTC", "America/Denver", "Asia/Kathmandu", "Europe/Stockholm")
PERIODS = ("5min", "15min", "1hour", "6hour", "1day", "1week", "1month")
SHAPES = (
    (FLAT, oracle.flat, ("series_id", "valid_time")),
    (OVERLAPPING, oracle.overlapping, ("series_id", "valid_time", "known_time")),
    (HISTORY, oracle.history, ("series_id", "valid_time", "known_time", "version")),
    (NEWEST, oracle.latest, ("series_id", "valid_time")),
)
SHOWN = ("series_id", "valid_time", "known_time", "recorded_time", "value", "annotation", "version")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("whole"))


@pytest.fixture(autouse=True, scope="module")
def _rows_of_single_points() -> Iterator[None]:
    """Small examples have rollup rows too, by the fold and by refresh."""
    with mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 1), mock.patch.object(sink.queries.refresh, "ROLLUP_COUNT_MIN", 1):
        yield


class System:
    """One partition: the fold, the store and refresh, and the ledger beside them."""

    def __init__(self, store: Store) -> None:
        self.store, self.tenant = store, uuid.UUID(int=next(_tenants))
        self.state, self.ledger, self.offset = PartitionState(0), Ledger(), 0
        self.watermarks = Watermarks(1)
        self.refresh = Refresh(store, self.watermarks, SystemClock(), 1.0)
        self.inserted: list[tuple[str, pa.Table]] = []

    def take(self, record: list[Event]) -> None:
        stamp = NOON + self.offset * SECOND
        change, made, _ = fold(self.state, decode(encode(record_of(record, stamp, self.tenant))), self.offset, 0)
        self.state.take(change)
        for name, table in made.tables.items():
            if name in ("layers", "deletions", "rollups", "stale"):
                self.insert(TARGETS[name], table)
        self.ledger.apply(record, self.offset, stamp, [row["status"] for row in made.tables["outcomes"].to_pylist()])
        self.offset += 1
        self.watermarks.advance(0, self.offset)

    def insert(self, target: str, table: pa.Table) -> None:
        self.store.insert(target, table)
        self.inserted.append((target, table))

    def layers(self) -> list[oracle.Layer]:
        fixed = {"tenant": self.tenant, "partition": 0, "text": None, "run_id": uuid.UUID(int=0), "valid_time_end": None, "changed_by": ""}
        return [
            oracle.NEVER_SET | fixed
            | {"series_id": SERIES[one["series"]], "valid_time": one["at"], "known_time": one["known"], "recorded_time": one["recorded"]}
            | {name: one[name] for name in ("version", "op", "mask", "value")}
            | {"annotation": "seen" if one["op"] == oracle.UPDATE else None}
            for one in self.ledger.layers
        ]  # fmt: skip

    def deletions(self) -> list[oracle.Deletion]:
        return [
            {"tenant": self.tenant, "partition": 0, "series_id": SERIES[one["series"]], "from": one["from"], "until": one["until"]}
            | {"version": one["version"], "known_time": one["known"], "recorded_time": one["recorded"]}
            for one in self.ledger.deletions
        ]


def check_shapes(system: System, selection: Selection) -> None:
    layers, deletions = system.layers(), system.deletions()
    for shape, answer, key in SHAPES:
        found = rows_of(system.store.arrow(page_of(system.store, shape, selection).query))
        found = [row | {"series_id": as_uuid(row["series_id"])} for row in found]
        expected = [{name: row[name] for name in selection.columns} for row in answer(layers, selection, deletions)]
        assert sorted(found, key=lambda row: [str(row[name]) for name in key]) == sorted(
            expected, key=lambda row: [str(row[name]) for name in key]
        ), shape.name


def check_rollups(system: System, selection: Selection, text: str, zone: str, names: list[str]) -> None:
    period = parse_period(text)
    assert selection.from_ is not None
    assert selection.until is not None
    grid = grid_of(period, zone, selection.from_, selection.until)
    found = rollup(system.store, selection, [parse_function(name) for name in names], grid)
    answered: dict[Any, dict[str, float]] = {
        (found.series[index], int(bucket)): {name: float(found.values[name][at]) for name in names}
        for at, (index, bucket) in enumerate(zip(found.index.tolist(), found.bucket.tolist(), strict=True))
    }
    expected: dict[Any, dict[str, float]] = {}
    for ident in SERIES:
        flat = sorted(oracle.flat(system.layers(), selection, system.deletions()), key=lambda row: row["valid_time"])
        points = [(row["valid_time"], row["value"]) for row in flat if row["series_id"] == ident and row["value"] is not None]
        expected |= {(ident, bucket): values for bucket, values in rolled(points, period, zone, names).items()}
    assert answered.keys() == expected.keys()
    for at, values in expected.items():
        assert answered[at] == pytest.approx(values, rel=1e-9, abs=1e-9), at


def as_uuid(given: Any) -> uuid.UUID:
    return given if isinstance(given, uuid.UUID) else uuid.UUID(bytes=given)


@settings(max_examples=cases(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(log=logs, drawn=st.data())
def test_the_whole_answers_as_the_oracles_whatever_happens_when(store: Store, log: list[list[Event]], drawn: st.DataObject) -> None:
    system = System(store)
    for record in log:
        system.take(record)
        if drawn.draw(st.integers(0, 3), "a block comes again") == 0:
            system.store.insert(*drawn.draw(st.sampled_from(system.inserted)))
        if drawn.draw(st.booleans(), "refresh runs"):
            note(f"refreshed: {system.refresh.step() > 0}")
    watermark = (drawn.draw(st.just(system.offset) | st.integers(1, system.offset), "watermark"),)
    bound = st.none() | st.none() | st.integers(0, 40).map(lambda n: NOON + n * SECOND)
    bounds: dict[str, Any] = {"as_of_known": drawn.draw(bound), "as_of_recorded": drawn.draw(bound)}
    check_shapes(system, Selection(system.tenant, watermark, tuple(SERIES), columns=SHOWN, **bounds))
    names = drawn.draw(st.lists(st.sampled_from(sorted(FUNCTIONS)), min_size=1, max_size=5, unique=True))
    from_ = NOON - DAY + drawn.draw(st.sampled_from((0, MINUTE, 13 * MINUTE, DAY)))
    until = from_ + drawn.draw(st.sampled_from((40 * MINUTE, DAY, 4 * DAY)))
    for kept in (dict[str, Any](), bounds):
        selection = Selection(system.tenant, watermark, tuple(SERIES), from_, min(until, LATEST), **kept)
        check_rollups(system, selection, drawn.draw(st.sampled_from(PERIODS)), drawn.draw(st.sampled_from(ZONES)), names)
