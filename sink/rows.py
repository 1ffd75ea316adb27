"""From records of varve.points to what is inserted: one table per target, columns that no record has left out. Pure.

Before: the consumer read and decoded them. After: it inserts the tables, then advances to the positions that they close.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sink.queries.purge import Purge
from streams.log import LogRecord
from streams.points import TABLES, PointsMessage, decode_points

TARGETS = {"layers": "points"} | {name: name for name in TABLES if name != "layers"}  # in order of insertion


@dataclass(frozen=True)
class Message:
    """A record and what it says."""

    record: LogRecord
    points: PointsMessage


def decoded(records: Iterable[LogRecord]) -> list[Message | str]:
    """Each record as a message, or in words why it is none."""
    return [_decoded(record) for record in records]


def _decoded(record: LogRecord) -> Message | str:
    try:
        points = decode_points(record.value, record.headers)
    except (KeyError, ValueError, pa.ArrowException) as error:
        return f"not a record of points: {error!r}"
    if points.table is not None and points.name not in TARGETS:
        return f"not a record of points: it names the table '{points.name}'"
    return Message(record, points)


def by_target(messages: Iterable[Message]) -> dict[str, list[Message]]:
    """The messages that have rows, by the store's table; tables in the order of TARGETS."""
    found: dict[str, list[Message]] = {target: [] for target in TARGETS.values()}
    for message in messages:
        if message.points.table is not None and message.points.table.num_rows:
            found[TARGETS[message.points.name]].append(message)
    return {target: of_target for target, of_target in found.items() if of_target}


def joined(messages: Sequence[Message]) -> pa.Table:
    """Their rows as one table; a column that some lack is null there, which the store reads as its default."""
    tables = [message.points.table for message in messages]
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")


def purges_of(message: Message) -> list[Purge]:
    table = message.points.table
    assert table is not None
    instants = [table.column(name).cast(pa.int64()).to_pylist() for name in ("from", "until")]
    ids = [[uuid.UUID(bytes=item) for item in table.column(name).to_pylist()] for name in ("tenant", "series_id")]
    return [Purge(*one) for one in zip(*ids, table.column("version").to_pylist(), *instants, strict=True)]


def series_of(messages: Iterable[Message]) -> list[uuid.UUID]:
    """Whose layers and rollup rows they hold."""
    tables = [message.points.table for message in messages if message.points.name in ("layers", "rollups")]
    return sorted({uuid.UUID(bytes=item) for table in tables if table is not None for item in table.column("series_id").to_pylist()})


def rows_of(message: Message) -> int:
    return 0 if message.points.table is None else int(message.points.table.num_rows)
