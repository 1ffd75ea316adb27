"""A store for tests, and layers as dicts turned into what the sink inserts. The embedded engine has one directory per
process: fixtures here are of module scope and close it, so that modules can follow one another."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from sink.queries.query import Query
from sink.store import Store
from streams.points import LAYERS
from varve.settings import LogSettings, Settings, StoreSettings

NO_RUN = uuid.UUID(int=0)


def opened(path: Path, dsn: str = "", prefix: str = "varve") -> Iterator[Store]:
    settings = Settings(data=path, log=LogSettings(prefix=prefix), store=StoreSettings(dsn=dsn))
    store = Store.open(settings)
    store.migrate()
    yield store
    store.close()


def layers_table(rows: list[dict[str, Any]]) -> pa.Table:
    return table_of(LAYERS, rows)


def table_of(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows with ids as UUIDs and instants as nanoseconds; what they lack is null."""
    columns = {}
    for field in schema:
        items = [row.get(field.name) for row in rows]
        items = [item.bytes if isinstance(item, uuid.UUID) else item for item in items]
        columns[field.name] = (
            pa.array(items, pa.int64()).cast(field.type) if pa.types.is_timestamp(field.type) else pa.array(items, field.type)
        )
    return pa.table(columns, schema=schema)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """Instants as UTC nanoseconds."""
    names = table.column_names
    columns = [
        table.column(name).cast(pa.int64()) if pa.types.is_timestamp(table.column(name).type) else table.column(name) for name in names
    ]
    return [dict(zip(names, items, strict=True)) for items in zip(*(column.to_pylist() for column in columns), strict=True)]


TABLES = ("points", "series", "runs", "outcomes", "watermarks", "deletions", "rollups", "stale", "purges")


def emptied(store: Store) -> None:
    """As after its migrations."""
    for table in TABLES:
        store.change(Query(f"TRUNCATE TABLE {table}"))


def hastened(store: Store) -> Store:
    """Rows need not outlive the machine."""
    for table in TABLES:
        store.change(Query(f"ALTER TABLE {table} MODIFY SETTING fsync_after_insert = 0"))
    return store
