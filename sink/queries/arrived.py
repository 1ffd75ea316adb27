"""Layers and deletions that came between two watermark vectors, as they came: what a live tail tells. Pure."""

import uuid
from collections.abc import Sequence

from sink.queries.layers import visible
from sink.queries.query import Query
from varve.position import ROW_BITS

LAYERS = ("layers", "points", ("valid_time", "known_time", "recorded_time", "op", "value", "text", "valid_time_end", "annotation", "tags"))
DELETIONS = ("deletions", "deletions", ("from", "until", "known_time", "recorded_time", "cause"))
_SHOWN = {"op": "['set', 'add', 'update'][t.op + 1]"}


def arrived(
    what: tuple[str, str, tuple[str, ...]],
    tenant: uuid.UUID,
    series: Sequence[uuid.UUID] | None,
    since: tuple[int, ...],
    watermark: tuple[int, ...],
) -> Query:
    """series_id, version, the columns of `what`, changed_by: of these series (None: all), in the order of each. A row may have been
    inserted twice: it is told once. since, watermark: next offsets by partition; since is included."""
    bound: dict[str, object] = {"tenant": tenant, "versions_from": [offset << ROW_BITS for offset in since]}
    where = ["t.tenant = {tenant:UUID}", "t.version >= {versions_from:Array(UInt64)}[t.partition + 1]", visible("t", watermark, bound)]
    if series is not None:
        where.append("t.series_id IN {series_ids:Array(UUID)}")
        bound["series_ids"] = list(series)
    _, table, columns = what
    listed = ", ".join(f"{_SHOWN.get(name, f't.`{name}`')} AS `{name}`" for name in ("series_id", "version", *columns, "changed_by"))
    once = "t.series_id, t.version" if table == "deletions" else "t.series_id, t.version, t.valid_time, t.known_time"
    conditions = "\n  AND ".join(where)
    sql = f"SELECT {listed}\nFROM {table} AS t\nWHERE {conditions}\nORDER BY t.series_id, t.version\nLIMIT 1 BY {once}"
    return Query(sql, bound)
