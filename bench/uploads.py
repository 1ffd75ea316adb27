"""Lines of bulk writing: Arrow over HTTP of few and of many series, with the memory it takes, and TimeDB's JSON.

Before: made.py's bodies, made before the clock starts. After: rows; each line has read back what it wrote.
"""

from dataclasses import asdict

import pyarrow as pa

from bench import floor_log
from bench.made import Shape, arrow_body, tables, timedb_body
from bench.rig import Rig, Server, peaks, timed
from bench.row import Floor, Row, Wrong
from bench.wire import ARROW, JSON, Answer, post_all, read_path

SENDERS = 4
WORKER_MB_MAX, SERVER_MB_MAX = 600, 1024


def upload_100(rig: Rig) -> list[Row]:
    """20 M points of 100 series: the rate until all are visible, and the memory meanwhile."""
    return _arrow(rig, Shape(100, rig.scaled(200_000, 50)), 1_000_000)


def upload_100k(rig: Rig) -> list[Row]:
    """100,000 series, 10 points each: what a series costs."""
    return _arrow(rig, Shape(rig.scaled(100_000, 500), 10), 400_000)


def timedb_json(rig: Rig) -> list[Row]:
    """TimeDB's POST /upload, which answers when all is visible."""
    shape = Shape(10, rig.scaled(100_000, 100), body_rows=50_000)
    floor = rig.floor("insert_json", shape=asdict(shape))
    server = rig.server()
    bodies = [timedb_body(table) for table in tables(shape)]
    rig.say(f"sending {len(bodies)} bodies of JSON")
    seconds, _ = timed(lambda: post_all(server.url, server.tenant, "/upload", bodies, JSON, SENDERS))
    _read_back(server, shape)
    what = Floor("raw chDB, JSONEachRow", shape.rows / floor["seconds"])
    return [Row(f"TimeDB's JSON rows by POST /upload → visible, {shape.rows:,} points", shape.rows / seconds, "points/s", 100_000, what)]


def _arrow(rig: Rig, shape: Shape, target: float) -> list[Row]:
    store = rig.floor("insert", shape=asdict(shape))
    server = rig.server()
    bodies = [arrow_body(table) for table in tables(shape)]
    server.quiet()
    rig.say(f"sending {len(bodies)} bodies of Arrow, {sum(map(len, bodies)) / 2**20:.0f} MiB")
    with peaks(server.pids("worker", "server")) as peak:
        seconds, _ = timed(lambda: _uploaded(server, shape, bodies))
    _read_back(server, shape)
    server.quiet()
    rig.say("floor: produce")
    log_seconds, _ = floor_log.produce(server.local.brokers, bodies, SENDERS)
    what, rate = f"{shape.series:,} series, {shape.rows:,} points", shape.rows / seconds
    return [
        Row(f"Arrow upload over HTTP → visible, {what}", rate, "points/s", target, Floor("raw chDB insert", shape.rows / store["seconds"])),
        Row("— the same, beside the log", rate, "points/s", 0, Floor("raw aiokafka produce", shape.rows / log_seconds)),
        Row("— memory of the worker meanwhile (peak RSS)", peak["worker"], "MiB", WORKER_MB_MAX),
        Row(
            "— memory of the server meanwhile (peak RSS)", peak["server"], "MiB", SERVER_MB_MAX, Floor("raw chDB insert", store["peak_mb"])
        ),
    ]


def _uploaded(server: Server, shape: Shape, bodies: list[bytes]) -> list[Answer]:
    """Until every row is visible: each answer has a token, and the last reads wait for them all."""
    answers = post_all(server.url, server.tenant, "/api/v1/points?wait=log", bodies, ARROW, SENDERS)
    line = server.line()
    line.visible(shape.keys[0], [answer.token() for answer in answers])
    line.close()
    return answers


def _read_back(server: Server, shape: Shape) -> None:
    """All points of the last series."""
    line = server.line()
    found = sum(pa.ipc.open_stream(body).read_all().num_rows for body in line.pages(read_path("flat", [shape.keys[-1]]), ARROW))
    line.close()
    if found != shape.points:
        raise Wrong(f"{found} points of {shape.keys[-1]} are visible instead of {shape.points}")
