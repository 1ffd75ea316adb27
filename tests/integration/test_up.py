"""The supervisor with stand-in parts: what it does when they die, refuse, linger, or when it is killed itself."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import free_port, wait_until
from varve.process import end, remember, running
from varve.running import Running, found_running, read_note, write_note

pytestmark = pytest.mark.slow

SERVER = """
import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ready")
http.server.HTTPServer(("127.0.0.1", int(os.environ["VARVE_HTTP__PORT"])), Answer).serve_forever()
"""
IDLE = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
REFUSING = "import sys; sys.stderr.write('{}the log lost its tail: run varve rebuild\\n'); sys.exit(78)"
NOTED = "import os, pathlib, signal; pathlib.Path(os.environ['VARVE_DATA'], 'asked').touch(); signal.pause()"
SUPERVISOR = """
import sys, pathlib
from varve.up import Part, run_up
from varve.cli import main
import varve.cli
from varve.settings import HttpSettings, LogSettings, Settings
parts = tuple(Part(name, (sys.executable, "-c", code), 1.0) for name, code in zip(("worker", "server", "loader"), sys.argv[3:]))
settings = Settings(data=pathlib.Path(sys.argv[1]), http=HttpSettings(port=int(sys.argv[2])), log=LogSettings(heap_mb=128))
varve.cli.app = lambda: sys.exit(run_up(settings, lambda line: print(line, flush=True), parts, lambda settings: None))
main()
"""


class Started:
    def __init__(self, data: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.data, self.process, self.log = data, process, log

    def said(self) -> str:
        return self.log.read_text()

    def until_ready(self) -> "Started":
        wait_until(lambda: "is ready" in self.said() or self.process.poll() is not None, 60, "the supervisor")
        assert self.process.poll() is None, self.said()
        return self

    def pid(self, part: str) -> int:
        note = read_note(self.data)
        assert note is not None
        return note.parts[part].pid if part in note.parts else 0


Supervise = Callable[..., Started]


@pytest.fixture
def supervise(tmp_path: Path, jar_cache: Path) -> Iterator[Supervise]:
    started: list[Started] = []

    def start(worker: str = IDLE, server: str = SERVER, *more: str, port: int = 0) -> Started:
        log = tmp_path / f"up-{len(started)}.log"
        command = [sys.executable, "-c", SUPERVISOR, str(tmp_path / "data"), str(port), worker, server, *more]
        with log.open("wb") as out:
            started.append(Started(tmp_path / "data", subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT), log))
        return started[-1]

    yield start
    for one in started:
        end(one.process, 40.0)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_says_where_it_is_ready_and_the_note_names_every_part(supervise: Supervise) -> None:
    one = supervise().until_ready()
    note = read_note(one.data)
    assert note is not None
    assert set(note.parts) == {"broker", "worker", "server"}
    assert note.url in one.said()
    assert urllib.request.urlopen(note.url + "/readyz").read() == b"ready"


def test_ctrl_c_stops_every_part_cleanly_and_the_note_goes(supervise: Supervise) -> None:
    one = supervise().until_ready()
    pids = [one.pid(part) for part in ("broker", "worker", "server")]
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(40) == 0
    assert all(gone(pid) for pid in pids)
    assert read_note(one.data) is None
    assert "Traceback" not in one.said()


def test_a_part_that_ignores_sigterm_is_killed_in_the_end(supervise: Supervise) -> None:
    one = supervise(worker=STUBBORN).until_ready()
    worker = one.pid("worker")
    assert end(one.process, 40.0) == 0
    assert gone(worker)


@pytest.mark.parametrize("part", ["worker", "server", "broker"])
def test_a_killed_part_is_started_again(supervise: Supervise, part: str) -> None:
    one = supervise().until_ready()
    before = one.pid(part)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: one.pid(part) not in (0, before), 60, f"another {part}")
    assert not gone(one.pid(part))
    assert f"the {part} stopped" in one.said()


def test_a_second_supervisor_on_the_same_directory_is_refused_with_the_first_ones_address(supervise: Supervise) -> None:
    one = supervise().until_ready()
    second = supervise()
    assert second.process.wait(30) == 78
    note = read_note(one.data)
    assert note is not None
    assert "already runs on" in second.said()
    assert note.url in second.said()
    assert "Traceback" not in second.said()
    assert one.process.poll() is None


@pytest.mark.parametrize("way", ["varve: ", "2026-01-01 ERROR varve.worker leaving with code 78: "])
def test_a_part_that_refuses_stops_everything_and_its_words_reach_the_person(supervise: Supervise, way: str) -> None:
    one = supervise(worker=REFUSING.format(way))
    assert one.process.wait(60) == 78
    assert "varve: the log lost its tail: run varve rebuild" in one.said()
    assert "Traceback" not in one.said()


def test_a_taken_http_port_is_refused_in_words(supervise: Supervise) -> None:
    port = free_port()
    taken = subprocess.Popen([sys.executable, "-c", SERVER], env=os.environ | {"VARVE_HTTP__PORT": str(port)})
    try:
        wait_until(lambda: _answers(port), 20, "the other program")
        one = supervise(port=port)
        assert one.process.wait(30) == 78
        assert f"port {port} on 127.0.0.1 is taken by another program" in one.said()
    finally:
        end(taken, 5.0)


def test_no_part_outlives_a_supervisor_that_was_killed_and_the_next_one_starts(supervise: Supervise) -> None:
    one = supervise().until_ready()
    pids = [one.pid(part) for part in ("broker", "worker", "server")]
    one.process.kill()
    one.process.wait(10)
    wait_until(lambda: all(gone(pid) for pid in pids), 20, "the parts to follow")
    assert found_running(one.data) is None  # the note is stale and known to be
    supervise().until_ready()


def test_a_left_over_named_by_the_note_is_ended_before_the_start(supervise: Supervise, tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", STUBBORN.replace("SIG_IGN", "SIG_DFL")])
    (tmp_path / "data").mkdir()
    dead = remember(left.pid)
    write_note(tmp_path / "data", Running("", "", dead, {"worker": dead}))
    supervise().until_ready()
    assert left.wait(5) == -signal.SIGTERM


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(supervise: Supervise, tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", IDLE])
    try:
        (tmp_path / "data").mkdir()
        mistaken = type(remember(other.pid))(other.pid, remember(other.pid).born - 500)
        assert not running(mistaken)
        write_note(tmp_path / "data", Running("", "", mistaken, {"worker": mistaken}))
        supervise().until_ready()
        assert other.poll() is None
    finally:
        end(other, 5.0)


def test_a_part_that_keeps_failing_is_started_ever_later_and_its_last_line_is_shown(supervise: Supervise) -> None:
    one = supervise(worker="raise RuntimeError('no such topic')")
    wait_until(lambda: "starting it again in 1 s; it said: RuntimeError: no such topic" in one.said(), 60, "the third failure")
    assert "starting it again in 0.5 s" in one.said()
    assert one.process.poll() is None


def test_sigterm_before_readiness_stops_the_parts(supervise: Supervise) -> None:
    one = supervise(worker=NOTED, server=IDLE)
    wait_until((one.data / "asked").exists, 60, "the worker to start")
    assert end(one.process, 40.0) == 0
    assert "is ready" not in one.said()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
