"""What stored rows leave open of how far series reach: count, first and last of the flat read's cells in each series' own gaps. Pure.

Before: sink/extents.py has the gaps. After: it adds what rows tell. Series whose gaps begin, or end, near one another are told to the
table's index together; a look-up of each row's series leaves a few, of which the join keeps what lies in a series' own gaps.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sink.queries.layers import instant_place
from sink.queries.query import Query
from varve.instants import EARLIEST, LATEST


@dataclass(frozen=True)
class Near:
    """Series of which something in [from_, until) (UTC ns) is asked."""

    series: Sequence[uuid.UUID]
    from_: int
    until: int


@dataclass(frozen=True)
class Reach:
    """Of one series: gaps lie before head, from tail on, and in [inner_from, inner_until) (UTC ns)."""

    series: uuid.UUID
    head: int
    tail: int
    inner_from: int
    inner_until: int


def near(groups: Sequence[Near], bound: dict[str, Any]) -> str:
    """A condition on layers `l` for the table's index alone: to try each row against each group costs more than to read it."""
    return "indexHint(" + "\n    OR ".join(_near(f"n{at}", group, bound) for at, group in enumerate(groups)) + ")"


def around(reaches: Sequence[Reach], bound: dict[str, Any]) -> str:
    """A condition on layers `l`, a look-up a row: before its series' head, after its tail, or in the hull of the gaps between."""
    bound["reach_series"] = [one.series for one in reaches]
    for name in ("head", "tail", "inner_from", "inner_until"):
        bound[f"reach_{name}"] = [getattr(one, name) for one in reaches]
    at = "toUnixTimestamp64Nano(l.valid_time)"
    inner = ""
    if any(one.inner_from < one.inner_until for one in reaches):
        inner = f" OR ({at} >= {_own('inner_from')} AND {at} < {_own('inner_until')})"
    return f"({at} < {_own('head')} OR {at} >= {_own('tail')}{inner})"


def in_gaps(flat: Query, gaps: Sequence[tuple[uuid.UUID, int, int]]) -> Query:
    """series_id, count, first, last (Int64 ns) of the cells with a value that lie in these [from, until). flat: has series_id, valid_time
    and value."""
    series, from_, until = (list(column) for column in zip(*gaps, strict=True))
    bound = flat.parameters | {"gap_series": series, "gap_from": from_, "gap_until": until, "no_end": LATEST}
    listed = "arrayJoin(arrayZip({gap_series:Array(UUID)}, {gap_from:Array(Int64)}, {gap_until:Array(Int64)}))"
    at = "toUnixTimestamp64Nano(f.valid_time)"
    sql = f"""SELECT f.series_id AS series_id, count() AS count, min(f.at) AS first, max(f.at) AS last
FROM (
  SELECT f.series_id AS series_id, {at} AS at
  FROM (
{flat.sql}
  ) AS f
  WHERE f.value IS NOT NULL) AS f
ASOF JOIN (SELECT {listed} AS gap, gap.1 AS series_id, gap.2 AS from_, gap.3 AS until) AS g
  ON f.series_id = g.series_id AND f.at >= g.from_
WHERE f.at < g.until OR g.until = {{no_end:Int64}}
GROUP BY f.series_id"""
    return Query(sql, bound)


def _near(name: str, group: Near, bound: dict[str, Any]) -> str:
    bound[f"{name}_series"] = list(group.series)
    spans = []
    if group.from_ > EARLIEST:
        bound[f"{name}_from"] = group.from_
        spans.append(f" AND l.valid_time >= {instant_place(f'{name}_from')}")
    if group.until < LATEST:
        bound[f"{name}_until"] = group.until
        spans.append(f" AND l.valid_time < {instant_place(f'{name}_until')}")
    return f"(l.series_id IN {{{name}_series:Array(UUID)}}{''.join(spans)})"


def _own(name: str) -> str:
    """Of the row's series."""
    return f"transform(l.series_id, {{reach_series:Array(UUID)}}, {{reach_{name}:Array(Int64)}}, toInt64(0))"
