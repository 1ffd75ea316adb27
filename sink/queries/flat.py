"""Flat: one row a cell, the fold of all its layers: the newest knowledge within the selection's bounds."""

from collections.abc import Sequence
from typing import Any

from sink.queries.fold import cells
from sink.queries.layers import known_from, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, after, clauses, columns, from_after


def keys(selection: Selection) -> tuple[str, ...]:
    if selection.single is not None:
        return ("valid_time",)
    return ("series_id", "valid_time") if selection.order == "series" else ("valid_time", "series_id")


def plain(selection: Selection) -> Query:
    return plain_within(selection, (), {})


def folded(selection: Selection) -> Query:
    return folded_within(selection, (), {})


def plain_within(selection: Selection, more: Sequence[str], more_bound: dict[str, Any]) -> Query:
    """Newest layer of each cell, read in the table's own order; `more` conditions bound the layers further."""
    where, bound = seen(selection)
    bound |= more_bound
    where = [*where, *more, *known_from(selection, "l", bound), *after(selection, keys(selection), "l", bound)]
    order = (*_cell_order(selection), "known_time DESC", "version DESC")
    tail = clauses(where, order, _cell_order(selection), selection, bound, "l")
    return Query(f"SELECT {columns(selection, 'l')}\nFROM points AS l\n{tail}", bound)


def folded_within(selection: Selection, more: Sequence[str], more_bound: dict[str, Any]) -> Query:
    where, bound = seen(selection)
    bound |= more_bound
    source = cells([*where, *more, *from_after(selection, keys(selection), bound)])
    shown = [*known_from(selection, "c", bound), *after(selection, keys(selection), "c", bound)]
    return Query(
        f"SELECT {columns(selection, 'c')}\nFROM {source} AS c\n{clauses(shown, _cell_order(selection), (), selection, bound, 'c')}", bound
    )


def _cell_order(selection: Selection) -> tuple[str, ...]:
    return ("series_id", "valid_time") if selection.order == "series" else ("valid_time", "series_id")


FLAT = Shape("flat", plain, folded, keys)
