"""What stored rows leave open of how far series reach: count, first and last of the flat read's cells in each series' own gaps. Pure.

Before: sink/extents.py has the gaps. After: it adds what rows tell. Series whose gaps begin, or end, near one another are narrowed
together, so that the table's key is understood; the join then keeps what lies in a series' own gaps.
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


def near(groups: Sequence[Near], bound: dict[str, Any]) -> str:
    """A condition on layers `l`."""
    return "(" + "\n    OR ".join(_near(f"n{at}", group, bound) for at, group in enumerate(groups)) + ")"


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
