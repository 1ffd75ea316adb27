"""Layers folded in SQL, in the order (known_time, version) of I7: each replaces the fields in its mask. Pure.

cells() has one row a cell, strata() one a layer with the cell as it was then. An argMax over a tuple keeps nulls; rows that
came twice count once. Adds belong beside the sets, in _fields().
"""

from collections.abc import Sequence

_FIELDS = ("value", "text"), ("annotation",), ("tags",), ("valid_time_end",)  # by mask bit
_LAST = ("known_time", "version", "recorded_time", "run_id", "changed_by")
_UP_TO = """WINDOW up_to AS (
  PARTITION BY l.series_id, l.valid_time ORDER BY l.known_time, l.version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)"""


def cells(where: Sequence[str]) -> str:
    """A subquery with the columns of a layer, one row a cell, its last layer's times and origin."""
    newest = f"argMax(tuple({_listed(_LAST)}), (l.known_time, l.version))"
    last = [f"tupleElement({newest}, {at}) AS {name}" for at, name in enumerate(_LAST, 1)]
    return _subquery([*_same("series_id", "valid_time"), *last, *_fields("")], "points", where, "GROUP BY l.series_id, l.valid_time")


def strata(where: Sequence[str]) -> str:
    """A subquery with the columns of a layer, one row a layer, the cell's fields as folded up to it."""
    names = ("series_id", "valid_time", *_LAST, "op", "mask")
    every = (*names, *(name for fields in _FIELDS for name in fields))
    once = _subquery(_same(*every), "points", where, "LIMIT 1 BY l.series_id, l.valid_time, l.known_time, l.version")
    return _subquery([*_same(*names), *_fields(" OVER up_to")], once, (), _UP_TO)


def _fields(over: str) -> list[str]:
    """Each field from the newest layer whose mask has its bit."""
    found = []
    for bit, names in enumerate(_FIELDS):
        newest = f"argMaxIf(tuple({_listed(names)}), (l.known_time, l.version), bitTest(l.mask, {bit})){over}"
        found += [f"tupleElement({newest}, {at}) AS {name}" for at, name in enumerate(names, 1)]
    return found


def _same(*names: str) -> list[str]:
    return [f"l.{name} AS {name}" for name in names]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"l.{name}" for name in names)


def _subquery(names: Sequence[str], source: str, where: Sequence[str], tail: str) -> str:
    listed = ",\n  ".join(names)
    conditions = "\nWHERE " + "\n  AND ".join(where) if where else ""
    return f"(\nSELECT\n  {listed}\nFROM {source} AS l{conditions}\n{tail}\n)"
