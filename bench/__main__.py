"""`python -m bench`: runs the lines one after another, shows the table; --write keeps it in docs/BENCHMARKS.md.

Before: `make bench`. After: exit code 1 where a line could not be measured; a missed target is no failure.
"""

import http.client
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import psutil
import pyarrow as pa
import typer
from aiokafka.errors import KafkaError
from rich.console import Console

from bench.access import key_check
from bench.backup import backup
from bench.growth import growth
from bench.increments import hot_counter, hot_reads, increments, increments_json
from bench.loads import load
from bench.machine import machine
from bench.observations import observations
from bench.reads import as_of_read, bulk_read, collapse, flat_read
from bench.recovery import recovery
from bench.replay import replay
from bench.reservoir import reservoir_download, reservoir_upload
from bench.rig import Rig
from bench.rollups import refresh, rollups, stale_rollups
from bench.row import Outcome, Row, Wrong
from bench.small_writes import small_writes, write_visible
from bench.table import document, shown
from bench.uploads import timedb_json, upload_100, upload_100k
from varve.clock import SystemClock
from varve.errors import VarveError

PRINTED_COLUMNS = 200  # where there is no terminal to ask
WRITTEN = Path(__file__).parents[1] / "docs" / "BENCHMARKS.md"
LINES: dict[str, Callable[[Rig], list[Row]]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        upload_100, upload_100k, timedb_json, small_writes, write_visible, flat_read, bulk_read, collapse, growth, recovery, as_of_read,
        increments, increments_json, hot_counter, hot_reads, rollups, stale_rollups, refresh, reservoir_upload,
        reservoir_download, key_check, replay, backup, load, observations,
    )
}  # fmt: skip
FAILURES = (
    Wrong, VarveError, OSError, AssertionError, EOFError, ValueError, KeyError, http.client.HTTPException, subprocess.SubprocessError,
    psutil.Error, pa.ArrowException, KafkaError,
)  # fmt: skip


def bench(
    only: Annotated[list[str] | None, typer.Option(help="run this line alone; may be given again")] = None,
    scale: Annotated[float, typer.Option(min=0.0001, help="share of the full size; figures of small runs say little")] = 1.0,
    write: Annotated[bool, typer.Option("--write", help="keep the table in docs/BENCHMARKS.md; with --only, these lines of it")] = False,
    names: Annotated[bool, typer.Option("--list", help="name the lines and stop")] = False,
) -> None:
    """How fast Varve is on this machine, each figure beside a floor measured in the same run."""
    console, clock = Console(width=None if sys.stdout.isatty() else PRINTED_COLUMNS), SystemClock()
    if names:
        for name, line in LINES.items():
            console.print(f"{name:16}{line.__doc__}")
        return
    unknown = sorted(set(only or ()) - set(LINES))
    if unknown:
        raise typer.BadParameter(f"there is no line {', '.join(unknown)}: choose from {', '.join(LINES)}")
    about, start = machine(), clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="varve-bench-", ignore_cleanup_errors=True) as directory:
        rig = Rig(scale, Path(directory), lambda words: console.print(f"[dim]{clock.monotonic() - start:6.1f} s  {words}[/dim]"))
        outcomes = [_run(rig, name) for name in only or LINES]
        rig.stop()
    console.print(shown(outcomes))
    if write:
        command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
        date, former = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), WRITTEN.read_text() if only else ""
        WRITTEN.write_text(document(outcomes, command, date, about, former))
        console.print(f"written to {WRITTEN}")
    if any(outcome.failure for outcome in outcomes):
        raise typer.Exit(1)


def _run(rig: Rig, name: str) -> Outcome:
    """A line that fails does not take the others with it."""
    rig.say(name)
    try:
        return Outcome(name, tuple(LINES[name](rig)))
    except FAILURES as reason:
        rig.say(f"{name} failed: {reason}")
        rig.stop()
        return Outcome(name, (), str(reason) or type(reason).__name__)


if __name__ == "__main__":
    typer.run(bench)
