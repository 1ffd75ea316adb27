"""Latest: the flat row of the newest valid_time of each series, within the selection's bounds."""

from typing import Any

from sink.queries.fold import cells
from sink.queries.layers import known_from, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape, after, clauses, columns


def keys(selection: Selection) -> tuple[str, ...]:
    return ("series_id",) if selection.order == "series" else ("valid_time", "series_id")


def plain(selection: Selection) -> Query:
    where, bound = _newest(selection)
    order = (*_order(selection), "known_time DESC", "version DESC")
    tail = clauses([*where, *after(selection, keys(selection), "l", bound)], order, ("series_id",), selection, bound, "l")
    return Query(f"SELECT {columns(selection, 'l')}\nFROM points AS l\n{tail}", bound)


def folded(selection: Selection) -> Query:
    where, bound = _newest(selection)
    tail = clauses(after(selection, keys(selection), "c", bound), _order(selection), (), selection, bound, "c")
    return Query(f"SELECT {columns(selection, 'c')}\nFROM {cells(where)} AS c\n{tail}", bound)


def _newest(selection: Selection) -> tuple[list[str], dict[str, Any]]:
    """The layers of each series' newest cell that is shown. A cell is shown if its last layer is, so if any layer is."""
    where, bound = seen(selection)
    conditions = "\n    AND ".join([*where, *known_from(selection, "l", bound)])
    if selection.single is not None:  # read backwards from the end of the series
        newest = f"l.valid_time = (\n  SELECT l.valid_time FROM points AS l\n  WHERE {conditions}\n  ORDER BY l.valid_time DESC LIMIT 1)"
    else:
        newest = (
            f"(l.series_id, l.valid_time) IN (\n  SELECT l.series_id, max(l.valid_time) FROM points AS l\n  WHERE {conditions}\n"
            "  GROUP BY l.series_id)"
        )
    return [*where, newest], bound


def _order(selection: Selection) -> tuple[str, ...]:
    return ("series_id",) if selection.order == "series" else ("valid_time", "series_id")


LATEST = Shape("latest", plain, folded, keys)
