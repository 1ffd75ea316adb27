"""How long each part has been silent: a thread asks all of them in turn. A part that hangs is alive to the kernel and useless.

Before: varve/up.py says how each part is asked. After: it kills one that is silent for too long, and starts it again (I12: at any
moment). One that has yet to answer is given longer, for it starts; time in which the supervisor itself slept does not count.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from varve.clock import Clock

PERIOD_SECONDS = 1.0
TURN_SECONDS_MAX = 10.0  # between two questions; more only where this process was stopped
STARTS_LONGER = 10  # times the patience with a part that has answered before
Question = Callable[[], bool]


@dataclass
class _Asked:
    question: Question
    at: float
    silent_seconds: float = 0.0
    answered: bool = False


class Watch:
    def __init__(self, questions: Mapping[str, Question], patience_seconds: float, clock: Clock) -> None:
        self._patience_seconds, self._clock = patience_seconds, clock
        self._asked = {name: _Asked(question, clock.monotonic()) for name, question in questions.items()}
        self._lock = threading.Lock()

    def hung_seconds(self, name: str) -> float:
        """How long the part has been silent, where that is too long; else 0."""
        found = self._asked.get(name)
        if found is None:
            return 0.0
        patience_seconds = self._patience_seconds * (1 if found.answered else STARTS_LONGER)
        return found.silent_seconds if found.silent_seconds > patience_seconds else 0.0

    def started(self, name: str) -> None:
        """Another process has its place now."""
        if name in self._asked:
            with self._lock:
                self._asked[name] = _Asked(self._asked[name].question, self._clock.monotonic())

    @contextmanager
    def running(self) -> Iterator[None]:
        stop = threading.Event()
        threading.Thread(target=self._run, args=(stop,), name="watch", daemon=True).start()
        try:
            yield
        finally:
            stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(PERIOD_SECONDS):
            self.turn()

    def turn(self) -> None:
        """Ask each part once."""
        for name, asked in list(self._asked.items()):
            self._ask(name, asked)

    def _ask(self, name: str, asked: _Asked) -> None:
        answered = asked.question()
        with self._lock:
            if self._asked[name] is not asked:  # it was started again while we asked
                return
            now, before = self._clock.monotonic(), asked.at
            asked.at = now
            asked.answered |= answered
            asked.silent_seconds = 0.0 if answered else asked.silent_seconds + min(TURN_SECONDS_MAX, now - before)


def sign_of_life(data: Path, name: str) -> Path:
    """The file that a part without an address touches while its loop turns."""
    return data / "alive" / name.replace("/", "_")


def touch(sign: Path) -> None:
    with suppress(OSError):  # whether the directory can be written is others' matter
        sign.parent.mkdir(parents=True, exist_ok=True)
        sign.touch()


def touched(sign: Path) -> Question:
    """Whether it was touched since it was asked last."""
    before = _moment(sign)

    def asked() -> bool:
        nonlocal before
        last, before = before, _moment(sign)
        return before != last

    return asked


def _moment(sign: Path) -> int:
    with suppress(OSError):
        return sign.stat().st_mtime_ns
    return 0
