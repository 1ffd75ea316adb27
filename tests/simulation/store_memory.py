"""The store in memory: what the sink needs of one, with each row once, and erasures. Beside it a real store may be filled alike.

Before: sinks.py, whose processes fail and die. After: generations.py and checker.py compare it with the points topic.
"""

import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sink.queries.query import Query
from sink.store import Refused, Store
from tests.store_rows import rows_of
from varve.instants import LATEST, NS_PER_SECOND

REFUSED = "not this"  # an annotation that the store will not have
Row = dict[str, Any]


class MemoryStore:
    """tables: by name, each row once, by its bytes. beside: the real one, or None."""

    def __init__(self, beside: Store | None = None) -> None:
        self.where = "in memory"
        self.tables: dict[str, dict[str, Row]] = {}
        self.beside = beside

    def insert(self, table: str, rows: pa.Table) -> None:
        found = full_rows(rows)
        if any(row.get("annotation") == REFUSED for row in found):
            raise Refused("store-refused", f"{table}: a row is not to be had")
        if self.beside is not None:
            self.beside.insert(table, rows)
        self.tables.setdefault(table, {}).update({key_of(row): row for row in found})

    def rows(self, query: Query) -> list[Row]:
        """The sink asks for its positions, and for purges."""
        if self.beside is not None:
            return self.beside.rows(query)
        if "FROM purges" in query.sql:
            asked = [row for row in self.tables.get("purges", {}).values() if as_uuid(row["series_id"]) in query.parameters["series_ids"]]
            ids = [{name: as_uuid(row[name]) for name in ("tenant", "series_id")} for row in asked]
            return [
                {"version": row["version"], "first": row["from"], "end": row["until"]} | whose
                for row, whose in zip(asked, ids, strict=True)
            ]
        assert "FROM watermarks" in query.sql
        found: dict[tuple[int, str], Row] = {}
        for row in self.tables.get("watermarks", {}).values():
            held = found.setdefault((row["partition"], row["log_id"]), dict(row))
            held |= {name: max(held[name], row[name]) for name in ("next_offset", "points_offset")}
        return list(found.values())

    def change(self, query: Query) -> None:
        """The sink erases what was purged."""
        table = query.sql.split()[2]
        assert query.sql.startswith("ALTER TABLE")
        if self.beside is not None:
            self.beside.change(query)
        bound = query.parameters
        gone = gone_by(bound | {name: bound[name].bytes for name in ("tenant", "series_id")}, table)
        self.tables[table] = {key: row for key, row in self.tables.get(table, {}).items() if not gone(row)}


def gone_by(purge: Row, target: str) -> Callable[[Row], bool]:
    """Whether a row of `points` or `rollups` is what the purge erases."""

    def layer(row: Row) -> bool:
        within = purge["from"] <= row["valid_time"] and (row["valid_time"] < purge["until"] or purge["until"] == LATEST)
        return whose(row) and within and bool(row["version"] < purge["version"])

    def rollup(row: Row) -> bool:
        before = row["bucket"] < purge["until"] or purge["until"] == LATEST
        after = row["bucket"] + row["step_seconds"] * NS_PER_SECOND > purge["from"]
        return whose(row) and before and after and bool(row["covers"] < purge["version"])

    def whose(row: Row) -> bool:
        return bool(row["series_id"] == purge["series_id"] and row["tenant"] == purge["tenant"])

    return layer if target == "points" else rollup


def full_rows(table: pa.Table) -> list[Row]:
    """Columns that say nothing left out; instants as nanoseconds."""
    return [{name: item for name, item in row.items() if item is not None} for row in rows_of(table)]


def key_of(row: Row) -> str:
    return repr(sorted(row.items()))


def as_uuid(given: Any) -> uuid.UUID:
    return given if isinstance(given, uuid.UUID) else uuid.UUID(bytes=given)
