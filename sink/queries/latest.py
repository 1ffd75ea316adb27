"""Latest: the flat row of the newest valid_time of each series, within the selection's bounds."""

from sink.queries.fold import cells
from sink.queries.layers import View, known_from, source
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, after, clauses, columns


def keys(selection: Selection) -> tuple[str, ...]:
    return ("series_id",) if selection.order == "series" else ("valid_time", "series_id")


def latest(selection: Selection, view: View) -> Query:
    """Of the layers of each series' newest cell that is shown. A cell is shown if its last layer is, so if any layer is."""
    layers, alias = source(selection, view.hiding), "c" if view.folded else "l"
    bound = dict(layers.bound)
    conditions = "\n    AND ".join([*layers.where, *known_from(selection, "l", bound)])
    if selection.single is not None:  # read backwards from the end of the series
        newest = f"l.valid_time = (\n  SELECT l.valid_time FROM {layers.table}\n  WHERE {conditions}\n  ORDER BY l.valid_time DESC LIMIT 1)"
    else:
        newest = (
            f"(l.series_id, l.valid_time) IN (\n  SELECT l.series_id, max(l.valid_time) FROM {layers.table}\n  WHERE {conditions}\n"
            "  GROUP BY l.series_id)"
        )
    layers, shown = layers.narrowed([newest]), after(selection, keys(selection), alias, bound)
    if view.folded:
        tail = clauses(shown, keys(selection), (), selection, bound, alias)
        return Query(f"SELECT {columns(selection, alias)}\nFROM {cells(layers)} AS c\n{tail}", bound)
    order = (*keys(selection), "known_time DESC", "version DESC")
    tail = clauses([*layers.where, *shown], order, ("series_id",), selection, bound, alias)
    return Query(f"SELECT {columns(selection, alias)}\nFROM {layers.table}\n{tail}", bound)


LATEST = Shape("latest", latest, keys)
