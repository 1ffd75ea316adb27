"""How far series reach, and their observations in pages, equal what plain lists say of the oracle's flat rows: whatever was written,
incremented, deleted, rewritten or told twice, out of stored rows or not, at any watermark (I8, I9)."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import api.extents
import sink.extents
import sink.observations
import sink.queries.refresh
from api.extents import KEPT_SECONDS, Extents
from api.store_calls import StoreCalls
from sink.extents import Extent, extents
from sink.observations import layers_of, page, standing, taken
from sink.queries.observations import Observed, observation_id, times, valid_time_of
from sink.queries.selection import Selection
from sink.store import Store
from streams import buckets
from tests import oracle
from tests.cases import cases
from tests.ledger import DAY, MINUTE, NOON, SERIES, Event, logs
from tests.stateful.test_whole import System
from tests.store_rows import opened
from varve.columns import Target
from varve.instants import EARLIEST, LATEST, format_instant


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("observations"))


@pytest.fixture(autouse=True, scope="module")
def _rows_of_single_points() -> Iterator[None]:
    """Small examples have rollup rows too, several groups of gaps, and pages of times."""
    with (
        mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 1),
        mock.patch.object(sink.queries.refresh, "ROLLUP_COUNT_MIN", 1),
        mock.patch.object(sink.extents, "GROUPS", 2),
        mock.patch.object(sink.observations, "ROWS_AT_ONCE", 2),
    ):
        yield


def expected(system: System, selection: Selection, ident: uuid.UUID) -> list[dict[str, Any]]:
    rows = oracle.flat(system.layers(), replace(selection, series=(ident,)), system.deletions())
    return sorted((row for row in rows if row["value"] is not None), key=lambda row: row["valid_time"])


class Calls:
    """As of StoreCalls, here and now."""

    def __init__(self, store: Store) -> None:
        self.store, self.asked = store, 0

    async def call(self, work: Callable[[Store], Any]) -> Any:
        self.asked += 1
        return work(self.store)


@settings(max_examples=cases(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(log=logs, drawn=st.data())
def test_extents_and_pages_are_those_of_the_flat_rows(store: Store, log: list[list[Event]], drawn: st.DataObject) -> None:
    system, calls = System(store), Calls(store)
    remembered = Extents(cast(StoreCalls, calls))
    for record in log:
        system.take(record)
        if drawn.draw(st.integers(0, 3), "a block comes again") == 0:
            system.store.insert(*drawn.draw(st.sampled_from(system.inserted)))
        if drawn.draw(st.booleans(), "refresh runs"):
            system.refresh.step()
        if drawn.draw(st.booleans(), "asked meanwhile"):
            check_remembered(system, remembered, drawn)
    watermark = (drawn.draw(st.just(system.offset) | st.integers(1, system.offset), "watermark"),)
    from_ = drawn.draw(st.none() | st.sampled_from((NOON - DAY, NOON, NOON + 7 * MINUTE, NOON + DAY)))
    until = drawn.draw(st.none() | st.sampled_from((NOON, NOON + 10 * MINUTE, NOON + DAY, NOON + 3 * DAY)))
    selection = Selection(system.tenant, watermark, tuple(SERIES), from_, until)
    with mock.patch.multiple(sink.extents, GAPS_MIN=drawn.draw(st.sampled_from((0, 8))), GAPS_MAX=0):
        found = extents(store, selection)
    for ident in SERIES:
        rows = expected(system, selection, ident)
        at = [row["valid_time"] for row in rows]
        assert found[ident] == (Extent(len(at), at[0], at[-1]) if at else Extent())
        with mock.patch.object(sink.observations, "STEPS_MAX", drawn.draw(st.sampled_from((0, 1, 500)), "ranges told")):
            check_pages(store, replace(selection, series=(ident,)), rows, drawn)
            check_standing(system, replace(selection, series=(ident,), from_=None, until=None), drawn)


def check_remembered(system: System, remembered: Extents, drawn: st.DataObject) -> None:
    """As they are now, however much was asked before, and at most one question for all."""
    chosen, watermark = drawn.draw(st.lists(st.sampled_from(SERIES), min_size=1)), (system.offset,)
    found = asyncio.run(remembered.of(system.tenant, chosen, watermark, 0.0))
    assert found.keys() == set(chosen)
    for ident in chosen:
        at = [row["valid_time"] for row in expected(system, Selection(system.tenant, watermark, tuple(SERIES)), ident)]
        assert found[ident] == (Extent(len(at), at[0], at[-1]) if at else Extent())


def test_an_extent_is_asked_once_until_something_comes_or_it_is_old(store: Store) -> None:
    system, calls = System(store), Calls(store)
    remembered = Extents(cast(StoreCalls, calls))

    def asked(watermark: int, now: float = 0.0) -> tuple[int, int]:
        before = calls.asked
        found = asyncio.run(remembered.of(system.tenant, SERIES[:1], (watermark,), now))
        return found[SERIES[0]].count, calls.asked - before

    def write(at: int) -> None:
        event = {"kind": "written", "known": None, "series": 0, "again": None, "name": str(at), "rows": [(0, at, 1.5)], "mask": 15}
        system.take([event])

    write(1)
    assert [asked(1), asked(1), asked(1, KEPT_SECONDS), asked(1, KEPT_SECONDS + 1)] == [(1, 1), (1, 0), (1, 0), (1, 1)]
    write(2)
    assert [asked(2), asked(2), asked(1)] == [(2, 1), (2, 0), (2, 0)]
    for name, of_all in (("KNOWN_MAX", [(3, 1), (3, 1)]), ("RECORDS_MAX", [(4, 1), (4, 0)])):
        write(system.offset + 1)
        with mock.patch.object(api.extents, name, 0):
            assert [asked(system.offset), asked(system.offset)] == of_all


def check_pages(store: Store, selection: Selection, rows: list[dict[str, Any]], drawn: st.DataObject) -> None:
    ident, descending = selection.single, drawn.draw(st.booleans(), "descending")
    assert ident is not None
    asked = replace(selection, limit=drawn.draw(st.integers(1, 5)), offset=drawn.draw(st.integers(0, 4)))
    shown = (rows[::-1] if descending else rows)[asked.offset :][: asked.limit]
    told = store.rows(page(store, Observed(asked, descending), "record", "w"))
    assert [(row["phenomenonTime"], row["result"], row["id"]) for row in told] == [
        (format_instant(row["valid_time"]), row["value"], str(observation_id(ident, row["valid_time"]))) for row in shown
    ]


def check_standing(system: System, selection: Selection, drawn: st.DataObject) -> None:
    """At the newest watermark, its version is the one that the fold compares a condition with."""
    ident = selection.single
    assert ident is not None
    at = [row["valid_time"] for row in expected(system, selection, ident)]
    found = standing(system.store, selection)
    assert (found.begin, found.end) == ((at[0], at[-1]) if at else (None, None))
    if selection.watermark == (system.offset,):
        slots = system.state.lookup((Target(system.tenant, ident, ""),))
        assert found.version == (int(system.state.rows(slots)["applied"][0]) if slots[0] >= 0 else 0)
    asked = sorted(drawn.draw(st.sets(st.sampled_from([*at, NOON, NOON + 1, NOON + 5 * MINUTE, LATEST]), min_size=1)))
    assert taken(system.store, selection, np.array(asked, np.int64)) == next((one for one in asked if one in at), None)


@given(st.uuids(), st.integers(EARLIEST, LATEST))
def test_an_observations_id_tells_its_time_and_is_no_other_series(series: uuid.UUID, valid_time: int) -> None:
    ident = observation_id(series, valid_time)
    assert valid_time_of(series, ident) == valid_time
    assert valid_time_of(uuid.UUID(int=series.int ^ 1), ident) is None
    assert observation_id(series, max(EARLIEST, valid_time - 1)).int <= ident.int


@pytest.mark.parametrize("at", [EARLIEST, -1, 0, 1, NOON + 500_000_000, NOON + 1_230, LATEST - 1, LATEST])
def test_times_are_written_with_the_decimals_that_they_have(store: Store, at: int) -> None:
    system = System(store)
    system.take([{"kind": "written", "known": None, "series": 0, "again": None, "name": "a", "rows": [(0, at, 1.5)], "mask": 15}])
    selection = Selection(system.tenant, (1,), (SERIES[0],), limit=5)
    (row,) = store.rows(page(store, Observed(selection), "record", "w"))
    assert (row["phenomenonTime"], row["id"]) == (format_instant(at), str(observation_id(SERIES[0], at)))
    assert [one["at"] for one in store.rows(times(Observed(selection), layers_of(store, selection)))] == [at]
