"""Child processes that never outlive us unnoticed: started with a death signal, remembered by pid and birth, ended in order.

Before: varve/broker.py and varve/up.py start their parts here. After: the next `varve up` finds what a kill -9 left.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path

import psutil

from varve.clock import SystemClock

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Remembered:
    """A process beyond doubt: the pid alone may belong to somebody else by now, pid and birth never do."""

    pid: int
    born: float


def spawn(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A child writing to `log`, in a session of its own (Ctrl-C reaches only us), killed by the kernel if we are."""
    with log.open("ab") as out:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()),
        )


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the signal was armed
            os._exit(1)

    return arm


def remember(pid: int) -> Remembered:
    return Remembered(pid, psutil.Process(pid).create_time())


def running(process: Remembered) -> bool:
    try:
        found = psutil.Process(process.pid)
        return bool(abs(found.create_time() - process.born) < 1.0) and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_left_over(process: Remembered, patience_seconds: float = 10.0) -> None:
    """End a part that an earlier supervisor left running: asked first, then killed."""
    if not running(process):
        return
    clock = SystemClock()
    for wish in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(process.pid, wish)
        deadline = clock.monotonic() + patience_seconds
        while clock.monotonic() < deadline:
            if not running(process):  # a zombie counts as gone: whoever is its parent buries it
                return
            time.sleep(0.05)


def end(child: subprocess.Popen[bytes], patience_seconds: float) -> int:
    """Ask the child to stop, wait, then kill it; its exit code."""
    if child.poll() is None:
        child.terminate()
        try:
            return child.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def rotate(log: Path, kept: int = 3) -> Path:
    """log -> log.1 -> log.2 ...: each start writes a file of its own, the oldest goes."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for number in range(kept, 0, -1):
        older = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    return log


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        text = file.read().decode(errors="replace")
    return "\n".join(text.strip().splitlines()[-lines:])


def without_pandas() -> None:
    """pyarrow imports pandas with the first array of numbers: a second and 60 MB that the worker can do without (chDB cannot)."""
    sys.meta_path.insert(0, _NoPandas())


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError("this process does without pandas", name=fullname)
