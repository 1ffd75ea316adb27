"""The rows that are written, and their bodies: the same for Varve and for the floors, from a fixed seed.

Before: a line says how many series and points. After: wire.py sends the bodies, floor_store.py inserts the tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pyarrow as pa

NS_PER_SECOND = 10**9
START = datetime(2024, 1, 1, tzinfo=UTC)
START_NS = int(START.timestamp()) * NS_PER_SECOND
BODY_ROWS = 500_000


@dataclass(frozen=True)
class Shape:
    """How much: `points` of each of `series`, one a `step_seconds`, from `first` on, in bodies of at most `body_rows` rows."""

    series: int
    points: int
    step_seconds: int = 1
    first: int = 0
    body_rows: int = BODY_ROWS
    prefix: str = "bench"

    @property
    def rows(self) -> int:
        return self.series * self.points

    @property
    def keys(self) -> list[str]:
        return [key_of(self.prefix, number) for number in range(self.series)]


def key_of(prefix: str, number: int) -> str:
    return f"{prefix}-{number:06d}"


def instant(point: int, step_seconds: int = 1) -> str:
    return (START + timedelta(seconds=point * step_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def tables(shape: Shape) -> Iterator[pa.Table]:
    """Slices of time, as a fleet that reports together sends them: each table has every series, sorted by series and time."""
    keys, random = pa.array(shape.keys), np.random.default_rng(7)
    per_table = max(1, shape.body_rows // shape.series)
    for at in range(0, shape.points, per_table):
        count = min(per_table, shape.points - at)
        seconds = (np.arange(at, at + count, dtype=np.int64) + shape.first) * shape.step_seconds
        times = START_NS + np.tile(seconds, shape.series) * NS_PER_SECOND
        index = np.repeat(np.arange(shape.series, dtype=np.int32), count)
        columns = {
            "series": pa.DictionaryArray.from_arrays(pa.array(index), keys),
            "valid_time": pa.array(times, pa.timestamp("ns", "UTC")),
            "value": pa.array(np.round(20 + 5 * random.standard_normal(len(index)), 3)),
        }
        yield pa.table(columns)


def arrow_body(table: pa.Table) -> bytes:
    """An Arrow IPC stream, LZ4."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def timedb_body(table: pa.Table) -> bytes:
    """TimeDB's JSON: one object a row."""
    return orjson.dumps({"run_start_time": instant(0), "value_rows": _objects(table, "value_key")})


def ndjson(table: pa.Table) -> bytes:
    """The same rows as ClickHouse reads them itself."""
    return b"\n".join(orjson.dumps(row) for row in _objects(table, "series"))


def _objects(table: pa.Table, key: str) -> list[dict[str, object]]:
    seconds = table.column("valid_time").cast(pa.int64()).to_numpy() // NS_PER_SECOND
    times = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s")
    keys, values = table.column("series").to_pylist(), table.column("value").to_pylist()
    return [{"valid_time": f"{time}Z", key: name, "value": value} for time, name, value in zip(times.tolist(), keys, values, strict=True)]


def point_body(key: str, point: int) -> bytes:
    """A small write: one point."""
    return orjson.dumps({"series": key, "valid_time": [instant(point)], "value": [20.5 + point % 7]})
