"""Who made one series, and who changed it last, by a point, a deletion or a description.

Before: DataReservoir's door. After: one row; an empty name is nobody's.
"""

from sink.queries.layers import seen
from sink.queries.query import Query
from sink.queries.selection import Selection

_TABLES = ("points", "deletions", "series")


def modified(selection: Selection) -> Query:
    """modified_time, modified_by, created_by."""
    conditions, bound = seen(selection)
    where = "\n  AND ".join(conditions)
    newest = "max(l.version) AS version, max(l.recorded_time) AS recorded, argMax(l.changed_by, l.version) AS by"
    each = "\nUNION ALL\n".join(f"SELECT {newest}\nFROM {table} AS l\nWHERE {where}" for table in _TABLES)
    made = f"SELECT argMin(l.changed_by, l.version)\nFROM series AS l\nWHERE {where}"
    columns = f"max(t.recorded) AS modified_time, argMax(t.by, t.version) AS modified_by,\n  ({made}) AS created_by"
    return Query(f"SELECT {columns}\nFROM (\n{each}\n) AS t", bound)
