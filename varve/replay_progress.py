"""How far a replay is: a bar with points a second and the time left where a person looks on, a plain line now and then elsewhere.

Before: varve/replay.py asks the server. After: stderr, or say().
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from varve.clock import SystemClock

LINE_SECONDS = 10.0
CLOCK = SystemClock()


class Shown(Protocol):
    def at(self, records: int, of: int, points: int) -> None:
        """records of varve.events whose points are in the tables, of how many; points: rows there."""

    def caught_up(self) -> None: ...


@contextmanager
def shown(say: Callable[[str], None]) -> Iterator[Shown]:
    if not sys.stderr.isatty():
        yield _Lines(say)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replaying"), BarColumn(), TextColumn("{task.fields[words]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("replaying", total=None, words="")
        yield _Bar(lambda records, of, words: bars.update(task, completed=records, total=of, words=words), say)


class _Pace:
    """Points since the first look: what an earlier attempt left says nothing about this one's pace."""

    def __init__(self) -> None:
        self._began, self._first, self.words = CLOCK.monotonic(), -1, ""

    def at(self, points: int) -> str:
        if self._first < 0:
            self._began, self._first = CLOCK.monotonic(), points
        seconds = CLOCK.monotonic() - self._began
        self.words = f"{points:,} points, {(points - self._first) / seconds if seconds else 0:,.0f}/s"
        return self.words


class _Bar:
    def __init__(self, update: Callable[[int, int, str], None], say: Callable[[str], None]) -> None:
        self._update, self._say, self._pace = update, say, _Pace()

    def at(self, records: int, of: int, points: int) -> None:
        self._update(records, of, self._pace.at(points))

    def caught_up(self) -> None:
        self._say(f"caught up: {self._pace.words}")


class _Lines(_Bar):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(self._line, say)
        self._said = CLOCK.monotonic()

    def _line(self, records: int, of: int, words: str) -> None:
        if CLOCK.monotonic() - self._said > LINE_SECONDS:
            self._said = CLOCK.monotonic()
            self._say(f"{records:,} of {of:,} event records, {words}")
