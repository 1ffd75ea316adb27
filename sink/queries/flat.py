"""Flat: one row a cell, the fold of all its layers: the newest knowledge within the selection's bounds."""

from sink.queries.fold import cells
from sink.queries.layers import Source, View, known_from, source
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, after, clauses, columns, from_after


def keys(selection: Selection) -> tuple[str, ...]:
    if selection.single is not None:
        return ("valid_time",)
    return ("series_id", "valid_time") if selection.order == "series" else ("valid_time", "series_id")


def flat(selection: Selection, view: View) -> Query:
    return flat_of(selection, source(selection, view.hiding), view.folded)


def flat_of(selection: Selection, layers: Source, folded: bool) -> Query:
    """The flat rows of some layers. Not folded: the newest layer of each cell, read in the table's own order."""
    bound, cell = dict(layers.bound), _cell_order(selection)
    if folded:
        shown = [*known_from(selection, "c", bound), *after(selection, keys(selection), "c", bound)]
        table = cells(layers.narrowed(from_after(selection, keys(selection), bound)))
        return Query(f"SELECT {columns(selection, 'c')}\nFROM {table} AS c\n{clauses(shown, cell, (), selection, bound, 'c')}", bound)
    where = [*layers.where, *known_from(selection, "l", bound), *after(selection, keys(selection), "l", bound)]
    tail = clauses(where, (*cell, "known_time DESC", "version DESC"), cell, selection, bound, "l")
    return Query(f"SELECT {columns(selection, 'l')}\nFROM {layers.table}\n{tail}", bound)


def _cell_order(selection: Selection) -> tuple[str, ...]:
    return ("series_id", "valid_time") if selection.order == "series" else ("valid_time", "series_id")


FLAT = Shape("flat", flat, keys)
