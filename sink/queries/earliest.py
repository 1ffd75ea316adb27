"""Earliest: of a flat read's rows, the first of each series: the neighbour after an instant, where the read starts there."""

from sink.queries.query import Query


def earliest(rows: Query) -> Query:
    """rows: with series_id and valid_time."""
    return Query(f"SELECT *\nFROM (\n{rows.sql}\n) AS v\nORDER BY v.series_id, v.valid_time\nLIMIT 1 BY v.series_id", rows.parameters)
