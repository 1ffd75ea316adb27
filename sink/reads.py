"""A read from the store: chooses the shape's query from the rows themselves, and finds where a page ends.

Before: a route or door with a shape and a selection. After: it asks the store for Page.query in the format it likes.
Blocking, like the store; all questions are at the selection's one watermark vector (I9).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sink.queries.counter import countable, counted, last_layer, objections
from sink.queries.flat import FLAT, flat_of
from sink.queries.latest import LATEST
from sink.queries.layers import View, source
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, probe
from sink.store import Store


@dataclass(frozen=True)
class Page:
    """after: the key to continue from, for Selection.after; None on the last page."""

    query: Query
    after: dict[str, Any] | None


def page_of(store: Store, shape: Shape, selection: Selection) -> Page:
    found = store.rows(probe(selection))[0]
    view = _view(found)
    counter = counter_query(store, shape, selection, view)
    if counter is not None:
        return Page(counter, None)
    query = shape.query(selection, view)
    if selection.limit is None or found["layers"] <= selection.limit:
        return Page(query, None)
    edge = store.arrow(shape.boundary(selection, view))
    return Page(query, _key(edge) if edge.num_rows == 2 else None)


def flat_query(store: Store, selection: Selection) -> Query:
    """The flat read, for whoever builds on its rows; no page follows where the selection has a limit."""
    view = view_of(store, selection)
    return counter_query(store, FLAT, selection, view) or FLAT.query(selection, view)


def view_of(store: Store, selection: Selection) -> View:
    """What the rows in view ask of a query, for whoever makes a shape of its own."""
    return _view(store.rows(probe(replace(selection, limit=None)))[0])


def cells_query(store: Store, selection: Selection, instants: Sequence[int]) -> Query:
    """The flat read of some cells of a selection. One alone may be a counter."""
    if len(instants) == 1:
        return flat_query(store, selection)
    chosen = "l.valid_time IN arrayMap(i -> fromUnixTimestamp64Nano(i, 'UTC'), {instants:Array(Int64)})"
    layers = source(selection, hiding=True).narrowed([chosen])
    query = flat_of(selection, layers, folded=True)
    return Query(query.sql, query.parameters | {"instants": list(instants)})


def counter_query(store: Store, shape: Shape, selection: Selection, view: View) -> Query | None:
    """The answer out of one layer, where a read is of one cell that was counted up in order; None where it must be folded."""
    if shape not in (FLAT, LATEST) or not view.folded or not countable(selection, view.hiding):
        return None
    for last in store.rows(last_layer(selection)):
        doubted = objections(selection, last, alone=shape is FLAT, hiding=view.hiding)
        if last["running"] is not None and not store.rows(doubted)[0]["doubts"]:
            return counted(selection, last)
    return None


def _view(found: dict[str, Any]) -> View:
    return View(folded=bool(found["partial"]), hiding=bool(found["deleted"]))


def _key(edge: Any) -> dict[str, Any]:
    """Of the first row: instants as UTC nanoseconds, ids as UUIDs."""
    row = edge.slice(0, 1)
    return {name: _scalar(row.column(name)[0]) for name in row.column_names}


def _scalar(item: Any) -> Any:
    return item.value if hasattr(item.type, "tz") else item.as_py()
