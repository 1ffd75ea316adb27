"""Find: in each bucket of a grid, the point that is the largest, smallest, first or last. Pure.

Before: a flat query of one series. After: bucket, at (Int64 ns) and value, one row a bucket that has points, in order of time.
"""

from typing import Literal

from sink.periods import Grid
from sink.queries.query import Query
from sink.queries.rollup import bucket_of, values

Predicate = Literal["max", "min", "first", "last"]
_POINT: dict[Predicate, str] = {  # of equals, the earliest
    "max": "argMax((v.at, v.value), (v.value, -v.at))",
    "min": "argMin((v.at, v.value), (v.value, v.at))",
    "first": "argMin((v.at, v.value), v.at)",
    "last": "argMax((v.at, v.value), v.at)",
}


def found(flat: Query, grid: Grid, predicate: Predicate, limit: int) -> Query:
    rows = values(flat)
    bound = dict(rows.parameters)
    bucket = bucket_of(grid, bound)
    return Query(
        f"SELECT {bucket} AS bucket, {_POINT[predicate]} AS point, tupleElement(point, 1) AS at, tupleElement(point, 2) AS value\n"
        f"FROM (\n{rows.sql}\n) AS v\nGROUP BY bucket\nORDER BY bucket\nLIMIT {{found_max:UInt64}}",
        bound | {"found_max": limit},
    )
