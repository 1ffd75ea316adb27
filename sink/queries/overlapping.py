"""Overlapping: for each known_time of a cell, the fold of all layers known until then, e.g. every forecast of every hour."""

from sink.queries.fold import strata
from sink.queries.layers import known_from, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, after, clauses, columns, from_after


def keys(selection: Selection) -> tuple[str, ...]:
    return tuple(name for name in _order(selection) if name != "series_id" or selection.single is None)


def plain(selection: Selection) -> Query:
    where, bound = seen(selection)
    where += [*known_from(selection, "l", bound), *after(selection, keys(selection), "l", bound)]
    order = _order(selection)
    tail = clauses(where, (*order, "version DESC"), order, selection, bound, "l")
    return Query(f"SELECT {columns(selection, 'l', ('known_time',))}\nFROM points AS l\n{tail}", bound)


def folded(selection: Selection) -> Query:
    where, bound = seen(selection)
    source = strata([*where, *from_after(selection, keys(selection), bound)])
    shown = [*known_from(selection, "c", bound), *after(selection, keys(selection), "c", bound)]
    order = _order(selection)
    tail = clauses(shown, (*order, "version DESC"), order, selection, bound, "c")
    return Query(f"SELECT {columns(selection, 'c', ('known_time',))}\nFROM {source} AS c\n{tail}", bound)


def _order(selection: Selection) -> tuple[str, ...]:
    return ("series_id", "valid_time", "known_time") if selection.order == "series" else ("known_time", "valid_time", "series_id")


OVERLAPPING = Shape("overlapping", plain, folded, keys)
