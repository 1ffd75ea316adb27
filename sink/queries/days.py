"""Which UTC days of a series hold something, and by which versions it may have changed since: the newest layer of each day, and the
newest deletion of the series. Counts hidden layers too: what they show is another question.
"""

from sink.queries.layers import deleted, seen
from sink.queries.query import Query
from sink.queries.selection import Selection


def days(selection: Selection) -> Query:
    """One row a day, by day: day (since 1970), version, layers."""
    where, bound = seen(selection)
    columns = "toInt32(toDate32(l.valid_time)) AS day, max(l.version) AS version, count() AS layers"
    conditions = "\n  AND ".join(where)
    return Query(f"SELECT {columns}\nFROM points AS l\nWHERE {conditions}\nGROUP BY day\nORDER BY day", bound)


def newest_deletion(selection: Selection) -> Query:
    """version: 0 where there is none in the selection's span."""
    hiding, bound = deleted(selection)
    return Query("SELECT max(d.version) AS version\nFROM deletions AS d\nWHERE " + "\n  AND ".join(hiding), bound)
