"""A cell that was counted up in order, however often, read from its last layer alone: that add carries the value that it led to.

10 M adds are told from one granule and the indexes on op and version, where folding them takes a second. The order of
questions: countable, last_layer, objections, counted. Pure.
"""

from typing import Any

from sink.queries.layers import deleted, instant_place, known_bounded, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import columns
from streams.points import OP_ADD

_FOLDED_APART = frozenset({"text", "annotation", "tags", "valid_time_end"})  # an add does not know them


def countable(selection: Selection, hiding: bool) -> bool:
    """The selection may be answered so. An add counts on deletions that a read as of an earlier known_time does not see."""
    whole = selection.run_id is None and selection.known_from is None and selection.after is None and not selection.offset
    return selection.single is not None and whole and not (hiding and known_bounded(selection))


def last_layer(selection: Selection) -> Query:
    """valid_time, known_time, version, running of the layer that sorts last, found backwards from the end."""
    where, bound = seen(selection)
    names = ", ".join(f"l.{name} AS {name}" for name in ("valid_time", "known_time", "version", "running"))
    order = "l.valid_time DESC, l.known_time DESC, l.version DESC"
    return Query(f"SELECT {names}\nFROM points AS l\nWHERE " + "\n  AND ".join(where) + f"\nORDER BY {order}\nLIMIT 1", bound)


def objections(selection: Selection, at: int, version: int, alone: bool) -> Query:
    """What speaks against the running value of the last layer; all 0: nothing does. alone: the read is of all cells, not the last."""
    where, bound = seen(selection)
    hiding, more = deleted(selection)
    bound |= more | {"at": at, "last_version": version}
    cell = [*where, f"l.valid_time = {instant_place('at')}"]
    asked = {"later": _any("points AS l", [*cell, "l.version > {last_version:UInt64}"])}
    asked["hidden"] = _any("deletions AS d", [*hiding, "d.version > {last_version:UInt64}"])
    if alone:
        asked["others"] = _any("points AS l", [*where, f"l.valid_time < {instant_place('at')}"])
    if _FOLDED_APART.intersection(selection.columns) or selection.value_types != {"number"}:
        asked["described"] = _any("points AS l", [*cell, f"l.op != {OP_ADD}"])
    return Query("SELECT " + ",\n  ".join(f"({question}) AS {name}" for name, question in asked.items()), bound)


def counted(selection: Selection, at: int, known_time: int, version: int) -> Query:
    where = ["l.tenant = {tenant:UUID}", "l.series_id = {series_id:UUID}", f"l.valid_time = {instant_place('at')}"]
    where += [f"l.known_time = {instant_place('last_known')}", "l.version = {last_version:UInt64}"]
    bound: dict[str, Any] = {"tenant": selection.tenant, "series_id": selection.single, "at": at}
    bound |= {"last_known": known_time, "last_version": version}
    layer = "(SELECT l.* REPLACE (l.running AS value) FROM points AS l\nWHERE " + "\n  AND ".join(where) + "\nLIMIT 1)"
    return Query(f"SELECT {columns(selection, 'c')}\nFROM {layer} AS c", bound)


def _any(table: str, where: list[str]) -> str:
    return f"SELECT count() FROM (SELECT 1 FROM {table} WHERE " + "\n    AND ".join(where) + " LIMIT 1)"
