"""Flat rows as Timetric's CSV has them: seconds since 1970 and the value, by time, without nulls.

Before: the flat query of some series. After: Timetric's door.
"""

from sink.queries.query import Query

_SQL = """SELECT toUnixTimestamp64Micro(r.valid_time) / 1e6 AS seconds, r.value AS value
FROM (
{}
) AS r
WHERE r.value IS NOT NULL
ORDER BY r.valid_time"""


def in_seconds(flat: Query) -> Query:
    """seconds to the microsecond, as floats tell them of today."""
    return Query(_SQL.format(flat.sql), flat.parameters)
