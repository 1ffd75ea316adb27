"""Layers folded in SQL, in the order (known_time, version) of I7: a set or update replaces the fields in its mask, an add adds
to the value. Pure.

cells() has one row a cell, strata() one a layer with the cell as it was then. Rows that came twice count once: FINAL and
LIMIT 1 BY see to it, not a merge. An argMax over a tuple keeps nulls. Sums are added up in the order of the layers, as the fold
does, so that threads do not show; whole numbers up to 2^53 are exact in any order. (sumKahan in a window is off by one there.)
"""

from collections.abc import Sequence

from sink.queries.layers import Source
from streams.points import OP_ADD

_OTHERS = ("annotation", "tags", "valid_time_end")  # mask bits 2, 4, 8
_LAST = ("known_time", "version", "recorded_time", "run_id", "changed_by")
# (known_time, version) as one number, which is compared without a look at each row's tuple
_ORDER = "(bitShiftLeft(toInt128(toUnixTimestamp64Nano(l.known_time)), 64) + toInt128(l.version))"
_WHOLE_MAX = 1 << 53
_SETS = f"bitTest(l.mask, 0) AND l.op != {OP_ADD}"
_LAYER_VALUE = f"""multiIf(l.running IS NOT NULL, l.running,
    countIf(l.op = {OP_ADD}) OVER since = 0, tupleElement(argMaxIf(tuple(l.value), {_ORDER}, {_SETS}) OVER since, 1),
    sumIf(ifNull(l.value, 0), bitTest(l.mask, 0)) OVER since)"""


def cells(layers: Source, more: Sequence[str] = (), by: Sequence[str] = ()) -> str:
    """A subquery with the columns of a layer, one row a cell, its last layer's times and origin. more: further columns; by: what else
    sets cells apart."""
    names = [
        *_same("series_id", "valid_time"),
        *(f"argMax(l.{name}, {_ORDER}) AS {name}" for name in _LAST),
        f"tupleElement(argMaxIf(tuple(l.value), {_ORDER}, {_SETS}), 1) AS base",
        f"groupArrayIf(tuple({_ORDER}, ifNull(l.value, 0)), l.op = {OP_ADD}) AS adds",
        f"maxOrNullIf({_ORDER}, {_SETS}) AS set_last",
        "arrayMap(o -> ifNull(o > set_last, 1), adds.1) AS later",
        f"{_cell_value(layers.running)} AS value",
        f"tupleElement(argMaxIf(tuple(l.text), {_ORDER}, {_SETS}), 1) AS text",
        *_others(""),
        *more,
    ]
    table = layers.table.replace("points AS l", "points AS l FINAL", 1)
    return _subquery(names, table, layers.where, "GROUP BY " + ", ".join(("l.series_id", "l.valid_time", *by)))


def strata(layers: Source, apart: Sequence[tuple[str, str]] = ()) -> str:
    """A subquery with the columns of a layer, one row a layer, the cell's fields as folded up to it. apart: (expression, name)
    of further columns; layers that differ in the first of them are folded apart."""
    names = ("series_id", "valid_time", *_LAST, "op", "mask")
    every = (*names, "value", "text", "running", *_OTHERS)
    more = [name for _, name in apart]
    once = _subquery(
        [*_same(*every), *(f"{expression} AS {name}" for expression, name in apart)],
        layers.table,
        layers.where,
        "LIMIT 1 BY l.series_id, l.valid_time, l.known_time, l.version",
    )
    cell = ["l.series_id", "l.valid_time", *(f"l.{name}" for name in more[:1])]
    known = "if(l.version = max(l.version) OVER up_to, l.running, NULL)" if layers.running else "CAST(NULL, 'Nullable(Float64)')"
    numbered = _subquery(
        [
            *_same(*names, "value", "text", *more),
            *_others(" OVER up_to"),
            f"{known} AS running",
            f"countIf({_SETS}) OVER up_to AS base",
        ],
        once,
        (),
        _window("up_to", cell),
    )
    folded = [
        f"{_LAYER_VALUE} AS value",
        f"tupleElement(argMaxIf(tuple(l.text), {_ORDER}, {_SETS}) OVER since, 1) AS text",
    ]
    return _subquery([*_same(*names, *_OTHERS, *more), *folded], numbered, (), _window("since", [*cell, "l.base"]))


def _cell_value(running: bool) -> str:
    """Of the value that was set last and the adds after it; null under adds counts 0. An add that came last and sorts last
    knows the sum, if it is running."""
    newest = f"tupleElement(argMax(tuple(l.running), {_ORDER}), 1)"
    known = f"{newest} IS NOT NULL AND argMax(l.version, {_ORDER}) = max(l.version), {newest}, " if running else ""
    start, added = "ifNull(base, 0)", f"l.op = {OP_ADD}"
    broken = f"countIf({added} AND l.value != floor(l.value)) > 0 OR {start} != floor({start})"
    anyhow = f"NOT (has(later, 0) OR {broken} OR sumIf(abs(l.value), {added}) + abs({start}) > {_WHOLE_MAX})"
    kept = f"arraySort(if({anyhow}, [], arrayFilter((a, counts) -> counts, adds, later)))"
    in_order = f"arraySum(arrayPushFront(tupleElement({kept}, 2), {start}))"
    return f"multiIf({known}NOT has(later, 1), base, {anyhow}, {start} + sumIf(ifNull(l.value, 0), {added}), {in_order})"


def _others(over: str) -> list[str]:
    """Each field from the newest layer whose mask has its bit."""
    return [
        f"tupleElement(argMaxIf(tuple(l.{name}), {_ORDER}, bitTest(l.mask, {bit})){over}, 1) AS {name}"
        for bit, name in enumerate(_OTHERS, 1)
    ]


def _window(name: str, by: Sequence[str]) -> str:
    return f"""WINDOW {name} AS (
  PARTITION BY {", ".join(by)} ORDER BY l.known_time, l.version ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)"""


def _same(*names: str) -> list[str]:
    return [f"l.{name} AS {name}" for name in names]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"l.{name}" for name in names)


def _subquery(names: Sequence[str], table: str, where: Sequence[str], tail: str) -> str:
    listed = ",\n  ".join(names)
    conditions = "\nWHERE " + "\n  AND ".join(where) if where else ""
    return f"(\nSELECT\n  {listed}\nFROM {table}{' AS l' if table.startswith('(') else ''}{conditions}\n{tail}\n)"
