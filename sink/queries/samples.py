"""Flat rows as DataReservoir's samples: Timestamp to the nanosecond, all of one width, and Value, by time.

Before: the flat query of one series. After: DataReservoir's door.
"""

from sink.queries.query import Query


def samples(flat: Query) -> Query:
    return Query(f"SELECT r.valid_time AS Timestamp, r.value AS Value\nFROM (\n{flat.sql}\n) AS r\nORDER BY r.valid_time", flat.parameters)
