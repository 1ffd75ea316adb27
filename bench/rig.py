"""The server under test: a real `varve up` in a temporary directory, and what lines need around it.

Before: __main__.py makes one Rig. After: each line asks it for a fresh server (shared, with a tenant of its own, in a tiny
run), for a floor in a process of its own, and says what it does.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import psutil

from bench.row import Wrong
from bench.wire import Line
from varve.clock import SystemClock, new_id
from varve.local import Local, start_local
from varve.running import read_note
from varve.settings import Settings, StoreSettings

SHARED_SCALE_MAX = 0.01
SAMPLE_SECONDS = 0.05
QUIET_SECONDS_MAX = 60.0
FLOOR_SECONDS_MAX = 1800.0
MIB = 1 << 20
DEFAULT_STORE = StoreSettings()
T = TypeVar("T")


@dataclass
class Server:
    """A running `varve up`, seen by one line: the tenant is the line's own."""

    local: Local
    data: Path
    tenant: str
    tiny: bool = False

    @property
    def url(self) -> str:
        return self.local.url

    def line(self) -> Line:
        return Line(self.url, self.tenant)

    def pid(self, part: str) -> int:
        """0 while there is none."""
        note = read_note(self.data)
        return note.parts[part].pid if note is not None and part in note.parts else 0

    def pids(self, *parts: str) -> dict[str, int]:
        return {part: self.pid(part) for part in parts}

    def quiet(self) -> None:
        """Back when the parts have little to do (merges, state): what is measured next does not share the machine with them. A tiny run
        measures nothing."""
        if self.tiny:
            return
        parts = [psutil.Process(pid) for pid in self.pids("server", "worker", "broker").values()]
        deadline = SystemClock().monotonic() + QUIET_SECONDS_MAX
        while SystemClock().monotonic() < deadline:
            before = sum(_busy_seconds(part) for part in parts)
            threading.Event().wait(1.0)
            if sum(_busy_seconds(part) for part in parts) - before < 0.15:
                return


@dataclass
class Rig:
    scale: float
    directory: Path
    say: Callable[[str], None]
    _server: Server | None = field(default=None, init=False)
    _servers: int = field(default=0, init=False)
    _store: StoreSettings = field(default=DEFAULT_STORE, init=False)

    def scaled(self, count: int, least: int) -> int:
        return max(least, int(count * self.scale))

    def server(self, store: StoreSettings = DEFAULT_STORE) -> Server:
        """A fresh one for each line; in a tiny run, the one that runs."""
        if self._server is not None and self.scale <= SHARED_SCALE_MAX and store == self._store:
            return replace(self._server, tenant=str(new_id()))
        self.stop()
        self._servers, self._store = self._servers + 1, store
        data = self.directory / f"up-{self._servers}"
        self.say("starting varve up")
        self._server = Server(
            start_local(data, settings=Settings(data=data, store=store)), data, str(new_id()), self.scale <= SHARED_SCALE_MAX
        )
        return self._server

    def stop(self) -> None:
        """The data directory stays until the run ends."""
        if self._server is not None:
            self._server.local.stop()
            self._server = None

    def floor(self, name: str, room: str = "floor_store", **asked: Any) -> Any:
        """What the function of this name in bench/<room>.py answers, in a process of its own: chDB opens one directory a process."""
        self.say(f"floor: {name.replace('_', ' ')}")
        words = json.dumps(asked | {"directory": str(asked.get("directory") or self.directory / f"floor-{new_id()}")})
        command = [sys.executable, "-m", f"bench.{room}", name, words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FLOOR_SECONDS_MAX)
        if done.returncode:
            raise Wrong(f"the floor {name} failed: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def peaks(pids: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """The largest resident memory of each process meanwhile, MiB, by the name that it is given; one that ends has had its largest."""
    found = dict.fromkeys(pids, 0.0)
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for name, process in processes.items():
                with suppress(psutil.NoSuchProcess):
                    found[name] = max(found[name], process.memory_info().rss / MIB)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def timed(act: Callable[[], T]) -> tuple[float, T]:
    clock = SystemClock()
    start = clock.monotonic()
    found = act()
    return clock.monotonic() - start, found


def _busy_seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)
