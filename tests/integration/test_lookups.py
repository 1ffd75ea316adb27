"""What doors ask of single cells, over a real store: what updates compare with, what increments return, what a purge would take.
Each answer is held against the oracle's flat read."""

import asyncio
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.lookups import Cell, Lookups
from api.store_calls import StoreCalls
from sink.queries.selection import Selection
from sink.store import Store
from streams.points import DELETIONS
from tests import oracle
from tests.cases import cases
from tests.store_rows import NO_RUN, layers_table, opened, table_of
from varve.instants import EARLIEST, LATEST

INSTANTS = (EARLIEST, 5, 6, LATEST)
RUN = uuid.UUID(int=1)
_tenants = itertools.count(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("lookups"))


def asked(store: Store, question: Any) -> Any:
    async def ask() -> Any:
        calls = StoreCalls(store, 1)
        try:
            return await question(Lookups(calls))
        finally:
            calls.close()

    return asyncio.run(ask())


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[oracle.Layer], list[oracle.Deletion]]:
    """Of two series of a tenant."""
    tenant = uuid.UUID(int=next(_tenants))
    series = [uuid.uuid5(tenant, str(number)) for number in range(2)]
    layers, deletions = [], []
    for version in range(1, draw(st.integers(4, 9))):
        row = {"tenant": tenant, "series_id": draw(st.sampled_from(series)), "version": version, "partition": 0, "changed_by": ""}
        row |= {"known_time": draw(st.integers(-2, 3)), "recorded_time": version}
        if draw(st.integers(0, 4)) == 0:
            span = {"from": draw(st.sampled_from((EARLIEST, 5))), "until": draw(st.sampled_from((6, LATEST))), "cause": "deleted"}
            deletions.append(row | span)
            continue
        op = draw(st.sampled_from((0, 1, 1, 2)))
        row |= {"valid_time": draw(st.sampled_from(INSTANTS)), "op": op, "mask": (15, 1, draw(st.integers(1, 15)))[op]}
        row |= {"run_id": draw(st.sampled_from((NO_RUN, RUN)))} | oracle.NEVER_SET
        row |= {"value": draw(st.sampled_from((1.0, 2.0) if op == 1 else (None, 0.5)))}
        layers.append(row | ({"annotation": draw(st.sampled_from((None, "a"))), "tags": ["t"]} if op != 1 else {}))
    return layers, deletions


def insert(store: Store, layers: list[oracle.Layer], deletions: list[oracle.Deletion]) -> None:
    for _ in range(2):
        if layers:
            store.insert("points", layers_table(layers))
        if deletions:
            store.insert("deletions", table_of(DELETIONS, deletions))


@settings(max_examples=cases(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(found=rows(), run=st.sampled_from((None, RUN)))
def test_cells_are_as_flat_reads_say_of_all_or_of_one_run(
    store: Store, found: tuple[list[oracle.Layer], list[oracle.Deletion]], run: uuid.UUID | None
) -> None:
    layers, deletions = found
    if not layers:
        return
    insert(store, layers, deletions)
    tenant = layers[0]["tenant"]
    wanted = [Cell(tenant, run, uuid.uuid5(tenant, str(number)), instant) for number in range(2) for instant in INSTANTS]
    states = asked(store, lambda lookups: lookups.cells(wanted))
    selection = Selection(tenant, (1,), run_id=run)
    expected = {(row["series_id"], row["valid_time"]): row for row in oracle.flat(layers, selection, deletions)}
    assert {(cell.series_id, cell.valid_time) for cell in states} == set(expected)
    for cell, state in states.items():
        row = expected[(cell.series_id, cell.valid_time)]
        told = (state.value, state.annotation, list(state.tags), state.known_time)
        assert told == (row["value"], row["annotation"], row["tags"], row["known_time"])
        assert state.versions[-1] >= row["version"]


@settings(max_examples=cases(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(found=rows(), chosen=st.sets(st.sampled_from(INSTANTS), min_size=1), version=st.integers(1, 9))
def test_values_at_a_version_count_nothing_that_came_later(
    store: Store, found: tuple[list[oracle.Layer], list[oracle.Deletion]], chosen: set[int], version: int
) -> None:
    layers, deletions = found
    if not layers:
        return
    insert(store, layers, deletions)
    tenant, ident = layers[0]["tenant"], layers[0]["series_id"]
    values = asked(store, lambda lookups: lookups.values_at(tenant, ident, sorted(chosen), version))
    selection = replace(Selection(tenant, (1,), (ident,)), version_until=version + 1)
    rows = oracle.flat(layers, selection, deletions)
    assert values == {row["valid_time"]: row["value"] for row in rows if row["valid_time"] in chosen}


def test_a_purge_is_counted_with_open_ends(store: Store) -> None:
    tenant, ident = uuid.UUID(int=next(_tenants)), uuid.UUID(int=7)
    row = {"tenant": tenant, "series_id": ident, "version": 1, "partition": 0, "known_time": 1, "recorded_time": 1, "op": 0, "mask": 15}
    insert(store, [row | {"valid_time": instant} for instant in INSTANTS], [])
    assert asked(store, lambda lookups: lookups.purged_count(tenant, ident, None, None)) == 4
    assert asked(store, lambda lookups: lookups.purged_count(tenant, ident, 5, 6)) == 1
