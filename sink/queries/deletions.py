"""What was deleted of a tenant's series, in order of (series, version): whole rows of `deletions`, each once.

Before: a route lists them, deleted series' too. After: the store. Reads apply deletions by layers.py, not by this.
"""

import uuid
from dataclasses import dataclass

from sink.queries.layers import visible
from sink.queries.query import Query


@dataclass(frozen=True)
class DeletionSearch:
    """ids None: of all series. after: (series_id, version) of the last row seen."""

    tenant: uuid.UUID
    watermark: tuple[int, ...]
    ids: tuple[uuid.UUID, ...] | None = None
    after: tuple[uuid.UUID, int] | None = None
    limit: int | None = None


def deletions(search: DeletionSearch) -> Query:
    bound: dict[str, object] = {"tenant": search.tenant}
    where = ["d.tenant = {tenant:UUID}", visible("d", search.watermark, bound)]
    if search.ids is not None:
        where.append("d.series_id IN {ids:Array(UUID)}")
        bound["ids"] = list(search.ids)
    if search.after is not None:
        where.append("(d.series_id, d.version) > ({after_id:UUID}, {after_version:UInt64})")
        bound["after_id"], bound["after_version"] = search.after
    if search.limit is not None:
        bound["limit"] = search.limit
    conditions, page = "\n  AND ".join(where), "\nLIMIT {limit:UInt64}" if search.limit is not None else ""
    sql = f"""SELECT d.series_id AS series_id, d.`from` AS `from`, d.until AS until, d.known_time AS known_time,
  d.recorded_time AS recorded_time, d.changed_by AS changed_by, d.cause AS cause, d.version AS version
FROM deletions AS d
WHERE {conditions}
ORDER BY d.series_id, d.version
LIMIT 1 BY d.series_id, d.version{page}"""
    return Query(sql, bound)
