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
        yield _Bar(lambda records, of, words: bars.update(task, completed=records, total=of, words=words))


class _Pace:
    def __init__(self) -> None:
        self._began, self._points = CLOCK.monotonic(), -1

    def words(self, points: int) -> str:
        if self._points < 0:  # what an earlier attempt left says nothing about this one's pace
            self._began, self._points = CLOCK.monotonic(), points
        seconds = CLOCK.monotonic() - self._began
        return f"{points:,} points, {(points - self._points) / seconds if seconds else 0:,.0f}/s"


class _Bar:
    def __init__(self, update: Callable[[int, int, str], None]) -> None:
        self._update, self._pace = update, _Pace()

    def at(self, records: int, of: int, points: int) -> None:
        self._update(records, of, self._pace.words(points))


class _Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._pace, self._said = say, _Pace(), CLOCK.monotonic()

    def at(self, records: int, of: int, points: int) -> None:
        words = self._pace.words(points)
        if CLOCK.monotonic() - self._said > LINE_SECONDS or records >= of:
            self._said = CLOCK.monotonic()
            self._say(f"{records:,} of {of:,} event records, {words}")
