"""One supervisor for everything on one machine: broker, topics, worker, server; restarted when they die, stopped in order.

Before: `varve up`. After: the parts, each a process of its own, found again through DATA/varve.json.
Any of them may be killed at any moment (I12); a part that exits with 78 has refused in words, so all is stopped.
"""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from streams.topics import Topics
from varve.access import refuse_unguarded
from varve.broker import EmbeddedBroker, broker_in
from varve.clock import SystemClock
from varve.errors import Conflict, Unavailable
from varve.ports import choose_free, is_free, kafka_answers
from varve.process import Remembered, end, end_left_over, remember, rotate, spawn, tail
from varve.running import Running, directory_held, note_of, read_note, write_note
from varve.settings import Settings, cache_directory, environment_of, java_home
from varve.watch import Question, Watch, sign_of_life, touched

REFUSED = 78  # sysexits' EX_CONFIG: starting again would fail again
READY_SECONDS_MAX = 180.0
BACK_OFF_SECONDS_MAX = 15.0
STEADY_SECONDS = 30.0
BROKER_SECONDS = 5.0
CLOCK = SystemClock()
# Threads that pass large arrays on leave an arena each behind, and Arrow's own pool keeps what it had: a third of the memory.
LEAN_MEMORY = {"MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
_WORDS = re.compile(r"^varve: |^.*leaving with code \d+: ")


@dataclass(frozen=True)
class Part:
    """A process of ours; parts are started in order and stopped in the opposite order."""

    name: str
    command: tuple[str, ...]
    stop_seconds: float = 20.0


def own_parts() -> tuple[Part, ...]:
    command = (sys.executable, "-m", "varve.cli")
    return Part("worker", (*command, "worker")), Part("server", (*command, "server")), Part("loader", (*command, "loader"))


@dataclass
class _Child:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = 0.0  # not before this moment of the monotonic clock


def run_up(
    settings: Settings,
    say: Callable[[str], None],
    parts: Sequence[Part] | None = None,
    make_topics: Callable[[Settings], object] | None = None,
) -> int:
    """Run until Ctrl-C or SIGTERM; the exit code. `parts` and `make_topics` are given by tests of this room alone."""
    refuse_unguarded(settings)
    settings = settings.model_copy(update={"data": settings.data.resolve()})
    with directory_held(settings.data), _stop_signals() as stop:
        end_left_overs(settings.data)
        settings = _with_port(settings)
        supervisor = _Supervisor(settings, own_parts() if parts is None else parts, say, stop)
        try:
            return supervisor.run(make_topics or topics_made)
        finally:
            supervisor.stop_all()
            note_of(settings.data).unlink(missing_ok=True)


def topics_made(settings: Settings) -> Topics:
    """Make the topics that are missing, and the log's id; the topics of the generation that is served."""
    from streams.log_kafka import log_of

    async def make() -> Topics:
        async with log_of(settings) as log:
            return log.topics

    return asyncio.run(make())


class _Supervisor:
    def __init__(self, settings: Settings, parts: Sequence[Part], say: Callable[[str], None], stop: threading.Event) -> None:
        self._settings, self._stop = settings, stop
        self._tell = say
        self._to_note = False
        self._children = [_Child(part) for part in parts]
        self._broker: EmbeddedBroker | None = None
        self._broker_at = 0.0  # not started again before this moment
        self._logs = settings.data / "logs"
        self._watch = Watch({}, 0.0, CLOCK)

    def run(self, make_topics: Callable[[Settings], object]) -> int:
        self._settings = self._with_broker(self._settings)
        make_topics(self._settings)
        for child in self._children:
            rotate(self._log_of(child.part))
        self._watch = Watch(self._questions(), self._settings.up.hung_seconds, CLOCK)
        with self._watch.running():
            return self._tend_until_stopped()

    def _questions(self) -> dict[str, Question]:
        name = self._settings.worker.name or socket.gethostname()
        questions: dict[str, Question] = {
            "server": lambda: _asked(self._url(), "/healthz")[0] > 0,
            "worker": touched(sign_of_life(self._settings.data, name)),
            "loader": touched(sign_of_life(self._settings.data, f"loader-{name}")),
        }
        if self._broker is not None:
            questions["broker"] = lambda: kafka_answers(self._settings.log.brokers)
        return questions

    def _tend_until_stopped(self) -> int:
        if not self._stop.is_set() and self._until_ready():
            self._say(
                f"Varve is ready at {self._url()}  (data in {self._settings.data}, broker at {self._settings.log.brokers}; Ctrl-C stops it)"
            )
            while not self._stop.wait(0.2):
                self._tend()
            self._say(f"Stopping; the data stay in {self._settings.data}")
        return 0

    def stop_all(self) -> None:
        """Server, worker, broker: whoever feeds on another goes first."""
        for child in reversed(self._children):
            if child.process is not None:
                end(child.process, child.part.stop_seconds)
        if self._broker is not None:
            self._broker.stop()

    def _with_broker(self, settings: Settings) -> Settings:
        brokers = settings.log.brokers
        if brokers:
            if not any(kafka_answers(address) for address in brokers.split(",")):
                raise Unavailable(
                    "broker-unreachable",
                    f"no Kafka answers at {brokers} (VARVE_LOG__BROKERS): start it, correct the "
                    "address, or leave it empty for the embedded broker",
                )
            return settings
        cache = cache_directory(settings.data)
        self._broker = broker_in(settings.data, cache, settings.log.heap_mb, java_home())
        if not (cache / "kafka-jars").exists():
            self._say("first start: fetching the embedded broker's jars (43 MB) and preparing quick starts")
        address = self._broker.start()
        return settings.model_copy(update={"log": settings.log.model_copy(update={"brokers": address})})

    def _until_ready(self) -> bool:
        """Tend the parts until GET /readyz answers 200; False where a person stopped us before."""
        deadline, answer = CLOCK.monotonic() + READY_SECONDS_MAX, "no answer"
        while not self._stop.wait(0.1):
            self._tend()
            status, answer = _asked(self._url(), "/readyz")
            if status == http.client.OK or _only_behind(answer):
                return True
            if CLOCK.monotonic() > deadline:
                raise Unavailable(
                    "not-ready", f"Varve was not ready after {READY_SECONDS_MAX:.0f} s: {answer}; its logs are in {self._logs}"
                )
        return False

    def _tend(self) -> None:
        """Start what is not running, after a back-off that grows with each failure; note who runs."""
        self._to_note |= self._tend_broker()
        for child in self._children:
            self._to_note |= self._tend_child(child)
        if self._to_note:
            with suppress(OSError):  # a full disk: again with the next turn
                self._write_note()
                self._to_note = False

    def _tend_broker(self) -> bool:
        if self._broker is None:
            return False
        if self._broker.alive():
            self._end_if_hung("broker", self._broker.pid)
            return False
        if CLOCK.monotonic() < self._broker_at:
            return False
        self._say("the broker stopped; starting it again")
        self._broker.stop()
        try:
            self._broker.start()
        except Unavailable as reason:
            self._say(f"{reason.message}\ntrying again in {BROKER_SECONDS:.0f} s")
            self._broker_at = CLOCK.monotonic() + BROKER_SECONDS
            return False
        self._watch.started("broker")
        return True

    def _end_if_hung(self, name: str, pid: int) -> None:
        if silent := self._watch.hung_seconds(name):
            self._say(f"the {name} is there but has not answered for {silent:.0f} s; killing it")
            os.kill(pid, signal.SIGKILL)
            self._watch.started(name)

    def _tend_child(self, child: _Child) -> bool:
        now = CLOCK.monotonic()
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                self._end_if_hung(child.part.name, child.process.pid)
                return False
            self._mourn(child, code, now)
        if now < child.start_at:
            return False
        log = self._log_of(child.part)
        try:
            child.process = spawn(child.part.command, log, {**LEAN_MEMORY, **environment_of(self._settings)})
        except OSError as reason:
            child.start_at = now + BACK_OFF_SECONDS_MAX
            self._say(f"the {child.part.name} cannot be started ({reason.strerror}); trying again in {BACK_OFF_SECONDS_MAX:g} s")
            return False
        child.started = now
        self._watch.started(child.part.name)
        return True

    def _mourn(self, child: _Child, code: int, now: float) -> None:
        said = _last_words(self._log_of(child.part)) if code > 0 else ""
        child.process = None
        if code == REFUSED:
            raise Conflict("part-refused", said or f"the {child.part.name} refused to start; see {self._log_of(child.part)}")
        child.failures = 1 if now - child.started > STEADY_SECONDS else child.failures + 1
        wait_seconds = 0.0 if child.failures == 1 else min(BACK_OFF_SECONDS_MAX, 0.5 * 2 ** (child.failures - 2))
        child.start_at = now + wait_seconds
        self._say(
            f"the {child.part.name} stopped ({_how(code)}); starting it again"
            + (f" in {wait_seconds:g} s" if wait_seconds else "")
            + (f"; it said: {said}" if said else "")
        )

    def _write_note(self) -> None:
        pids = {child.part.name: child.process.pid for child in self._children if child.process}
        if self._broker is not None and self._broker.alive():
            pids["broker"] = self._broker.pid
        parts = {name: remembered for name, pid in pids.items() if (remembered := _remembered(pid))}
        write_note(self._settings.data, Running(self._settings.log.brokers, self._url(), remember(os.getpid()), parts))

    def _say(self, words: str) -> None:
        with suppress(OSError):  # who reads us may be gone, or our log's disk be full
            self._tell(words)

    def _url(self) -> str:
        host = self._settings.http.host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '') else host}:{self._settings.http.port}"

    def _log_of(self, part: Part) -> Path:
        return self._logs / f"{part.name}.log"


def _with_port(settings: Settings) -> Settings:
    host, port = settings.http.host, settings.http.port
    if port and not is_free(port, host):
        raise Conflict(
            "port-taken",
            f"port {port} on {host} is taken by another program: stop it, or choose another port with --port (0 takes a free one)",
        )
    chosen = port or choose_free(host)
    return settings.model_copy(update={"http": settings.http.model_copy(update={"port": chosen})})


def end_left_overs(directory: Path) -> None:
    """We hold the lock: parts of an earlier supervisor that still run lost it to a kill -9."""
    note = read_note(directory)
    if note is not None:
        for name, part in note.parts.items():
            if name != "broker":  # the broker's own room ends it
                end_left_over(part)


def _asked(url: str, path: str) -> tuple[int, str]:
    """Status and body of a GET, (0, why not) where nobody answers."""
    line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        return answer.status, answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as reason:
        return 0, f"no answer at {url}{path} ({reason})"
    finally:
        line.close()


def _only_behind(answer: str) -> bool:
    """All parts serve; what was on the log at the start is still being folded, as after a rebuild."""
    with suppress(ValueError, TypeError, KeyError):
        return all(one.startswith("views:") for one in json.loads(answer)["missing"])
    return False


def _remembered(pid: int) -> Remembered | None:
    with suppress(psutil.NoSuchProcess):  # it died meanwhile: the next turn sees that
        return remember(pid)
    return None


def _last_words(log: Path) -> str:
    """What a part said before it left: 'varve: ...' from cli.py, the worker's 'leaving with code 78: ...', else its last line."""
    lines = tail(log, 40).splitlines()
    starts = [number for number, line in enumerate(lines) if _WORDS.search(line)]
    return _WORDS.sub("", "\n".join(lines[starts[-1] :]), count=1).strip() if starts else "".join(lines[-1:]).strip()


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event set by Ctrl-C, SIGTERM and a closed terminal; the former handlers come back at the end."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
