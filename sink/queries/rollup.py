"""Aggregates of the flat read by a grid of buckets, and its points as they are: what rollups work out live. Pure.

Before: rollups.py has the flat query, which already hides, folds and bounds. After: it makes a table of the answer. Nulls are
skipped (I10), and a bucket of nulls alone is absent. Instants are Int64 nanoseconds here: buckets may begin before the year 1900.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sink.functions import Function
from sink.periods import Even, Grid
from sink.queries.layers import deleted, seen
from sink.queries.query import Query
from sink.queries.selection import Selection

_FIELDS = {  # of AGGREGATE
    "count": "count()",
    "sum": "sum(v.value)",
    "mean": "avg(v.value)",
    "m2": "varPopStable(v.value) * count()",
    "min": "min(v.value)",
    "max": "max(v.value)",
    "first": "argMin(v.value, v.at)",
    "first_time": "min(v.at)",
    "last": "argMax(v.value, v.at)",
    "last_time": "max(v.at)",
}
_AT = "toUnixTimestamp64Nano(f.valid_time)"
_VALUES = """SELECT f.series_id AS series_id, {at} AS at, assumeNotNull(f.value) AS value
  FROM (
{flat}
  ) AS f
  WHERE f.value IS NOT NULL"""


def by_grid(flat: Query, grid: Grid | Even, fields: Iterable[str], functions: Sequence[Function]) -> Query:
    """One row a series and bucket: series_id, bucket (its start), count, each field of an aggregate, and each function that needs
    the values, by its name. flat: has series_id, valid_time and value."""
    bound = dict(flat.parameters)
    listed = [f"{_FIELDS[name]} AS {name}" for name in _FIELDS if name == "count" or name in set(fields)]
    listed += [f"{_of_values(function, at, bound)} AS `{function.name}`" for at, function in enumerate(functions)]
    bucket = bucket_of(grid, bound)
    columns = ",\n  ".join(listed)
    return Query(
        f"SELECT v.series_id AS series_id, {bucket} AS bucket,\n  {columns}\nFROM (\n{_values(flat)}\n) AS v\nGROUP BY series_id, bucket",
        bound,
    )


def values(flat: Query) -> Query:
    """One row a point that is not null: series_id, at, value."""
    return Query(_values(flat), flat.parameters)


def few(selection: Selection, most: int) -> Query:
    """Layers in view as they are, at most so many: series_id, at, known (Int64 ns), version, op, value; hiding: is any deletion in view?"""
    where, bound = seen(selection)
    hiding, more = deleted(selection)
    conditions, of_deletions = "\n  AND ".join(where), "\n    AND ".join(hiding)
    return Query(
        f"""SELECT l.series_id AS series_id, toUnixTimestamp64Nano(l.valid_time) AS at, toUnixTimestamp64Nano(l.known_time) AS known,
  l.version AS version, l.op AS op, l.value AS value,
  (SELECT count() FROM (SELECT 1 FROM deletions AS d WHERE {of_deletions} LIMIT 1)) AS hiding
FROM points AS l
WHERE {conditions}
LIMIT {{layers_max:UInt64}}""",
        bound | more | {"layers_max": most},
    )


def extent(selection: Selection) -> Query:
    """first, last (Int64 ns) valid_time of any layer in view, and how many there are."""
    where, bound = seen(selection)
    conditions = "\n  AND ".join(where)
    first, last = (f"toUnixTimestamp64Nano({which}(l.valid_time))" for which in ("min", "max"))
    return Query(f"SELECT {first} AS first, {last} AS last, count() AS layers\nFROM points AS l\nWHERE {conditions}", bound)


def bucket_of(grid: Grid | Even, bound: dict[str, Any]) -> str:
    """The start of the bucket that v.at (Int64 ns) lies in."""
    if (even := grid if isinstance(grid, Even) else grid.even()) is not None:
        bound |= {"grid_step": even.step, "grid_phase": even.phase}
        return "v.at - positiveModulo(v.at - {grid_phase:Int64}, {grid_step:Int64})"
    assert isinstance(grid, Grid)
    origin, counts, distances = grid.runs()  # in short, since a server's address line has its length
    bound |= {"grid_origin": origin, "grid_counts": counts.tolist(), "grid_distances": distances.tolist()}
    each = "arrayMap((n, d) -> arrayWithConstant(n, d), {grid_counts:Array(UInt32)}, {grid_distances:Array(Int64)})"
    return f"roundDown(v.at, arrayCumSum(arrayConcat([{{grid_origin:Int64}}], arrayFlatten({each}))))"


def _values(flat: Query) -> str:
    return _VALUES.format(at=_AT, flat=flat.sql)


def _of_values(function: Function, at: int, bound: dict[str, Any]) -> str:
    if function.fraction is not None:
        bound[f"fraction_{at}"] = function.fraction
        return f"quantileExactInclusive({{fraction_{at}:Float64}})(v.value)"
    # in order of time: the product of floats overflows, or not, by its order
    return "arrayProduct(arrayMap(pair -> pair.2, arraySort(groupArray((v.at, v.value)))))"
