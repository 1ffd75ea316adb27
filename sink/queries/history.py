"""History: every layer of every cell, hidden ones too, in the order of I7, with its op and mask, the cell as it was after it, and
deleted_time: when a deletion came to hide it. What was hidden is folded apart from what came later, so it shows as it was."""

from sink.queries.fold import strata
from sink.queries.layers import View, covers, deletions_beside, known_from, source
from sink.queries.query import Query
from sink.queries.selection import OF_HISTORY, Selection
from sink.queries.shape import Shape, after, clauses, column, from_after

_HIDING = f"arrayFirst(x -> {covers('x')}, h.deletions)"  # the first that hides; version 0 where none does
_DELETED = f"if({_HIDING}.1 = 0, NULL, {_HIDING}.5)"
_NEVER = "CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))')"


def keys(selection: Selection) -> tuple[str, ...]:
    return tuple(name for name in _order(selection) if name != "series_id" or selection.single is None)


def history(selection: Selection, view: View) -> Query:
    layers = deletions_beside(selection) if view.hiding else source(selection, hiding=False)
    bound, alias, order = dict(layers.bound), "c" if view.folded else "l", _order(selection)
    shown = [*known_from(selection, alias, bound), *after(selection, keys(selection), alias, bound)]
    by: tuple[str, ...] = ()
    if view.folded:
        apart = ((f"{_HIDING}.1", "hidden_by"), (_DELETED, "deleted_time")) if view.hiding else ()
        table = f"{strata(layers.narrowed(from_after(selection, keys(selection), bound)), apart)} AS c"
        names = _columns(selection, alias, "c.deleted_time" if view.hiding else _NEVER)
    else:
        table, shown = layers.table, [*layers.where, *shown]
        names, by = _columns(selection, alias, _DELETED if view.hiding else _NEVER), order
    return Query(f"SELECT {names}\nFROM {table}\n{clauses(shown, order, by, selection, bound, alias)}", bound)


def _order(selection: Selection) -> tuple[str, ...]:
    cell = ("series_id", "valid_time") if selection.order == "series" else ("valid_time", "series_id")
    return (*cell, "known_time", "version")


def _columns(selection: Selection, alias: str, deleted_time: str) -> str:
    """History is about who, when and what: all columns unless some were chosen."""
    names = selection.columns or tuple(name for name in OF_HISTORY if name != "text" or len(selection.value_types) > 1)
    told = [f"{deleted_time} AS deleted_time" if name == "deleted_time" else column(name, alias, selection) for name in names]
    return ",\n  ".join(told)


HISTORY = Shape("history", history, keys)
