"""What refresh asks and tells the store: active marks, the spans to work out, the rows that come of them. Pure.

Instants are Int64 UTC nanoseconds here; spans go along as arrays, one item a span.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sink.periods import Even
from sink.queries.flat import FLAT
from sink.queries.layers import View, source, visible
from sink.queries.query import Query
from sink.queries.rollup import by_grid
from sink.queries.selection import Selection
from streams.aggregate import AGGREGATE
from streams.points import ROLLUP_COUNT_MIN, ROLLUPS
from varve.instants import NS_PER_SECOND
from varve.position import ROW_BITS
from varve.series import partitions_of

_FIELDS = tuple(AGGREGATE.names or ())


@dataclass(frozen=True)
class Spans:
    """Of one tenant: series[i] from from_[i] up to until[i]; those of one series lie apart."""

    tenant: uuid.UUID
    series: tuple[uuid.UUID, ...]
    from_: tuple[int, ...]
    until: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.series)

    def part(self, low: int, high: int) -> "Spans":
        return Spans(self.tenant, self.series[low:high], self.from_[low:high], self.until[low:high])

    def selection(self, watermark: tuple[int, ...], from_: int | None = None, until: int | None = None) -> Selection:
        """What holds all of them."""
        low, high = min(self.from_) if from_ is None else from_, max(self.until) if until is None else until
        series = tuple(dict.fromkeys(self.series))
        return Selection(self.tenant, watermark, series, low, high, columns=("series_id", "valid_time", "value"))


def active_marks(watermark: tuple[int, ...], partitions: Sequence[int], limit: int) -> Query:
    """tenant, series_id, from, until, version, partition of marks that were not removed, the oldest first."""
    bound: dict[str, Any] = {"partitions": list(partitions), "limit": limit}
    sql = f"""SELECT m.tenant AS tenant, m.series_id AS series_id, m.`from` AS `from`, m.until AS until, m.version AS version,
  any(m.partition) AS partition
FROM stale AS m
WHERE m.partition IN {{partitions:Array(UInt16)}} AND {visible("m", watermark, bound)}
GROUP BY m.tenant, m.series_id, m.`from`, m.until, m.version
HAVING max(m.removed) = 0
ORDER BY m.version, m.tenant, m.series_id
LIMIT {{limit:UInt64}}"""
    return Query(sql, bound)


def counted(selection: Selection) -> Query:
    """points: how many layers the flat read would look at."""
    layers = source(selection, hiding=False)
    return Query(f"SELECT count() AS points\nFROM {layers.table}\nWHERE " + "\n  AND ".join(layers.where), layers.bound)


def newest(selection: Selection, hiding: bool) -> Query:
    """series_id, at: the newest valid_time of a layer that is not hidden."""
    layers = source(selection, hiding)
    conditions = "\n  AND ".join(layers.where)
    sql = f"""SELECT l.series_id AS series_id, max(toUnixTimestamp64Nano(l.valid_time)) AS at
FROM {layers.table}
WHERE {conditions}
GROUP BY l.series_id"""
    return Query(sql, layers.bound)


def overlapped(spans: Spans, step_seconds: int) -> Query:
    """place (of the span, from 1), low, high: what the rows that reach into a span hold, beyond it too."""
    bound = _bound(spans, step_seconds)
    sql = f"""SELECT s.place AS place, min(r.low) AS low, max(r.high) AS high
FROM (
  SELECT r.series_id AS series_id, toUnixTimestamp64Nano(r.bucket) AS low, toUnixTimestamp64Nano(r.until) AS high
  FROM rollups AS r
  WHERE {_rows_of(bound)}
    AND r.until > r.bucket AND toUnixTimestamp64Nano(r.until) > {{all_from:Int64}}
) AS r
INNER JOIN (
{_SPANS}
) AS s ON r.series_id = s.series_id
WHERE r.low < s.high AND r.high > s.low
GROUP BY s.place"""
    return Query(sql, bound)


def renewed(spans: Spans, clips: Sequence[int], step_seconds: int, watermark: tuple[int, ...], view: View) -> Query:
    """Inserts a row at each start: of the span, of a bucket with values, of a row that is there. A row tells up to the next start,
    none at or beyond its series' clip; a start with few values, or beyond the clip, makes the row that is there void."""
    flat = FLAT.query(spans.selection(watermark), view)
    live = by_grid(flat, Even(step_seconds * NS_PER_SECOND), _FIELDS, ())
    partitions = partitions_of(spans.series, len(watermark))
    bound = live.parameters | _bound(spans, step_seconds) | {"count_min": ROLLUP_COUNT_MIN, "clips": list(clips)}
    bound |= {"partitions": partitions.tolist(), "covers": [watermark[at] << ROW_BITS for at in partitions.tolist()]}
    zeros = ", ".join(f"0 AS {name}" for name in _FIELDS)
    sums = ",\n    ".join(f"sum(b.{name}) AS {name}" for name in _FIELDS)
    told = "t.bucket < t.clip AND (t.count = 0 OR t.count >= {count_min:UInt64})"
    sql = f"""INSERT INTO rollups ({", ".join(f"`{name}`" for name in ROLLUPS.names)})
SELECT {{tenant:UUID}}, t.series_id, {{step_seconds:UInt32}}, fromUnixTimestamp64Nano(t.bucket, 'UTC'),
  fromUnixTimestamp64Nano(if({told}, t.ends, t.bucket), 'UTC'), {{covers:Array(UInt64)}}[t.place], {{partitions:Array(UInt16)}}[t.place],
  {", ".join(_shown(name, told) for name in _FIELDS)}
FROM (
  SELECT b.*, s.place AS place, {{clips:Array(Int64)}}[s.place] AS clip,
    least(leadInFrame(b.bucket, 1, s.high) OVER (
      PARTITION BY s.place ORDER BY b.bucket ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), clip) AS ends
  FROM (
    SELECT b.series_id AS series_id, b.bucket AS bucket, max(b.there) AS there,
    {sums}
    FROM (
      SELECT v.series_id AS series_id, v.bucket AS bucket, 0 AS there, {", ".join(f"v.{name} AS {name}" for name in _FIELDS)}
      FROM (
{live.sql}
      ) AS v
      UNION ALL
      SELECT r.series_id AS series_id, toUnixTimestamp64Nano(r.bucket) AS bucket, 1 AS there, {zeros}
      FROM rollups AS r
      WHERE {_rows_of(bound)}
        AND r.bucket >= fromUnixTimestamp64Nano({{all_from:Int64}}, 'UTC')
      GROUP BY r.series_id, r.bucket
      HAVING argMax(r.until, (r.covers, r.until)) > r.bucket
      UNION ALL
      SELECT s.series_id AS series_id, s.low AS bucket, 0 AS there, {zeros}
      FROM (
{_SPANS}
      ) AS s
    ) AS b
    GROUP BY b.series_id, b.bucket
  ) AS b
  ASOF JOIN (
{_SPANS}
  ) AS s ON b.series_id = s.series_id AND b.bucket >= s.low
  WHERE b.bucket < s.high
) AS t
WHERE t.there = 1 OR ({told})"""
    return Query(sql, bound)


def settled(watermark: tuple[int, ...]) -> Query:
    """Forgets marks that were removed, below the watermark."""
    sql = "ALTER TABLE stale DELETE WHERE removed = 1 AND version < {versions_until:Array(UInt64)}[partition + 1]"
    return Query(sql, {"versions_until": [offset << ROW_BITS for offset in watermark]})


_SPANS = """    SELECT a.1 AS series_id, a.2 AS low, a.3 AS high, a.4 AS place
    FROM (SELECT arrayJoin(arrayZip(
      {span_series:Array(UUID)}, {span_from:Array(Int64)}, {span_until:Array(Int64)}, arrayEnumerate({span_from:Array(Int64)}))) AS a)"""


def _rows_of(bound: dict[str, Any]) -> str:
    assert {"tenant", "own_series", "step_seconds", "all_until"} <= set(bound)
    return """r.tenant = {tenant:UUID} AND r.series_id IN {own_series:Array(UUID)} AND r.step_seconds = {step_seconds:UInt32}
    AND r.bucket < fromUnixTimestamp64Nano({all_until:Int64}, 'UTC')"""


def _bound(spans: Spans, step_seconds: int) -> dict[str, Any]:
    return {
        "tenant": spans.tenant,
        "step_seconds": step_seconds,
        "own_series": sorted(set(spans.series)),
        "span_series": list(spans.series),
        "span_from": list(spans.from_),
        "span_until": list(spans.until),
        "all_from": min(spans.from_),
        "all_until": max(spans.until),
    }


def _shown(name: str, told: str) -> str:
    item = f"if({told}, t.{name}, 0)"
    return f"fromUnixTimestamp64Nano({item}, 'UTC')" if name.endswith("_time") else item
