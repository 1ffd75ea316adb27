"""How far series reach, and their observations in pages, equal what plain lists say of the oracle's flat rows: whatever was written,
incremented, deleted, rewritten or told twice, out of stored rows or not, at any watermark (I8, I9)."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sink.extents
import sink.observations
import sink.queries.refresh
from sink.extents import Extent, extents
from sink.observations import page, standing, taken
from sink.queries.observations import Observed, observation_id, times, valid_time_of
from sink.queries.selection import Selection
from sink.reads import view_of
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


@settings(max_examples=cases(12), deadline=None, suppress_health_check=list(HealthCheck))
@given(log=logs, drawn=st.data())
def test_extents_and_pages_are_those_of_the_flat_rows(store: Store, log: list[list[Event]], drawn: st.DataObject) -> None:
    system = System(store)
    for record in log:
        system.take(record)
        if drawn.draw(st.integers(0, 3), "a block comes again") == 0:
            system.store.insert(*drawn.draw(st.sampled_from(system.inserted)))
        if drawn.draw(st.booleans(), "refresh runs"):
            system.refresh.step()
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
        check_pages(store, replace(selection, series=(ident,)), rows, drawn)
        check_standing(system, replace(selection, series=(ident,), from_=None, until=None), drawn)


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
    assert [one["at"] for one in store.rows(times(Observed(selection), view_of(store, selection)))] == [at]
