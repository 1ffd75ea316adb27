"""Of tasks the run that was asked for last. Pure.

Before: a list of tasks. After: its rows. A run's id is its task's, a '/', its own; which came last is told by its first version, so that
the documents of all the others are not read.
"""

import uuid
from collections.abc import Sequence

from sink.queries.layers import visible
from sink.queries.query import Query


def latest_runs(tenant: uuid.UUID, kind: str, tasks: Sequence[str], watermark: tuple[int, ...]) -> Query:
    """task, run, document (JSON)."""
    bound: dict[str, object] = {"tenant": tenant, "kind": kind, "tasks": list(tasks)}
    of_kind = f"e.tenant = {{tenant:UUID}}\n  AND e.kind = {{kind:String}}\n  AND {visible('e', watermark, bound)}"
    first = f"""SELECT e.id AS id, min(e.recorded_time) AS requested
    FROM entities AS e
    WHERE {of_kind}
      AND substringIndex(e.id, '/', 1) IN {{tasks:Array(String)}}
    GROUP BY e.id"""
    last = f"SELECT argMax(f.id, (f.requested, f.id)) FROM (\n    {first}\n  ) AS f GROUP BY substringIndex(f.id, '/', 1)"
    return Query(
        f"""SELECT substringIndex(e.id, '/', 1) AS task, substringIndex(e.id, '/', -1) AS run, e.document AS document
FROM entities AS e
WHERE {of_kind}
  AND e.id IN (
  {last})
ORDER BY e.id, e.version DESC
LIMIT 1 BY e.id""",
        bound,
    )
