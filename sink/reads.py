"""A read from the store: chooses the shape's query from the rows themselves, and finds where a page ends.

Before: a route or door with a shape and a selection. After: it asks the store for Page.query in the format it likes.
Blocking, like the store; all questions are at the selection's one watermark vector (I9).
"""

from dataclasses import dataclass, replace
from typing import Any

from sink.queries.flat import FLAT
from sink.queries.layers import View
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
    query = shape.query(selection, view)
    if selection.limit is None or found["layers"] <= selection.limit:
        return Page(query, None)
    edge = store.arrow(shape.boundary(selection, view))
    return Page(query, _key(edge) if edge.num_rows == 2 else None)


def flat_query(store: Store, selection: Selection) -> Query:
    """The flat read of a whole selection, for whoever builds on its rows."""
    return FLAT.query(selection, _view(store.rows(probe(replace(selection, limit=None)))[0]))


def _view(found: dict[str, Any]) -> View:
    return View(folded=bool(found["partial"]), hiding=bool(found["deleted"]))


def _key(edge: Any) -> dict[str, Any]:
    """Of the first row: instants as UTC nanoseconds, ids as UUIDs."""
    row = edge.slice(0, 1)
    return {name: _scalar(row.column(name)[0]) for name in row.column_names}


def _scalar(item: Any) -> Any:
    return item.value if hasattr(item.type, "tz") else item.as_py()
