"""A purge: what it would erase, and the statements that erase it. Rows of `points` below its version, in its span, and the rollup
rows that were made of them; its deletion and its row in `purges` stay, so that people see what was done. Pure.

A rollup row holds the points of [bucket, bucket + step) and goes with all older rows of its bucket: none of them comes back.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sink.queries.layers import instant_place, visible
from sink.queries.query import Query
from varve.instants import LATEST
from varve.position import ROW_BITS

_SPAN = f"valid_time >= {instant_place('from')} AND (valid_time < {instant_place('until')} OR {{until:Int64}} = {LATEST})"
_WHOSE = "tenant = {tenant:UUID} AND series_id = {series_id:UUID}"
_PURGES = """SELECT DISTINCT p.tenant AS tenant, p.series_id AS series_id, p.version AS version,
  toUnixTimestamp64Nano(p.`from`) AS first, toUnixTimestamp64Nano(p.until) AS end
FROM purges AS p
"""
_STEP_NS = "toInt128(step_seconds) * 1000000000"


@dataclass(frozen=True)
class Purge:
    """One row of `purges`; [from_, until), LATEST is no end."""

    tenant: uuid.UUID
    series_id: uuid.UUID
    version: int
    from_: int
    until: int


def purged_count(tenant: uuid.UUID, series_id: uuid.UUID, from_: int, until: int) -> Query:
    """layers: how many a purge of the span would erase now, each once."""
    sql = f"SELECT count() AS layers FROM (SELECT 1 FROM points WHERE {_WHOSE} AND {_SPAN} GROUP BY valid_time, known_time, version)"
    return Query(sql, {"tenant": tenant, "series_id": series_id, "from": from_, "until": until})


def purges_between(since: tuple[int, ...], watermark: tuple[int, ...]) -> Query:
    """Rows for purge_of(): those that the second watermark vector shows and the first does not."""
    bound: dict[str, Any] = {}
    shown = visible("p", watermark, bound)
    bound["versions_since"] = [offset << ROW_BITS for offset in since]
    return Query(f"{_PURGES}WHERE {shown} AND p.version >= {{versions_since:Array(UInt64)}}[p.partition + 1]", bound)


def purges_over(series: Sequence[uuid.UUID]) -> Query:
    """Rows for purge_of(): every purge of these series."""
    return Query(f"{_PURGES}WHERE p.series_id IN {{series_ids:Array(UUID)}}", {"series_ids": list(series)})


def purge_of(row: Mapping[str, Any]) -> Purge:
    """Of a row of _PURGES."""
    return Purge(row["tenant"], row["series_id"], int(row["version"]), int(row["first"]), int(row["end"]))


def erasures(purge: Purge) -> list[Query]:
    """Mutations; again, they find nothing."""
    bound: dict[str, Any] = {"tenant": purge.tenant, "series_id": purge.series_id, "version": purge.version}
    bound |= {"from": purge.from_, "until": purge.until}
    last = f"toInt128(toUnixTimestamp64Nano(bucket)) + {_STEP_NS} > {{from:Int64}}"
    rollups = f"(bucket < {instant_place('until')} OR {{until:Int64}} = {LATEST}) AND {last} AND covers < {{version:UInt64}}"
    return [
        Query(f"ALTER TABLE points DELETE WHERE {_WHOSE} AND {_SPAN} AND version < {{version:UInt64}}", bound),
        Query(f"ALTER TABLE rollups DELETE WHERE {_WHOSE} AND {rollups}", bound),
    ]
