"""Layers and deletions that came between two watermark vectors, as they came: what a live tail tells, page by page. Pure."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sink.queries.layers import instant_place, visible
from sink.queries.query import Query
from varve.instants import EARLIEST, LATEST, parse_instant
from varve.position import ROW_BITS


@dataclass(frozen=True)
class Span:
    """Of these series (None: all of the tenant), from one vector of next offsets by partition, included, to another."""

    tenant: uuid.UUID
    series: Sequence[uuid.UUID] | None
    since: tuple[int, ...]
    until: tuple[int, ...]


@dataclass(frozen=True)
class Told:
    """key: names a row, in the order told, with its types."""

    event: str
    table: str
    columns: tuple[str, ...]
    key: Mapping[str, str]


LAYERS = Told(
    "layers",
    "points",
    ("valid_time", "known_time", "recorded_time", "op", "mask", "value", "text", "valid_time_end", "annotation", "tags"),
    {"series_id": "UUID", "version": "UInt64", "valid_time": "instant", "known_time": "instant"},
)
DELETIONS = Told(
    "deletions", "deletions", ("from", "until", "known_time", "recorded_time", "cause"), {"series_id": "UUID", "version": "UInt64"}
)
_TOUCHING = ("points", "deletions")
_SHOWN = {
    "op": "['set', 'add', 'update'][t.op + 1]",
    "from": f"nullIf(t.`from`, {instant_place('no_start')})",
    "until": f"nullIf(t.until, {instant_place('no_end')})",
}


def arrived(what: Told, span: Span, after: Mapping[str, Any] | None, limit: int) -> Query:
    """series_id, version, the columns of `what`, changed_by. A row may have been inserted twice: it is told once. after: the last row of
    the page before."""
    bound: dict[str, object] = {"tenant": span.tenant, "limit": limit}
    where = ["t.tenant = {tenant:UUID}", *_between("t", span.since, span.until, bound)]
    if span.series is not None:
        where.append("t.series_id IN {series_ids:Array(UUID)}")
        bound["series_ids"] = list(span.series)
    if "from" in what.columns:
        bound |= {"no_start": EARLIEST, "no_end": LATEST}
    key = ", ".join(f"t.{name}" for name in what.key)
    if after is not None:
        where.append(f"({key}) > ({', '.join(_place(name, kind) for name, kind in what.key.items())})")
        bound |= {f"after_{name}": parse_instant(after[name]) if kind == "instant" else after[name] for name, kind in what.key.items()}
    listed = ", ".join(f"{_SHOWN.get(name, f't.`{name}`')} AS `{name}`" for name in ("series_id", "version", *what.columns, "changed_by"))
    conditions = "\n  AND ".join(where)
    page = f"ORDER BY {key}\nLIMIT 1 BY {key}\nLIMIT {{limit:UInt64}}"
    return Query(f"SELECT {listed}\nFROM {what.table} AS t\nWHERE {conditions}\n{page}", bound)


def touched(since: tuple[int, ...], until: tuple[int, ...]) -> Query:
    """tenant, series_id, of every tenant: to which a layer or a deletion came between the vectors; some twice."""
    bound: dict[str, object] = {}
    conditions = "\n  AND ".join(_between("t", since, until, bound))
    each = [f"SELECT DISTINCT t.tenant AS tenant, t.series_id AS series_id\nFROM {table} AS t\nWHERE {conditions}" for table in _TOUCHING]
    return Query("\nUNION ALL\n".join(each), bound)


def described(tenant: uuid.UUID, since: tuple[int, ...], until: tuple[int, ...]) -> Query:
    """series_id of those that were defined, described or deleted between the vectors."""
    bound: dict[str, object] = {"tenant": tenant}
    conditions = "\n  AND ".join(["s.tenant = {tenant:UUID}", *_between("s", since, until, bound)])
    return Query(f"SELECT DISTINCT s.series_id AS series_id\nFROM series AS s\nWHERE {conditions}", bound)


def documents(tenant: uuid.UUID, since: tuple[int, ...], until: tuple[int, ...]) -> Query:
    """kind, id, version, document (JSON), deleted of every version of a document between the vectors; some twice."""
    bound: dict[str, object] = {"tenant": tenant}
    conditions = "\n  AND ".join(["e.tenant = {tenant:UUID}", *_between("e", since, until, bound)])
    listed = ", ".join(f"e.{name} AS {name}" for name in ("kind", "id", "version", "document", "deleted"))
    return Query(f"SELECT {listed}\nFROM entities AS e\nWHERE {conditions}", bound)


def _between(alias: str, since: tuple[int, ...], until: tuple[int, ...], bound: dict[str, object]) -> list[str]:
    """By partition; and the lowest version of all, which the table's index on version understands."""
    moved = [low for low, high in zip(since, until, strict=True) if low < high]
    bound |= {"versions_from": [offset << ROW_BITS for offset in since], "version_min": min(moved, default=0) << ROW_BITS}
    return [
        f"{alias}.version >= {{version_min:UInt64}}",
        f"{alias}.version >= {{versions_from:Array(UInt64)}}[{alias}.partition + 1]",
        visible(alias, until, bound),
    ]


def _place(name: str, kind: str) -> str:
    return instant_place(f"after_{name}") if kind == "instant" else f"{{after_{name}:{kind}}}"
