"""The line of recovery: kill -9 of the worker, until /readyz answers 200 and a point written meanwhile is visible.

The group waits for the session time-out, whatever we do, so the row counts from its end. The floor is the same with a worker
that has no series to recover.
"""

import os
import signal
import threading

from bench.made import Shape, point_body
from bench.reads import load
from bench.rig import Rig, Server
from bench.row import Floor, Row, Wrong
from varve.clock import SystemClock
from varve.settings import Settings

SECONDS_MAX = 90.0
STATE_FLUSHES = 4
CLOCK = SystemClock()


def recovery(rig: Rig) -> list[Row]:
    """100,000 series in the worker's state."""
    server, shape = rig.server(), Shape(rig.scaled(100_000, 500), 10)
    empty = _killed(rig, server, 0)
    rig.say(f"writing {shape.series:,} series")
    load(server, shape)
    server.quiet()
    threading.Event().wait(STATE_FLUSHES * Settings().worker.flush_seconds)
    full = _killed(rig, server, 1)
    session = Settings().worker.session_seconds
    what = f"worker recovery with {shape.series:,} series, from the end of the session time-out of {session:g} s"
    return [
        Row(what, max(0.0, full - session), "s", 15),
        Row("— from the kill", full, "s", 0, Floor("a worker without series", empty)),
    ]


def _killed(rig: Rig, server: Server, point: int) -> float:
    """Seconds from the kill."""
    line, pid = server.line(), server.pid("worker")
    rig.say("kill -9 of the worker")
    start = CLOCK.monotonic()
    os.kill(pid, signal.SIGKILL)
    token = line.post("/api/v1/points?wait=log", point_body("killed", point)).token()
    line.visible("killed", [token], SECONDS_MAX)  # nobody folds it before the worker has its state again
    while line.ask("GET", "/readyz").status != 200:
        if CLOCK.monotonic() - start > SECONDS_MAX:
            raise Wrong(f"not ready {SECONDS_MAX:g} s after the kill")
    line.close()
    if server.pid("worker") in (0, pid):
        raise Wrong("the worker was not started again")
    return CLOCK.monotonic() - start
