"""What loading must know, of all tenants: connections, tasks, runs that are not finished, the newest turn of each task; or what of these
came between two watermark vectors. Pure.

Before: the operator's route. After: streams/loading. Runs that were last changed long ago are not looked at: their number has no bound.
"""

from collections.abc import Sequence

from sink.queries.layers import instant_place, visible
from sink.queries.query import Query
from varve.position import ROW_BITS

_COLUMNS = ("tenant", "kind", "id", "version", "document", "deleted", "recorded_time")
_LISTED = ", ".join(f"e.{name} AS {name}" for name in _COLUMNS)


def current(kinds: Sequence[str], watermark: tuple[int, ...]) -> Query:
    """The newest version of each that is there."""
    bound: dict[str, object] = {"kinds": list(kinds)}
    conditions = f"e.kind IN {{kinds:Array(String)}}\n  AND {visible('e', watermark, bound)}"
    newest = f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {conditions}\nORDER BY e.tenant, e.kind, e.id, e.version DESC\n"
    return Query(f"SELECT *\nFROM (\n{newest}LIMIT 1 BY e.tenant, e.kind, e.id\n) AS c\nWHERE NOT c.deleted", bound)


def unfinished(kind: str, since: int, watermark: tuple[int, ...]) -> Query:
    """Runs that were changed since then (UTC ns) and are neither finished nor deleted."""
    bound: dict[str, object] = {"kind": kind, "since": since}
    conditions = f"e.kind = {{kind:String}}\n  AND e.recorded_time >= {instant_place('since')}\n  AND {visible('e', watermark, bound)}"
    newest = f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {conditions}\nORDER BY e.tenant, e.kind, e.id, e.version DESC\n"
    status = "JSONExtractString(c.document, 'status') IN ('PENDING', 'STARTED')"
    return Query(f"SELECT *\nFROM (\n{newest}LIMIT 1 BY e.tenant, e.kind, e.id\n) AS c\nWHERE NOT c.deleted AND {status}", bound)


def newest_of_heads(kind: str, watermark: tuple[int, ...]) -> Query:
    """Of those whose ids begin alike up to the first '/', the one with the highest id."""
    bound: dict[str, object] = {"kind": kind}
    conditions = f"e.kind = {{kind:String}}\n  AND {visible('e', watermark, bound)}"
    highest = f"SELECT e.tenant, max(e.id)\n  FROM entities AS e\n  WHERE {conditions}\n  GROUP BY e.tenant, substringIndex(e.id, '/', 1)"
    return Query(
        f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {conditions}\n  AND (e.tenant, e.id) IN (\n  {highest})\n"
        "ORDER BY e.tenant, e.id, e.version DESC\nLIMIT 1 BY e.tenant, e.id",
        bound,
    )


def came(kinds: Sequence[str], since: tuple[int, ...], until: tuple[int, ...]) -> Query:
    """Every version between the vectors; some twice."""
    moved = [low for low, high in zip(since, until, strict=True) if low < high]
    bound: dict[str, object] = {
        "kinds": list(kinds), "versions_from": [offset << ROW_BITS for offset in since], "version_min": min(moved, default=0) << ROW_BITS,
    }  # fmt: skip
    conditions = [
        "e.kind IN {kinds:Array(String)}",
        "e.version >= {version_min:UInt64}",
        "e.version >= {versions_from:Array(UInt64)}[e.partition + 1]",
        visible("e", until, bound),
    ]
    return Query(f"SELECT {_LISTED}\nFROM entities AS e\nWHERE " + "\n  AND ".join(conditions), bound)
