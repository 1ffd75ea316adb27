"""What is stored of rollups: rows by level and span, and the marks that lie over them. Pure; sink/stored.py decides what to use.

Instants are compared as UTC nanoseconds. Rows come with every covers that they have; a merge may have dropped lower ones.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sink.queries.layers import instant_place, visible
from sink.queries.query import Query


@dataclass(frozen=True)
class Reach:
    """Buckets that start in one of the spans [from, until) (UTC ns), of these series."""

    series: Sequence[uuid.UUID]
    spans: Sequence[tuple[int, int]]


def rollup_rows(tenant: uuid.UUID, step_seconds: int, reaches: Sequence[Reach], columns: Sequence[str]) -> Query:
    """bucket, until, covers and these columns of the row; in order of series_id where it is one of them."""
    bound: dict[str, Any] = {"tenant": tenant, "step_seconds": step_seconds}
    within = [_within(f"r{at}", reach, bound) for at, reach in enumerate(reaches)]
    listed = ", ".join(f"r.{name} AS {name}" for name in ("bucket", "until", "covers", *columns))
    sql = f"""SELECT {listed}
FROM rollups AS r
WHERE r.tenant = {{tenant:UUID}}
  AND r.step_seconds = {{step_seconds:UInt32}}
  AND ({" OR ".join(within)})"""
    return Query(f"{sql}\nORDER BY r.series_id" if "series_id" in columns else sql, bound)


def marks(tenant: uuid.UUID, series: Sequence[uuid.UUID], watermark: tuple[int, ...], span: tuple[int, int], *, limit: int | None) -> Query:
    """series_id, from, until, version: the newest mark of each range over the span. Removed ones count too: a row that covers less
    than a mark's version is as wrong after the refresh as before. limit None: one mark a series, which holds all of its own."""
    bound: dict[str, Any] = {"tenant": tenant, "series_ids": list(series), "from": span[0], "until": span[1]}
    ranges = "m.`from` AS `from`, m.until AS until" if limit is not None else "min(m.`from`) AS `from`, max(m.until) AS until"
    by, page = ("m.series_id, m.`from`, m.until", "\nLIMIT {limit:UInt64}") if limit is not None else ("m.series_id", "")
    sql = f"""SELECT m.series_id AS series_id, {ranges}, max(m.version) AS version
FROM stale AS m
WHERE m.tenant = {{tenant:UUID}}
  AND m.series_id IN {{series_ids:Array(UUID)}}
  AND m.`from` < {instant_place("until")}
  AND m.until > {instant_place("from")}
  AND {visible("m", watermark, bound)}
GROUP BY {by}
ORDER BY m.series_id{page}"""
    return Query(sql, bound | ({} if limit is None else {"limit": limit}))


def _within(name: str, reach: Reach, bound: dict[str, Any]) -> str:
    bound[f"{name}_series"] = list(reach.series)
    spans = []
    for at, (from_, until) in enumerate(reach.spans):
        low, high = f"{name}_from_{at}", f"{name}_until_{at}"
        bound |= {low: from_, high: until}
        spans.append(f"(r.bucket >= {instant_place(low)} AND r.bucket < {instant_place(high)})")
    return f"(r.series_id IN {{{name}_series:Array(UUID)}} AND ({' OR '.join(spans)}))"
