"""A `varve up` beside this program: started as a process of its own, ready when start_local returns, ended with stop().

Before: the notebook's calls, the demo, the benchmarks. After: the supervisor. It also ends when this program is killed.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from varve.clock import SystemClock
from varve.errors import Unavailable
from varve.process import Remembered, end, remember, spawn, tail
from varve.running import directory_held, read_note
from varve.settings import Settings, environment_of

START_SECONDS_MAX = 240.0
STOP_SECONDS_MAX = 60.0
STARTED_BY = "started-by.json"


@dataclass(frozen=True)
class Local:
    url: str
    brokers: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """A second call does nothing."""
        end(self.process, STOP_SECONDS_MAX)


def start_local(directory: Path, host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None) -> Local:
    """port 0: a free one. settings: others than those of the environment."""
    with directory_held(directory):  # else a server that runs there would lose its log to the refusal of this one
        pass
    logs = directory / "logs"
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise Unavailable("directory-not-writable", f"cannot write to {directory}: {reason.strerror}; choose another directory") from None
    log = logs / "up.log"
    log.write_bytes(b"")
    command = [sys.executable, "-m", "varve.cli", "up", "--data", str(directory), "--host", host, "--port", str(port)]
    child = spawn(command, log, environment_of(local_settings(directory, host, port, settings)))
    try:
        _until_ready(child, log)
    except BaseException:  # Ctrl-C too: it gets the time to stop in order
        end(child, STOP_SECONDS_MAX)
        raise
    (directory / STARTED_BY).write_text(json.dumps(vars(remember(os.getpid()))))
    note = read_note(directory)
    if note is None:
        raise Unavailable("not-started", f"Varve stopped as soon as it was ready: {tail(log)}\nIts logs are in {logs}")
    return Local(note.url, note.brokers, child)


def _until_ready(child: subprocess.Popen[bytes], log: Path) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + START_SECONDS_MAX
    while b"is ready" not in log.read_bytes():
        if child.poll() is not None or clock.monotonic() > deadline:
            raise Unavailable("not-started", f"Varve did not start: {tail(log)}\nIts logs are in {log.parent}")
        time.sleep(0.05)


def started_here(directory: Path) -> bool:
    """Whether this very process started what runs on the directory."""
    try:
        return Remembered(**json.loads((directory / STARTED_BY).read_text())) == remember(os.getpid())
    except (OSError, ValueError, TypeError):
        return False


def local_settings(directory: Path, host: str, port: int, settings: Settings | None = None) -> Settings:
    settings = settings or Settings()
    return settings.model_copy(update={"data": directory, "http": settings.http.model_copy(update={"host": host, "port": port})})
