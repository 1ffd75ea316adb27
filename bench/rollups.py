"""Lines of rollups: a year by hours and by days, the same while every row by day is stale, and how fast refresh mends late points.

Before: points over HTTP, with refresh put off where stale rows are to be met. After: rows; what is read is checked against numpy.
"""

import uuid
from dataclasses import asdict
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.made import NS_PER_SECOND, START_NS, Shape, arrow_body, instant, tables
from bench.reads import load
from bench.rig import Rig, Server, timed
from bench.row import Floor, Row, Wrong, median
from bench.wire import ARROW, post_all
from varve.series import series_id
from varve.settings import StoreSettings

READS = 15
DAYS, DAY_SECONDS, HOUR_SECONDS = 365, 86_400, 3_600
UNREFRESHED = StoreSettings(refresh_seconds=DAYS * DAY_SECONDS)
FUNCTIONS = ("count", "sum", "min", "max")
BODY_ROWS = 250_000  # one record a partition each, not spooled: with one sender, points come in order
LATE_SENDERS = 2


def rollups(rig: Rig) -> list[Row]:
    """One series of a year of minutes by hours, 100 series of a year of 10 minutes by days: out of stored rows."""
    days = rig.scaled(DAYS, 4)
    one = Shape(1, days * 1_440, step_seconds=60, body_rows=BODY_ROWS, prefix="minutes")
    many = Shape(100 if rig.scale > 0.01 else 10, days * 144, step_seconds=600, body_rows=BODY_ROWS, prefix="tens")
    server, rows = rig.server(), []
    for shape, period, target in ((one, "hour", 10.0), (many, "day", 15.0)):
        floor = rig.floor("aggregate", "floor_rollups", shape=asdict(shape), unit=period)
        rig.say(f"writing {shape.rows:,} points")
        load(server, shape, senders=1)
        server.quiet()
        taken = _checked(server, shape, period, _made(shape))
        what = f"rollup by {period} of {days} days, {shape.series} series, {shape.rows:,} points, Arrow over HTTP"
        rows.append(Row(what, taken, "ms", target, Floor("raw chDB, GROUP BY over all points", floor["ms"])))
    return rows


def stale_rollups(rig: Rig) -> list[Row]:
    """The same by days after one late point in every day of every series, before refresh; and refresh itself."""
    shape = Shape(100 if rig.scale > 0.01 else 10, rig.scaled(DAYS, 4) * 144, step_seconds=600, body_rows=BODY_ROWS, prefix="tens")
    server = rig.server(UNREFRESHED)
    rig.say(f"writing {shape.rows:,} points, then one late point a day and series")
    load(server, shape, senders=1)
    values = _made(shape)
    late = np.arange(72, shape.points - 144, 144)
    values[:, late] += 1
    server.quiet()
    _late(server, shape, late, values[:, late])
    server.quiet()
    over_http = _checked(server, shape, "day", values)
    rig.stop()
    found = rig.floor("stale", "floor_rollups", directory=str(server.data), tenant=server.tenant, shape=asdict(shape))
    if found["stale_days"] != shape.series * len(late):
        raise Wrong(f"{found['stale_days']:.0f} days are stale instead of {shape.series * len(late)}")
    mended = _refreshed(rig, server)
    what = f"rollup by day, {shape.series} series, {shape.rows:,} points, every closed day stale"
    raw = Floor("raw ClickHouse aggregate over the flat query", found["raw_ms"])
    return [
        Row(f"{what}, in the store", found["ours_ms"], "ms", 1.5 * found["raw_ms"], raw),
        Row("— the same over HTTP, Arrow", over_http, "ms", 0, raw),
        Row(f"— refresh of these days, {mended['marks']:,.0f} stale marks", mended["seconds"], "s"),
    ]


def refresh(rig: Rig) -> list[Row]:
    """3 M late points, each over one that was there, from the first until no stale mark is left."""
    shape = Shape(100 if rig.scale > 0.01 else 10, rig.scaled(30_000, 2_000), step_seconds=60, body_rows=BODY_ROWS)
    server = rig.server(UNREFRESHED)
    rig.say(f"writing {shape.rows:,} points, then as many late ones")
    load(server, shape, senders=1)
    server.quiet()
    bodies = [arrow_body(_raised(table)) for table in tables(shape)]
    seconds, _ = timed(lambda: _until_visible(server, shape, bodies))
    values = _made(shape) + 1
    before = _checked(server, shape, "hour", values)
    rig.stop()
    mended = _refreshed(rig, server)
    whole = seconds + mended["seconds"]
    return [
        Row(f"late points → visible → refreshed, one after the other, {shape.rows:,} points", shape.rows / whole, "points/s", 300_000),
        Row("— until they are visible", shape.rows / seconds, "points/s"),
        Row(
            f"— refresh alone, {mended['marks']:,.0f} stale marks to {mended['rows']:,.0f} rows", shape.rows / mended["seconds"], "points/s"
        ),
        Row(f"— rollup by hour of all {shape.series} series before refresh, Arrow over HTTP", before, "ms"),
    ]


def _refreshed(rig: Rig, server: Server) -> dict[str, float]:
    """In the store of a server that has stopped."""
    found: dict[str, float] = rig.floor("refreshed", "floor_rollups", directory=str(server.data))
    if not found["marks"] or found["left"]:
        raise Wrong(f"{found['left']:.0f} of {found['marks']:.0f} stale marks are left after refresh")
    return found


def _made(shape: Shape) -> NDArray[np.float64]:
    """float64[series, points]: what load() writes."""
    parts = [table.column("value").to_numpy().reshape(shape.series, -1) for table in tables(shape)]
    return np.concatenate(parts, axis=1)


def _checked(server: Server, shape: Shape, period: str, values: NDArray[np.float64]) -> float:
    """Median milliseconds; the first answer is compared and not timed."""
    line, path = server.line(), _path(shape, period)
    per_bucket = {"hour": HOUR_SECONDS, "day": DAY_SECONDS}[period] // shape.step_seconds
    found = pa.concat_tables(pa.ipc.open_stream(body).read_all() for body in line.pages(path, ARROW))
    buckets = values[:, : values.shape[1] // per_bucket * per_bucket].reshape(shape.series, -1, per_bucket)
    wanted = {"count": np.full(buckets.shape[:2], per_bucket), "sum": buckets.sum(2), "min": buckets.min(2), "max": buckets.max(2)}
    told = _of_series(found, server, shape)
    for name, figures in wanted.items():
        got = found.column(name).to_numpy().reshape(shape.series, -1)[:, : figures.shape[1]]  # the last hour may be short
        if not np.allclose(got, figures[told], rtol=1e-9, atol=1e-9):
            raise Wrong(f"{name} by {period}: not that of the points that were written")
    taken = 1000 * median([timed(lambda: line.pages(path, ARROW))[0] for _ in range(READS)])
    line.close()
    return taken


def _of_series(found: pa.Table, server: Server, shape: Shape) -> list[int]:
    """The number of the shape's series that each part of the answer is about."""
    if shape.series == 1:
        return [0]
    numbers = {series_id(uuid.UUID(server.tenant), key): number for number, key in enumerate(shape.keys)}
    idents = found.column("series_id").to_pylist()[:: found.num_rows // shape.series]
    if len(set(idents)) != shape.series:
        raise Wrong(f"{len(set(idents))} series have as many buckets as they should, of {shape.series}")
    return [numbers[ident] for ident in idents]


def _path(shape: Shape, period: str) -> str:
    span = {"from": instant(0), "until": instant(shape.points, shape.step_seconds)}
    words = [("key", key) for key in shape.keys] + [("function", name) for name in FUNCTIONS]
    return f"/api/v1/rollups?{urlencode([*words, *span.items(), ('period', f'1{period}')])}"


def _late(server: Server, shape: Shape, points: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """values: float64[series, points], written over what is there."""
    index = np.repeat(np.arange(shape.series, dtype=np.int32), len(points))
    times = START_NS + np.tile(points, shape.series) * shape.step_seconds * NS_PER_SECOND
    keys = pa.DictionaryArray.from_arrays(pa.array(index), pa.array(shape.keys))
    table = pa.table({"series": keys, "valid_time": pa.array(times, pa.timestamp("ns", "UTC")), "value": values.ravel()})
    _until_visible(server, shape, [arrow_body(table)])


def _raised(table: pa.Table) -> pa.Table:
    return table.set_column(2, "value", pa.array(table.column("value").to_numpy() + 1))


def _until_visible(server: Server, shape: Shape, bodies: list[bytes]) -> None:
    answers = post_all(server.url, server.tenant, "/api/v1/points?wait=log", bodies, ARROW, LATE_SENDERS)
    line = server.line()
    line.visible(shape.keys[0], [answer.token() for answer in answers])
    line.close()
