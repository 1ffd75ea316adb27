"""The line of growing history: a fixed window of one series is read before and after everything else grew tenfold.

Before: reads.py loads. After: one row, whose floor is the window's own time before; the design allows 10 % more.
"""

from dataclasses import replace

from bench.made import Shape, instant
from bench.reads import load, rows_in
from bench.rig import Rig, Server, timed
from bench.row import Floor, Row, Wrong, median
from bench.wire import ARROW, read_path

READS = 40


def growth(rig: Rig) -> list[Row]:
    """Ten series; the window is half of the first tenth of one of them."""
    first = Shape(10, rig.scaled(100_000, 500))
    server = rig.server()
    rig.say(f"writing {first.rows:,} points")
    load(server, first)
    before = _window(server, first)
    rig.say(f"writing {9 * first.rows:,} more")
    load(server, replace(first, points=9 * first.points, first=first.points))
    after = _window(server, first)
    what = f"window of {first.points // 2:,} points, Arrow over HTTP, with 10 times the history ({10 * first.rows:,} points)"
    return [Row(what, after, "ms", 1.1 * before, Floor("the same before it grew", before))]


def _window(server: Server, shape: Shape) -> float:
    line, wanted = server.line(), shape.points // 2
    server.quiet()
    path = read_path("flat", [shape.keys[3]], from_=instant(shape.points // 4), until=instant(shape.points // 4 + wanted))
    found = rows_in(line.get(path, ARROW).body, ARROW)
    if found != wanted:
        raise Wrong(f"{found} rows in the window instead of {wanted}")
    taken = 1000 * median([timed(lambda: line.get(path, ARROW))[0] for _ in range(READS)])
    line.close()
    return taken
