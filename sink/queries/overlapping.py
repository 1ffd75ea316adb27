"""Overlapping: for each known_time of a cell, the fold of all layers known until then, e.g. every forecast of every hour."""

from sink.queries.fold import strata
from sink.queries.layers import View, known_from, source
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, after, clauses, columns, from_after


def keys(selection: Selection) -> tuple[str, ...]:
    return tuple(name for name in _order(selection) if name != "series_id" or selection.single is None)


def overlapping(selection: Selection, view: View) -> Query:
    layers, order = source(selection, view.hiding), _order(selection)
    bound, alias = dict(layers.bound), "c" if view.folded else "l"
    shown = [*known_from(selection, alias, bound), *after(selection, keys(selection), alias, bound)]
    if view.folded:
        table = f"{strata(layers.narrowed(from_after(selection, keys(selection), bound)))} AS c"
    else:
        table, shown = layers.table, [*layers.where, *shown]
    tail = clauses(shown, (*order, "version DESC"), order, selection, bound, alias)
    return Query(f"SELECT {columns(selection, alias, ('known_time',))}\nFROM {table}\n{tail}", bound)


def _order(selection: Selection) -> tuple[str, ...]:
    return ("series_id", "valid_time", "known_time") if selection.order == "series" else ("known_time", "valid_time", "series_id")


OVERLAPPING = Shape("overlapping", overlapping, keys)
