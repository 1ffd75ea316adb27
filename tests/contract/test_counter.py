"""A cell that was counted up in order is answered from its last layer alone, and only where nothing speaks against it. A running
value that no fold would give (100) tells which way an answer came."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sink.queries.flat import FLAT
from sink.queries.latest import LATEST
from sink.queries.overlapping import OVERLAPPING
from sink.queries.selection import Selection
from sink.queries.shape import Shape
from sink.reads import page_of
from sink.store import Store
from streams.points import DELETIONS
from tests.store_rows import NO_RUN, layers_table, opened, rows_of, table_of
from varve.clock import new_id
from varve.instants import LATEST as LATEST_INSTANT

RUNNING = 100.0
OTHER = {"op": 0, "mask": 15, "value": 5.0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    yield from opened(tmp_path_factory.mktemp("counter"))


@pytest.fixture
def counter(store: Store) -> Selection:
    """Three adds in order at 7, each of 1; the last of version 3 has the running value."""
    selection = Selection(new_id(), (9,), (new_id(),), columns=("valid_time", "value", "version", "known_time", "run_id", "changed_by"))
    insert(store, selection, *({"version": version} for version in (1, 2)), {"version": 3, "running": RUNNING})
    return selection


def insert(store: Store, selection: Selection, *rows: dict[str, Any]) -> None:
    base: dict[str, Any] = {"tenant": selection.tenant, "series_id": selection.single, "partition": 0, "valid_time": 7, "op": 1}
    base |= {"mask": 1, "value": 1.0, "changed_by": "eva", "run_id": NO_RUN, "tags": []}
    store.insert("points", layers_table([base | {"known_time": row["version"], "recorded_time": row["version"]} | row for row in rows]))


def delete(store: Store, selection: Selection, version: int, **more: Any) -> None:
    row = {
        "tenant": selection.tenant,
        "series_id": selection.single,
        "partition": 0,
        "version": version,
        "from": 0,
        "until": LATEST_INSTANT,
    }
    store.insert("deletions", table_of(DELETIONS, [row | {"known_time": version, "recorded_time": version} | more]))


def value(store: Store, shape: Shape, selection: Selection) -> float | None:
    rows = rows_of(store.arrow(page_of(store, shape, selection).query))
    return rows[-1]["value"] if rows else None


@pytest.mark.parametrize("shape", [FLAT, LATEST])
def test_the_last_layer_of_a_counter_is_the_whole_answer(store: Store, counter: Selection, shape: Shape) -> None:
    (row,) = rows_of(store.arrow(page_of(store, shape, replace(counter, limit=1)).query))
    assert row == {"valid_time": 7, "value": RUNNING, "version": 3, "known_time": 3, "run_id": None, "changed_by": "eva"}
    assert value(store, shape, replace(counter.every_column(), as_of_known=3, until=8)) == RUNNING


def test_answers_have_the_same_types_whichever_way_they_came(store: Store, counter: Selection) -> None:
    asked = replace(counter, value_types=frozenset({"number", "text"})).every_column()
    counted = store.arrow(page_of(store, FLAT, asked).query)
    insert(store, counter, {"version": 4})
    folded = store.arrow(page_of(store, FLAT, asked).query)
    assert (counted.column("value")[0].as_py(), folded.column("value")[0].as_py()) == (RUNNING, 4.0)
    assert [(field.name, field.type) for field in counted.schema] == [(field.name, field.type) for field in folded.schema]


def test_a_later_layer_without_a_running_value_is_folded(store: Store, counter: Selection) -> None:
    insert(store, counter, {"version": 4})
    assert value(store, FLAT, counter) == 4.0
    assert value(store, FLAT, replace(counter, version_until=4)) == RUNNING


def test_a_layer_that_came_later_and_sorts_earlier_is_counted(store: Store, counter: Selection) -> None:
    insert(store, counter, {"version": 4, "known_time": 1})
    assert value(store, FLAT, counter) == value(store, LATEST, counter) == 4.0


def test_a_flat_read_of_several_cells_is_folded_and_latest_is_not(store: Store, counter: Selection) -> None:
    insert(store, counter, {"version": 4, "valid_time": 6} | OTHER)
    rows = rows_of(store.arrow(page_of(store, FLAT, counter).query))
    assert [(row["valid_time"], row["value"]) for row in rows] == [(6, 5.0), (7, RUNNING)]
    assert value(store, LATEST, counter) == RUNNING
    assert value(store, FLAT, replace(counter, from_=7)) == RUNNING


def test_fields_that_an_add_does_not_know_come_from_the_fold(store: Store, counter: Selection) -> None:
    insert(store, counter, {"version": 0, "annotation": "set first"} | OTHER)
    (row,) = rows_of(store.arrow(page_of(store, FLAT, replace(counter, columns=("value", "annotation"))).query))
    assert row == {"value": RUNNING, "annotation": "set first"}


def test_a_deletion_hides_the_counter_or_was_before_it(store: Store, counter: Selection) -> None:
    delete(store, counter, 2)
    assert value(store, FLAT, counter) == RUNNING
    assert value(store, FLAT, replace(counter, as_of_known=3)) == 2.0, "under a bound on known_time adds are folded"
    delete(store, counter, 4)
    assert value(store, FLAT, counter) is None
    assert value(store, FLAT, replace(counter, as_of_recorded=3)) == RUNNING


def test_of_one_run_only_its_adds_count(store: Store, counter: Selection) -> None:
    assert value(store, FLAT, replace(counter, run_id=uuid.UUID(int=0))) == 3.0


def test_overlapping_believes_the_running_value_of_its_row(store: Store, counter: Selection) -> None:
    rows = rows_of(store.arrow(page_of(store, OVERLAPPING, counter).query))
    assert [row["value"] for row in rows] == [1.0, 2.0, RUNNING]


def test_a_row_that_is_not_asked_for_is_not_shown(store: Store, counter: Selection) -> None:
    assert value(store, FLAT, replace(counter, known_from=3)) == RUNNING
    assert value(store, FLAT, replace(counter, known_from=4)) is None
    assert value(store, FLAT, replace(counter, after={"valid_time": 7})) is None
    assert value(store, FLAT, replace(counter, offset=1, limit=9)) is None


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"value": 1.0}, {"value": 4.0}, OTHER, {"value": 2.0}], 7.0),
        ([{"value": 0.5}, {"value": 4.0}, OTHER, {"value": 0.25}], 5.25),
        ([{"value": 0.1}, {"value": 0.2}, {"value": 0.3}], 0.1 + 0.2 + 0.3),
        ([{"value": 1.0}, {"value": 2.0**52}, {"value": 2.0**52}, {"value": 0.0}], 2.0**53),
        ([OTHER | {"value": None}, {"value": 2.0}], 2.0),
        ([{"value": 2.0}, OTHER | {"value": None}], None),
    ],
    ids=["both-sides-of-a-set", "fractions-too", "in-their-order", "past-2-53", "null-counts-0", "null-stays"],
)
def test_adds_are_added_up_in_order_onto_what_was_set_last(store: Store, layers: list[dict[str, Any]], expected: float | None) -> None:
    selection = Selection(new_id(), (9,), (new_id(),))
    for at in reversed(range(len(layers))):
        insert(store, selection, {"version": at + 1} | layers[at])
    insert(store, selection, *({"version": at + 1} | one for at, one in enumerate(layers)))
    assert [value(store, shape, selection) for shape in (FLAT, LATEST, OVERLAPPING)] == [expected] * 3
