"""Compares two generations of one store, series by series. Before: a replay has caught up. After: what differs is told to a person."""

import uuid
from collections import defaultdict
from dataclasses import dataclass

from sink.queries.differences import TABLES, columns_of, differing
from sink.store import Store

LISTED_MAX = 1_000  # of each table


@dataclass(frozen=True)
class Difference:
    """Of one series (or run) in one table; rows alone may be equal where values differ."""

    table: str
    tenant: uuid.UUID
    id: uuid.UUID
    served_rows: int
    built_rows: int


def differences(served: Store, built: Store, watermark: tuple[int, ...]) -> list[Difference]:
    """Below a watermark vector that both have reached; at most LISTED_MAX a table. Blocking."""
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    for row in built.rows(columns_of(built.database)):
        columns[row["table"]][row["name"]] = row["type"]
    found = []
    for table in TABLES:
        asked = differing(table, columns[table], (served.database, built.database), watermark, LISTED_MAX)
        found += [Difference(table, row["tenant"], row["id"], int(row["first_rows"]), int(row["second_rows"])) for row in built.rows(asked)]
    return found
