"""Progress bars of long transfers, where a person looks on: stderr is a terminal. Elsewhere nothing is written.

Before: varve/client.py moves bodies and pages. After: the terminal.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHOWN_ROWS_MIN = 200_000
Advance = Callable[[int], None]


@contextmanager
def transfer(what: str, rows: int | None, shown: bool | None = None, words: str = "rows") -> Iterator[Advance]:
    """advance(rows) tells how far it is; rows None: not known beforehand. shown None: as the terminal and the length suggest."""
    long_enough = rows is None or rows >= SHOWN_ROWS_MIN
    if not (sys.stderr.isatty() and long_enough if shown is None else shown):
        yield lambda _rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(words), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=rows)
        yield lambda done: bars.advance(task, done)
