"""Rows of rollups and stale as dicts, turned into what the sink inserts."""

import uuid
from typing import Any

import pyarrow as pa


def table_of(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    """Instants as UTC nanoseconds; columns that a row lacks are 0."""
    columns = {}
    for field in schema:
        items = [row.get(field.name, 0) for row in rows]
        items = [item.bytes if isinstance(item, uuid.UUID) else item for item in items]
        columns[field.name] = (
            pa.array(items, pa.int64()).cast(field.type) if pa.types.is_timestamp(field.type) else pa.array(items, field.type)
        )
    return pa.table(columns, schema=schema)
