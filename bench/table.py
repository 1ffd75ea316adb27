"""The table, for the terminal and for docs/BENCHMARKS.md.

Before: outcomes of all lines. After: a person. The ratio stands first: it moves less between machines than any figure.
"""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from bench.row import Outcome, Row

HEADS = ("line", "share of floor", "measured", "ours", "floor", "target")
_WRITTEN_HEADS = "| " + " | ".join((*HEADS, "date")) + " |"
READING = """How to read it: **the share of the floor counts**. It is our speed as a share of the speed that the bare part reaches with
the same rows, on the same machine, in the same run: 1.00 is as fast (for times: as short; for memory: as small), 0.50 is half as fast.
The floor does less than Varve does: no log and no history in the store's, nothing behind the log in the log's. Figures depend on the
machine and on what else it does, and differ by a fifth and more between runs. Targets are for 2 cores with everything on one machine;
no test asserts a time. What stands above is of the last run; the date of each row tells of which run it is.

Client, broker, worker and server share the machine. The server is a real `varve up` with default settings, a fresh one for each line.
Bodies are made before the clock starts; uploads have four senders; small writes come from one loop of raw asyncio connections that
send prepared bytes. Each line reads back what it wrote. Times of reads are medians until the last byte. PostgreSQL stands beside
increments as a peer, not as a floor: one transaction an increment, each on disk before it is answered, where the embedded broker
leaves that to the system.
"""


def shown(outcomes: Sequence[Outcome]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for number, head in enumerate(HEADS):
        table.add_column(head, no_wrap=number in (0, 3), justify="right" if number in (1, 3) else "left")
    for outcome in outcomes:
        for cells in _cells(outcome):
            table.add_row(*cells)
    return table


def document(outcomes: Sequence[Outcome], command: str, date: str, machine: dict[str, str], former: str = "") -> str:
    """Markdown. former: the document until now; the lines that did not run again keep their rows, with their date."""
    about = {"command": f"`{command}`", "date": date, **machine}
    lines = ["# Benchmarks", "", "Made by a run; do not edit.", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {said} |" for name, said in about.items()]
    lines += ["", READING, _WRITTEN_HEADS, "|---|---:|---|---:|---|---|---|"]
    ours = {outcome.name: ["| " + " | ".join((*cells, date[:10])) + " |" for cells in _cells(outcome)] for outcome in outcomes}
    rows = _rows_of(former) | ours
    return "\n".join([*lines, *(row for of_line in rows.values() for row in of_line)]) + "\n"


def _rows_of(document: str) -> dict[str, list[str]]:
    """By line, in their order."""
    found: dict[str, list[str]] = {}
    for row in document.partition(_WRITTEN_HEADS)[2].splitlines()[2:]:
        found.setdefault(row.split("|")[1].strip(), []).append(row)
    return found


def _cells(outcome: Outcome) -> list[tuple[str, ...]]:
    if outcome.failure:
        return [(outcome.name, "", f"failed: {' '.join(outcome.failure.split())[:200]}", "", "", "")]
    return [(outcome.name, *_row(row)) for row in outcome.rows]


def _row(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    floor = "" if row.floor is None else f"{_number(row.floor.figure)} {row.unit}: {row.floor.what}" if row.floor.figure else row.floor.what
    return ratio, row.measured, f"{_number(row.ours)} {row.unit}", floor, _target(row)


def _target(row: Row) -> str:
    if row.met is None:
        return ""
    return f"{'≥' if row.is_rate else '<'} {_number(row.target)} {'✓' if row.met else '✗'}"


def _number(figure: float) -> str:
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"
