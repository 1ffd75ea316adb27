"""What read shapes have in common: output columns, order, pages by key. A shape has one query for each View: sink/reads.py
chooses it from the rows, so that full sets that nothing hides are read in the table's own order. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sink.queries.layers import View, deleted, instant_place, seen
from sink.queries.query import Query
from sink.queries.selection import COLUMNS, Selection
from streams.points import OP_SET
from varve.errors import Incorrect

CELL = ("series_id", "valid_time")
_INSTANTS = frozenset({"valid_time", "known_time"})
_TYPES = {"series_id": "UUID", "version": "UInt64"}
_NO_RUN = "toUUID('00000000-0000-0000-0000-000000000000')"


@dataclass(frozen=True)
class Shape:
    """keys: the columns that name a row, in the selection's order, for `after`."""

    name: str
    query: Callable[[Selection, View], Query]
    keys: Callable[[Selection], tuple[str, ...]]

    def boundary(self, selection: Selection, view: View) -> Query:
        """The key of the page's last row, and a second row where there is a next page."""
        assert selection.limit is not None
        asked = replace(selection, columns=self.keys(selection), limit=2, offset=selection.offset + selection.limit - 1)
        return self.query(asked, view)


def probe(selection: Selection) -> Query:
    """partial: is any layer not a full set? deleted: is there a deletion that may hide one? layers: how many
    there are, hidden ones too, counted no further than one beyond the page."""
    where, bound = seen(selection)
    hiding, more = deleted(selection)
    conditions = "\n    AND ".join(where)
    asked = {
        "partial": f"SELECT count() FROM (SELECT 1 FROM points AS l WHERE {conditions}\n    AND l.op != {OP_SET} LIMIT 1)",
        "deleted": "SELECT count() FROM (SELECT 1 FROM deletions AS d WHERE " + "\n    AND ".join(hiding) + " LIMIT 1)",
    }
    if selection.limit is not None:
        asked["layers"] = f"SELECT count() FROM (SELECT 1 FROM points AS l WHERE {conditions}\n    LIMIT {{layers_max:UInt64}})"
        bound["layers_max"] = selection.limit + 1
    return Query("SELECT " + ",\n  ".join(f"({question}) AS {name}" for name, question in asked.items()), bound | more)


def columns(selection: Selection, alias: str, keys: Sequence[str] = ()) -> str:
    """The SELECT list, out of a table `alias` that has the columns of a layer; history has a function of its own."""
    names = selection.columns or (*(() if selection.single else ("series_id",)), "valid_time", *keys, *_plain_values(selection))
    if unknown := [name for name in names if name not in COLUMNS]:
        raise Incorrect("column-unknown", f"only history has the column '{unknown[0]}': choose from {', '.join(COLUMNS)}")
    return ",\n  ".join(column(name, alias, selection) for name in names)


def clauses(where: Sequence[str], order: Sequence[str], by: Sequence[str], selection: Selection, bound: dict[str, Any], alias: str) -> str:
    """WHERE, ORDER BY, LIMIT 1 BY and the page, in that order; empty ones are left out."""
    lines = []
    if where:
        lines.append("WHERE " + "\n  AND ".join(where))
    lines.append("ORDER BY " + ", ".join(f"{alias}.{name}" for name in order))
    if by:
        lines.append("LIMIT 1 BY " + ", ".join(f"{alias}.{name}" for name in by))
    if selection.limit is not None:
        bound["limit"], bound["offset"] = selection.limit, selection.offset
        lines.append("LIMIT {limit:UInt64}" + (" OFFSET {offset:UInt64}" if selection.offset else ""))
        if not selection.offset:
            del bound["offset"]
    return "\n".join(lines)


def after(selection: Selection, keys: Sequence[str], alias: str, bound: dict[str, Any]) -> list[str]:
    """Rows beyond the key: a > A or (a = A and (b > B or ...)); and a >= A, which the table's own key understands."""
    if selection.after is None:
        return []
    bound.update({f"after_{name}": selection.after[name] for name in keys})
    beyond = ""
    for name in reversed(keys):
        column, place = f"{alias}.{name}", _place(name)
        beyond = f"({column} > {place} OR ({column} = {place} AND {beyond}))" if beyond else f"{column} > {place}"
    return [f"{alias}.{keys[0]} >= {_place(keys[0])}", beyond] if len(keys) > 1 else [beyond]


def from_after(selection: Selection, keys: Sequence[str], bound: dict[str, Any]) -> list[str]:
    """What may be left out before folding: whole cells below the key."""
    if selection.after is None or keys[0] not in CELL:
        return []
    bound[f"after_{keys[0]}"] = selection.after[keys[0]]
    return [f"l.{keys[0]} >= {_place(keys[0])}"]


def _place(name: str) -> str:
    return instant_place(f"after_{name}") if name in _INSTANTS else f"{{after_{name}:{_TYPES[name]}}}"


def _plain_values(selection: Selection) -> tuple[str, ...]:
    return ("value", "text") if len(selection.value_types) > 1 else ("value",)


def column(name: str, alias: str, selection: Selection) -> str:
    match name:
        case "value" if selection.value_types == {"text"}:
            return f"{alias}.text AS value"
        case "value" if selection.value_types == {"bool"}:
            return f"CAST({alias}.value, 'Nullable(Bool)') AS value"
        case "run_id":
            return f"nullIf({alias}.run_id, {_NO_RUN}) AS run_id"
        case _:
            return f"{alias}.{name} AS {name}"
