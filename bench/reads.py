"""Lines of reading: one series, one series as it was known, everything in bulk, and many layers collapsed to flat.

Before: each writes what it reads and waits until the server is quiet. After: rows of medians.
"""

from dataclasses import asdict

import orjson
import pyarrow as pa

from bench.made import NS_PER_SECOND, START_NS, Shape, arrow_body, instant, tables
from bench.rig import Rig, Server, timed
from bench.row import Floor, Row, Wrong, median
from bench.wire import ARROW, JSON, Line, post_all, read_path

READS = 15
BULK_READS = 5


def flat_read(rig: Rig) -> list[Row]:
    """One series, a day of seconds."""
    shape, rows = Shape(1, rig.scaled(86_400, 500)), []
    floors = {form: rig.floor("read", shape=asdict(shape), format=form) for form in ("ArrowStream", "JSONEachRow")}
    line = _loaded(rig, shape)
    for name, accept, target, form in (("Arrow", ARROW, 25.0, "ArrowStream"), ("JSON", JSON, 40.0, "JSONEachRow")):
        taken = _milliseconds(line, read_path("flat", shape.keys), accept, shape.rows)
        floor = Floor("raw chDB, plain SELECT", floors[form]["ms"])
        rows.append(Row(f"flat read over HTTP, one series, {shape.rows:,} points, {name}", taken, "ms", target, floor))
    return rows


def as_of_read(rig: Rig) -> list[Row]:
    """7 days of 10-minute points, each known three times; what was known the second time."""
    shape, asked = Shape(1, 1_008, step_seconds=600), START_NS + 1 * 86_400 * NS_PER_SECOND
    floor = rig.floor("read", shape=asdict(shape), format="ArrowStream")
    server = server_with(rig, shape, 3)
    line = server.line()
    path = read_path("flat", shape.keys, as_of=instant(86_400))
    over_http = {accept: _milliseconds(line, path, accept, shape.rows) for accept in (ARROW, JSON)}
    line.close()
    rig.stop()
    store = rig.floor("as_of_in_store", directory=str(server.data), tenant=server.tenant, key=shape.keys[0], known=asked, rows=shape.rows)
    plain = Floor("raw chDB, plain SELECT of one layer", floor["ms"])
    what = "as_of read, 7 days of one series, 1,008 cells of 3 known_times"
    return [
        Row(f"{what}, in the store", store["ms"], "ms", 5, plain),
        Row("— the same over HTTP, Arrow", over_http[ARROW], "ms", 0, plain),
        Row("— the same over HTTP, JSON", over_http[JSON], "ms", 0, plain),
    ]


def bulk_read(rig: Rig) -> list[Row]:
    """All of ten series as Arrow, page after page."""
    shape = Shape(10, rig.scaled(500_000, 500))
    floor = rig.floor("read", shape=asdict(shape), format="ArrowStream")
    line = _loaded(rig, shape)
    taken = _milliseconds(line, read_path("flat", shape.keys), ARROW, shape.rows, BULK_READS)
    what = Floor("raw chDB, plain SELECT", 1000 * shape.rows / floor["ms"])
    return [Row(f"bulk read over HTTP, Arrow, {shape.rows:,} rows", 1000 * shape.rows / taken, "rows/s", 5_000_000, what)]


def collapse(rig: Rig) -> list[Row]:
    """100,000 cells of 10 known_times each, read as one row a cell."""
    shape, known = Shape(10, rig.scaled(10_000, 100)), 10
    layers = shape.rows * known
    floor = rig.floor("newest", shape=asdict(shape), known_times=known)
    line = server_with(rig, shape, known).line()
    taken = _milliseconds(line, read_path("flat", shape.keys), ARROW, shape.rows, BULK_READS)
    what = Floor("raw chDB, LIMIT 1 BY", 1000 * layers / floor["ms"])
    return [Row(f"collapse of {layers:,} layers to flat over HTTP, Arrow", 1000 * layers / taken, "layers/s", 5_000_000, what)]


def load(server: Server, shape: Shape, known_times: int = 1, senders: int = 2) -> None:
    """The shape's rows, as known a day apart, visible. senders: one keeps them in order of time."""
    line, tokens = server.line(), []
    bodies = [arrow_body(table) for table in tables(shape)]
    for known in range(known_times):
        path = f"/api/v1/points?wait=log&known_time={instant(known * 86_400)}"
        tokens += [answer.token() for answer in post_all(server.url, server.tenant, path, bodies, ARROW, senders)]
    line.visible(shape.keys[0], tokens)
    line.close()


def _loaded(rig: Rig, shape: Shape) -> Line:
    return server_with(rig, shape, 1).line()


def server_with(rig: Rig, shape: Shape, known_times: int = 1) -> Server:
    server = rig.server()
    rig.say(f"writing {shape.rows * known_times:,} points")
    load(server, shape, known_times)
    server.quiet()
    return server


def _milliseconds(line: Line, path: str, accept: str, rows: int, reads: int = READS) -> float:
    """Median of the time until the last byte; the first answer is counted and not timed."""
    found = sum(rows_in(body, accept) for body in line.pages(path, accept))
    if found != rows:
        raise Wrong(f"{path[:200]}: {found} rows instead of {rows}")
    return 1000 * median([timed(lambda: line.pages(path, accept))[0] for _ in range(reads)])


def rows_in(body: bytes, accept: str) -> int:
    if accept == JSON:
        return int(orjson.loads(body)["count"])
    return int(pa.ipc.open_stream(body).read_all().num_rows)
