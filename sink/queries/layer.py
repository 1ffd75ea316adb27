"""A series by versions: the layer that has one, and the newest version of all. Conditions and increments ask."""

import uuid

from sink.queries.query import Query
from varve.position import ROW_BITS
from varve.series import partition_of

_VERSIONED = ("points", "deletions", "series")


def layer(tenant: uuid.UUID, ident: uuid.UUID, version: int) -> Query:
    """at: where it lies, UTC ns; its value and running value. Not bound by a watermark: its event is known to be applied."""
    sql = """SELECT toUnixTimestamp64Nano(p.valid_time) AS at, p.value AS value, p.running AS running
FROM points AS p
WHERE p.tenant = {tenant:UUID} AND p.series_id = {series_id:UUID} AND p.version = {version:UInt64}
LIMIT 1"""
    return Query(sql, {"tenant": tenant, "series_id": ident, "version": version})


def series_version(tenant: uuid.UUID, ident: uuid.UUID, watermark: tuple[int, ...]) -> Query:
    """version: the highest of the series' layers, deletions and descriptions; 0 where there is none."""
    whose = "t.tenant = {tenant:UUID} AND t.series_id = {series_id:UUID} AND t.version < {limit:UInt64}"
    parts = "\n  UNION ALL\n".join(f"  SELECT max(t.version) AS newest FROM {table} AS t WHERE {whose}" for table in _VERSIONED)
    limit = watermark[partition_of(ident, len(watermark))] << ROW_BITS
    return Query(f"SELECT max(v.newest) AS version FROM (\n{parts}\n) AS v", {"tenant": tenant, "series_id": ident, "limit": limit})
