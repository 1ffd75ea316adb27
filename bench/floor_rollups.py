"""Beside rollups, in a process of its own as floor_store.py: raw chDB over a plain table, and our own reads and refresh in a store
whose server has stopped.

`python -m bench.floor_rollups NAME JSON`. Before: rig.py asks. After: one line of JSON.
"""

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.floor_store import CLOCK, COLUMNS, opened, seconds_of
from bench.made import NS_PER_SECOND, START_NS, Shape, tables
from bench.row import median
from sink.functions import parse_function
from sink.periods import grid_of, parse_period
from sink.queries.query import Query
from sink.queries.refresh import active_marks
from sink.queries.selection import Selection
from sink.reads import flat_query
from sink.refresh import Refresh
from sink.rollups import rollup
from sink.store import Store
from sink.watermark import Watermarks
from streams.points import STEPS
from varve.series import series_id
from varve.settings import Settings

READS = 9
EVERYTHING = 1 << 40  # an offset that no log here reaches
PERIODS = {"hour": "toStartOfHour", "day": "toStartOfDay"}
SUMS = "count() AS count, sum(value) AS sum, min(value) AS min, max(value) AS max"
STALE_DAYS = """SELECT uniqExact(series_id, arrayJoin(
  range(toRelativeDayNum(`from`), toRelativeDayNum(until - toIntervalNanosecond(1)) + 1))) AS days
FROM stale"""
FUNCTIONS = ("count", "sum", "min", "max")


def main() -> None:
    name, words = sys.argv[1:]
    print(json.dumps(FLOORS[name](**json.loads(words))))


def aggregate(directory: str, shape: dict[str, Any], unit: str) -> dict[str, float]:
    """Median milliseconds of count, sum, min and max by series and hour or day."""
    client = opened(directory)
    for table in tables(Shape(**shape)):
        client.insert_arrow("points", table)
    sql = f"SELECT series, {PERIODS[unit]}(valid_time) AS bucket, {SUMS} FROM points GROUP BY series, bucket ORDER BY series, bucket"
    return {"ms": 1000 * median([seconds_of(lambda: client.raw_query(sql, fmt="ArrowStream")) for _ in range(READS)])}


def summed(directory: str, layers: int) -> dict[str, float]:
    """Median milliseconds of the sum of `layers` amounts of one cell."""
    client = opened(directory, columns=COLUMNS + ", known_time DateTime64(9, 'UTC')", order="series, valid_time, known_time")
    known = pa.array(START_NS + np.arange(layers, dtype=np.int64), pa.timestamp("ns", "UTC"))
    keys = pa.DictionaryArray.from_arrays(pa.array(np.zeros(layers, np.int32)), pa.array(["hot"]))
    times = pa.array(np.full(layers, START_NS, np.int64), pa.timestamp("ns", "UTC"))
    client.insert_arrow("points", pa.table({"series": keys, "valid_time": times, "value": np.ones(layers), "known_time": known}))
    sql = "SELECT sum(value) FROM points WHERE series = 'hot'"
    return {"ms": 1000 * median([seconds_of(lambda: client.raw_query(sql, fmt="ArrowStream")) for _ in range(READS)])}


def stale(directory: str, tenant: str, shape: dict[str, Any]) -> dict[str, float]:
    """Median milliseconds of our daily rollup, and of ClickHouse's aggregate over the flat query, in one store; and how many
    days of series are stale."""
    made, (store, settings) = Shape(**shape), _store(directory)
    asked = _asked(made, tenant, settings)
    assert asked.from_ is not None
    assert asked.until is not None
    grid, functions = grid_of(parse_period("1day"), "UTC", asked.from_, asked.until), [parse_function(name) for name in FUNCTIONS]
    ours = 1000 * median([seconds_of(lambda: rollup(store, asked, functions, grid)) for _ in range(READS)])
    flat = flat_query(store, asked)
    sql = f"SELECT series_id, toStartOfDay(valid_time) AS bucket, {SUMS} FROM (\n{flat.sql}\n) GROUP BY series_id, bucket"
    raw = 1000 * median([seconds_of(lambda: store.arrow(Query(sql, flat.parameters))) for _ in range(READS)])
    marks = store.rows(Query(STALE_DAYS))[0]["days"]
    store.close()
    return {"ours_ms": ours, "raw_ms": raw, "stale_days": float(marks)}


def refreshed(directory: str) -> dict[str, float]:
    """Seconds until no mark is active, how many there were, and how many rollup rows there are then."""
    store, settings = _store(directory)
    vector = (EVERYTHING,) * settings.log.partitions
    watermarks = Watermarks(settings.log.partitions)
    for row in store.rows(Query("SELECT partition, max(next_offset) AS next FROM watermarks GROUP BY partition")):
        watermarks.advance(row["partition"], row["next"])
    before = store.arrow(active_marks(vector, range(settings.log.partitions), 10_000_000)).num_rows
    pa.array(np.ones(1))  # pyarrow imports pandas with its first array, which a server has done long before
    work, start = Refresh(store, watermarks, CLOCK, 1.0), CLOCK.monotonic()
    while work.step():
        pass
    seconds = CLOCK.monotonic() - start
    left = store.arrow(active_marks(vector, range(settings.log.partitions), 10)).num_rows
    rows = store.rows(Query("SELECT count() AS rows FROM rollups FINAL WHERE until > bucket"))[0]["rows"]
    store.close()
    return {"seconds": seconds, "marks": before, "left": left, "rows": rows}


def _store(directory: str) -> tuple[Store, Settings]:
    settings = Settings(data=Path(directory))
    return Store.open(settings), settings


def _asked(shape: Shape, tenant: str, settings: Settings) -> Selection:
    owner, day = uuid.UUID(tenant), STEPS[-1] * NS_PER_SECOND
    until = START_NS + shape.points * shape.step_seconds * NS_PER_SECOND
    series = tuple(series_id(owner, key) for key in shape.keys)
    return Selection(owner, (EVERYTHING,) * settings.log.partitions, series, START_NS, -(-until // day) * day)


FLOORS: dict[str, Callable[..., dict[str, float]]] = {one.__name__: one for one in (aggregate, summed, stale, refreshed)}

if __name__ == "__main__":
    main()
