"""History: every layer of every cell, in the order of I7, with the cell as it was after it, its op and its mask."""

from dataclasses import replace

from sink.queries.fold import strata
from sink.queries.layers import known_from, seen
from sink.queries.query import Query
from sink.queries.selection import COLUMNS, Selection
from sink.queries.shape import Shape, after, clauses, columns, from_after


def keys(selection: Selection) -> tuple[str, ...]:
    return tuple(name for name in _order(selection) if name != "series_id" or selection.single is None)


def plain(selection: Selection) -> Query:
    where, bound = seen(selection)
    where += [*known_from(selection, "l", bound), *after(selection, keys(selection), "l", bound)]
    order = _order(selection)
    return Query(f"SELECT {_columns(selection, 'l')}\nFROM points AS l\n{clauses(where, order, order, selection, bound, 'l')}", bound)


def folded(selection: Selection) -> Query:
    where, bound = seen(selection)
    source = strata([*where, *from_after(selection, keys(selection), bound)])
    shown = [*known_from(selection, "c", bound), *after(selection, keys(selection), "c", bound)]
    return Query(
        f"SELECT {_columns(selection, 'c')}\nFROM {source} AS c\n{clauses(shown, _order(selection), (), selection, bound, 'c')}", bound
    )


def _order(selection: Selection) -> tuple[str, ...]:
    cell = ("series_id", "valid_time") if selection.order == "series" else ("valid_time", "series_id")
    return (*cell, "known_time", "version")


def _columns(selection: Selection, alias: str) -> str:
    """History is about who, when and what: all columns unless some were chosen."""
    every = tuple(name for name in COLUMNS if name != "text" or len(selection.value_types) > 1)
    return columns(selection if selection.columns else replace(selection, columns=every), alias)


HISTORY = Shape("history", plain, folded, keys)
