"""Floors of the store: raw chDB through clickhouse-connect, a plain table of as few columns as will do, no log, no history.

`python -m bench.floor_store NAME JSON`, since chDB opens one directory a process. Before: rig.py asks. After: one line of JSON.
as_of_in_store is no floor: it is our own query, asked of a store whose server has stopped.
"""

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect

from bench.made import NS_PER_SECOND, START_NS, Shape, ndjson, tables
from bench.memory import peak_mib
from bench.row import median
from varve.clock import SystemClock

CLOCK = SystemClock()
COLUMNS = "series LowCardinality(String), valid_time DateTime64(9, 'UTC'), value Float64"
WRITES = 100
READS = 15


def main() -> None:
    name, words = sys.argv[1:]
    print(json.dumps(FLOORS[name](**json.loads(words))))


def insert(directory: str, shape: dict[str, Any]) -> dict[str, float]:
    """Seconds to insert the rows, table by table, and the process's peak memory."""
    client = opened(directory)
    made, seconds = Shape(**shape), 0.0
    for table in tables(made):
        seconds += seconds_of(lambda table=table: client.insert_arrow("points", table))  # type: ignore[misc]
    _counted(client, made.rows)
    return {"seconds": seconds, "peak_mb": peak_mib()}


def insert_json(directory: str, shape: dict[str, Any]) -> dict[str, float]:
    """Seconds in which ClickHouse reads the rows as JSON objects and keeps them."""
    client = opened(directory)
    bodies = [ndjson(table) for table in tables(Shape(**shape))]
    settings = {"date_time_input_format": "best_effort"}
    seconds = sum(
        seconds_of(lambda body=body: client.raw_insert("points", insert_block=body, fmt="JSONEachRow", settings=settings))  # type: ignore[misc]
        for body in bodies
    )
    _counted(client, Shape(**shape).rows)
    return {"seconds": seconds}


def insert_one(directory: str) -> dict[str, float]:
    """Median milliseconds to insert one row and have it on disk."""
    client = opened(directory, "SETTINGS fsync_after_insert = 1")
    rows = list(tables(Shape(1, WRITES, body_rows=1)))
    return {"ms": 1000 * median([seconds_of(lambda row=row: client.insert_arrow("points", row)) for row in rows])}  # type: ignore[misc]


def read(directory: str, shape: dict[str, Any], format: str, window: list[int] | None = None) -> dict[str, float]:  # noqa: A002
    """Median milliseconds to read the rows in order; window: only points [from, until)."""
    client, made = opened(directory), Shape(**shape)
    for table in tables(made):
        client.insert_arrow("points", table)
    first, until = window or [0, made.first + made.points]
    bounds = {name: START_NS + point * made.step_seconds * NS_PER_SECOND for name, point in (("first", first), ("until", until))}
    where = " AND ".join(
        f"valid_time {sign} fromUnixTimestamp64Nano({{{name}:Int64}}, 'UTC')" for sign, name in ((">=", "first"), ("<", "until"))
    )
    sql = f"SELECT series, valid_time, value FROM points WHERE {where} ORDER BY series, valid_time"
    return {"ms": 1000 * median([seconds_of(lambda: client.raw_query(sql, parameters=bounds, fmt=format)) for _ in range(READS)])}


def newest(directory: str, shape: dict[str, Any], known_times: int) -> dict[str, float]:
    """Median milliseconds to read, of `known_times` layers of each cell, the newest."""
    client = opened(directory, columns=COLUMNS + ", known_time DateTime64(9, 'UTC')", order="series, valid_time, known_time")
    for table in tables(Shape(**shape)):
        for known in range(known_times):
            times = table.column("valid_time")
            stamped = table.append_column("known_time", _constant(START_NS + known * NS_PER_SECOND, times))
            client.insert_arrow("points", stamped)
    sql = "SELECT series, valid_time, value FROM points ORDER BY series, valid_time, known_time DESC LIMIT 1 BY series, valid_time"
    return {"ms": 1000 * median([seconds_of(lambda: client.raw_query(sql, fmt="ArrowStream")) for _ in range(READS)])}


def as_of_in_store(directory: str, tenant: str, key: str, known: int, rows: int) -> dict[str, float]:
    """Median milliseconds of our own flat query as of a known_time, page and all, without HTTP."""
    from sink.queries.flat import FLAT
    from sink.queries.selection import Selection
    from sink.reads import page_of
    from sink.store import Store
    from varve.series import series_id
    from varve.settings import Settings

    settings = Settings(data=Path(directory))
    store = Store.open(settings)
    owner = uuid.UUID(tenant)
    asked = Selection(owner, (1 << 40,) * settings.log.partitions, (series_id(owner, key),), as_of_known=known, limit=1_000_000)
    found = store.arrow(page_of(store, FLAT, asked).query).num_rows
    assert found == rows, f"{found} rows instead of {rows}"
    milliseconds = 1000 * median([seconds_of(lambda: store.raw(page_of(store, FLAT, asked).query, "ArrowStream")) for _ in range(READS)])
    store.close()
    return {"ms": milliseconds}


def opened(directory: str, settings: str = "", columns: str = COLUMNS, order: str = "series, valid_time") -> Any:
    Path(directory).mkdir(parents=True)
    client = clickhouse_connect.get_client(interface="chdb", path=directory)
    client.command(f"CREATE TABLE points ({columns}) ENGINE = MergeTree ORDER BY ({order}) {settings}")
    return client


def _counted(client: Any, rows: int) -> None:
    found = int(client.command("SELECT count() FROM points"))
    assert found == rows, f"{found} rows instead of {rows}"


def _constant(instant: int, like: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.full(len(like), instant, np.int64), like.type)


def seconds_of(act: Callable[[], Any]) -> float:
    start = CLOCK.monotonic()
    act()
    return CLOCK.monotonic() - start


FLOORS: dict[str, Callable[..., dict[str, float]]] = {
    one.__name__: one for one in (insert, insert_json, insert_one, read, newest, as_of_in_store)
}

if __name__ == "__main__":
    main()
