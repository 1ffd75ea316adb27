"""The line of replay: how fast every view is built anew beside the system that serves, and what its writers feel of it.

Before: points over HTTP. After: `varve replay --check`, a process of its own as a person would start it; it compares what it built
with what is served and says so. One client writes a point, waits until reads show it, and writes the next, all the while.
"""

import subprocess
import sys
import threading
from dataclasses import dataclass, field

from bench.made import Shape, point_body
from bench.reads import server_with
from bench.rig import Rig, Server, peaks
from bench.row import Row, Wrong, share
from varve.clock import SystemClock

WRITES = 200
WORSE_MAX = 3.0
CLOCK = SystemClock()


def replay(rig: Rig) -> list[Row]:
    """20 M points of 100 series into the next generation, while one client writes."""
    shape = Shape(100 if rig.scale > 0.01 else 10, rig.scaled(200_000, 1_000))
    server = server_with(rig, shape)
    alone = Writer(server)
    alone.write(rig.scaled(WRITES, 20))
    beside = Writer(server)
    writing = threading.Thread(target=beside.write_on)
    with peaks(server.pids("server")) as memory:
        writing.start()
        try:
            built = _built(rig, server)
        finally:
            beside.over.set()
            writing.join()
    slower = share(beside.taken, 0.99) / share(alone.taken, 0.99)
    what = f"replay of {shape.rows:,} points, {shape.series} series, into a new generation"
    return [
        Row(what, shape.rows / built.seconds, "points/s", 1_000_000),
        Row("— compared with the served one, and removed", built.compared_seconds, "s"),
        Row("— a write until it is visible meanwhile, p99, as a multiple of p99 alone", slower, "x", WORSE_MAX),
        Row("— memory of the replay (peak RSS)", built.memory_mib, "MiB", 1_024),
        Row("— memory of the server meanwhile (peak RSS)", memory["server"], "MiB", 1_024),
    ]


@dataclass
class _Built:
    seconds: float
    compared_seconds: float
    memory_mib: float


def _built(rig: Rig, server: Server) -> _Built:
    rig.say("varve replay --check")
    command = [sys.executable, "-m", "varve.cli", "replay", "--data", str(server.data), "--check"]
    start = CLOCK.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        with peaks({"replay": process.pid}) as memory:
            said = [(CLOCK.monotonic() - start, line) for line in process.stdout]
    same = [at for at, line in said if "hold the same rows" in line]
    caught_up = [at for at, line in said if line.startswith("caught up")]
    if process.returncode or not same or not caught_up:
        raise Wrong(f"the replay failed: {' '.join(line for _, line in said)[-600:]}")
    return _Built(caught_up[0], said[-1][0] - caught_up[0], memory["replay"])


@dataclass
class Writer:
    """taken: milliseconds of each write."""

    server: Server
    taken: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def write(self, count: int) -> None:
        line = self.server.line()
        for _ in range(count):
            start = CLOCK.monotonic()
            line.post("/api/v1/points?wait=view", point_body("meanwhile", len(self.taken)))
            self.taken.append(1000 * (CLOCK.monotonic() - start))
        line.close()

    def write_on(self) -> None:
        while not self.over.is_set():
            self.write(20)
