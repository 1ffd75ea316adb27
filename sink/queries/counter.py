"""A cell that was counted up in order, however often, read from its last layer alone: that add carries the value that it led to.

10 M adds are told from one granule and the index on version, where folding them takes a second. Before: sink/reads.py found
that layers are not full sets. After: where the selection is countable(), it asks for the last_layer() and the objections() to its
value, and answers counted(). Pure.
"""

from typing import Any

from sink.queries.layers import deleted, instant_place, known_bounded, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import columns
from streams.points import OP_ADD

_TOLD = ("known_time", "recorded_time", "version", "running", "run_id", "changed_by")
_FOLDED_APART = frozenset({"text", "annotation", "tags", "valid_time_end"})  # an add does not know them
_WORDS = "CAST(NULL, 'Nullable(String)')"


def countable(selection: Selection, hiding: bool) -> bool:
    """The selection may be answered so. An add counts on deletions that a read as of an earlier known_time does not see."""
    whole = selection.run_id is None and selection.known_from is None and selection.after is None and not selection.offset
    return selection.single is not None and whole and not (hiding and known_bounded(selection))


def last_layer(selection: Selection) -> Query:
    """The layer that sorts last, found backwards from the end; instants in UTC ns. No row where nothing is seen."""
    where, bound = seen(selection)
    names = ", ".join([_told("valid_time"), *(_told(name) for name in _TOLD)])
    order = "l.valid_time DESC, l.known_time DESC, l.version DESC"
    return Query(f"SELECT {names}\nFROM points AS l\nWHERE {_all_of(where)}\nORDER BY {order}\nLIMIT 1", bound)


def objections(selection: Selection, last: dict[str, Any], alone: bool, hiding: bool) -> Query:
    """doubts: how much speaks against the running value of the last layer. alone: the read is of all cells, not of the last
    one. hiding: there are deletions."""
    where, bound = seen(selection)
    bound |= {"at": last["valid_time"], "last_version": last["version"]}
    cell = [*where, f"l.valid_time = {instant_place('at')}"]
    doubts = [_any("points AS l", [*cell, "l.version > {last_version:UInt64}"])]
    if hiding:
        hidden, more = deleted(selection)
        doubts.append(_any("deletions AS d", [*hidden, "d.version > {last_version:UInt64}"]))
        bound |= more
    if alone:
        doubts.append(_any("points AS l", [*where, f"l.valid_time < {instant_place('at')}"]))
    if _FOLDED_APART.intersection(selection.columns) or selection.value_types != {"number"}:
        doubts.append(_any("points AS l", [*cell, f"l.op != {OP_ADD}"]))
    return Query("SELECT " + "\n  + ".join(doubts) + " AS doubts", bound)


def counted(selection: Selection, last: dict[str, Any]) -> Query:
    """The answer out of a row of last_layer: constants, in the types of the table."""
    bound: dict[str, Any] = {"series_id": selection.single, **{name: last[name] for name in ("valid_time", *_TOLD)}}
    held = [
        "{series_id:UUID} AS series_id",
        *(f"{instant_place(name)} AS {name}" for name in ("valid_time", "known_time", "recorded_time")),
        "{version:UInt64} AS version",
        "CAST({running:Float64}, 'Nullable(Float64)') AS value",
        "{run_id:UUID} AS run_id",
        "toLowCardinality({changed_by:String}) AS changed_by",
        f"{_WORDS} AS text",
        f"{_WORDS} AS annotation",
        "CAST([], 'Array(LowCardinality(String))') AS tags",
        "CAST(NULL, 'Nullable(DateTime64(9, ''UTC''))') AS valid_time_end",
    ]
    return Query(f"SELECT {columns(selection, 'c')}\nFROM (SELECT\n  " + ",\n  ".join(held) + ") AS c", bound)


def _told(name: str) -> str:
    return f"toUnixTimestamp64Nano(l.{name}) AS {name}" if name.endswith("_time") else f"l.{name} AS {name}"


def _any(table: str, where: list[str]) -> str:
    return f"(SELECT count() FROM (SELECT 1 FROM {table} WHERE {_all_of(where)} LIMIT 1))"


def _all_of(where: list[str]) -> str:
    return "\n    AND ".join(where)
