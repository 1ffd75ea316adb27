"""A series' observations as HydroServer tells them: the flat read's cells that have a value, either way in time, written by the store in
each of its formats. Pure.

Before: the layers of sink/observations.py. After: HydroServer's door. A null says of a cell that it has no value: that is no observation.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sink.queries.fold import cells
from sink.queries.layers import Source
from sink.queries.query import Query
from sink.queries.selection import Selection

Format = Literal["record", "row", "column"]
FIELDS = ("phenomenonTime", "result", "resultQualifierCodes")
_NS = "toUnixTimestamp64Nano(o.valid_time)"
_FRACTION = "trim(TRAILING '0' FROM substring(toString(o.valid_time), 20))"
_TOLD = {
    "phenomenonTime": f"concat(formatDateTime(o.valid_time, '%FT%T'), if({_NS} % 1000000000 = 0, '', {_FRACTION}), 'Z')",
    "result": "assumeNotNull(o.value)",
    "resultQualifierCodes": "o.tags",
}
_TIME_PLACES = ((1, 8, ""), (9, 4, "-"), (13, 3, "-8"), (16, 1, "-9"))  # of an observation's id: hexadecimal digits of its time
_SIGN = 1 << 63
_OWN_DIGITS = 14


@dataclass(frozen=True)
class Layers:
    """Those of a selection that nothing hides. folded: one is not a full set."""

    source: Source
    folded: bool


@dataclass(frozen=True)
class Observed:
    """selection: of one series; its limit and offset count observations. codes: those that have one of these; empty: all."""

    selection: Selection
    descending: bool = False
    codes: tuple[str, ...] = ()


def told(asked: Observed, layers: Layers, form: Format, workspace_id: str) -> Query:
    """The columns of FIELDS; of a record also its ids."""
    ident, more = asked.selection.single, dict[str, Any]()
    assert ident is not None
    listed = [f"{_TOLD[name]} AS {name}" for name in FIELDS]
    if form == "record":
        listed = [f"{_id_of()} AS id", "{workspace:String} AS workspaceId", "{datastream:String} AS datastreamId", *listed]
        more = {"workspace": workspace_id, "datastream": str(ident), "own_first": _own(ident)[:2], "own_rest": _own(ident)[2:]}
    query = _observations(asked, layers, listed)
    return Query(query.sql, query.parameters | more)


def times(asked: Observed, layers: Layers) -> Query:
    """at: UTC ns of each."""
    return _observations(asked, layers, [f"{_NS} AS at"])


def counted(asked: Observed, layers: Layers) -> Query:
    """count, of all pages."""
    table, bound = _cells(asked, layers)
    return Query(f"SELECT count() AS count\nFROM {table} AS o\nWHERE {_shown(asked, bound)}", bound)


def observation_id(series: uuid.UUID, valid_time: int) -> uuid.UUID:
    """Of a cell: its time and the end of its series' id, so that ids rise with time and tell it."""
    digits, own = f"{valid_time + _SIGN:016x}", _own(series)
    told_time = "".join(f"{before}{digits[at - 1 : at - 1 + length]}" for at, length, before in _TIME_PLACES)
    return uuid.UUID(f"{told_time}{own[:2]}-{own[2:]}")


def valid_time_of(series: uuid.UUID, ident: uuid.UUID) -> int | None:
    """None where the id is none of this series' observations."""
    digits = ident.hex
    found = int(digits[:12] + digits[13:16] + digits[17], 16) - _SIGN
    return found if observation_id(series, found) == ident else None


def _observations(asked: Observed, layers: Layers, listed: Sequence[str]) -> Query:
    (table, bound), limit = _cells(asked, layers), asked.selection.limit
    where = _shown(asked, bound)
    page = ""
    if limit is not None:
        page = "\nLIMIT {limit:UInt64} OFFSET {offset:UInt64}"
        bound |= {"limit": limit, "offset": asked.selection.offset}
    columns = ",\n  ".join(listed)
    return Query(f"SELECT {columns}\nFROM {table} AS o\nWHERE {where}\nORDER BY o.valid_time{_way(asked)}{page}", bound)


def _cells(asked: Observed, layers: Layers) -> tuple[str, dict[str, Any]]:
    """A subquery: valid_time, value and tags of each cell."""
    source = layers.source
    if layers.folded:
        return cells(source), dict(source.bound)
    where = "\n  AND ".join(source.where)
    order = f"l.valid_time{_way(asked)}, l.known_time DESC, l.version DESC\nLIMIT 1 BY l.valid_time"
    names = "l.valid_time AS valid_time, l.value AS value, l.tags AS tags"
    return f"(\nSELECT {names}\nFROM {source.table}\nWHERE {where}\nORDER BY {order}\n)", dict(source.bound)


def _shown(asked: Observed, bound: dict[str, Any]) -> str:
    if not asked.codes:
        return "o.value IS NOT NULL"
    bound["codes"] = list(asked.codes)
    return "o.value IS NOT NULL AND hasAny(o.tags, {codes:Array(String)})"


def _way(asked: Observed) -> str:
    return " DESC" if asked.descending else ""


def _id_of() -> str:
    """As observation_id; the digits of a time after 1900 are never fewer than 16."""
    digits = f"lower(hex(toUInt64({_NS}) + {_SIGN}))"
    places = [f"'{before}', substring({digits}, {at}, {length})" for at, length, before in _TIME_PLACES]
    return f"concat({', '.join(places)}, {{own_first:String}}, '-', {{own_rest:String}})"


def _own(series: uuid.UUID) -> str:
    return series.hex[-_OWN_DIGITS:]
