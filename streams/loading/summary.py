"""What a connection's tasks did in a period, as an e-mail says it. Pure.

Before: mail.py has read the runs. After: it sends subject and text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streams.loading.moments import read_time, said_time
from streams.loading.tasks import Run, Task

FAILURES_SHOWN = 5  # of a task


@dataclass(frozen=True)
class Period:
    """UTC ns: after `since`, up to `until`."""

    since: int
    until: int

    def holds(self, run: Run) -> bool:
        at = run.body.get("finishedAt")
        return at is not None and self.since < read_time(at) <= self.until


def summary(name: str, period: Period, runs: Sequence[tuple[Task, Sequence[Run]]], url: str) -> tuple[str, str]:
    """Subject and text. runs: of each task, those that ended in the period; url: of the service, for the links."""
    every = [run for _, some in runs for run in some]
    failed = [run for run in every if run.status == "FAILURE"]
    title = " ".join(name.split())[:100]
    counts = f"{_many(len(every), 'run')}, {len(failed)} failed" if every else "nothing ran"
    lines = [f"Loading by '{title}' from {_minute(period.since)} to {_minute(period.until)} UTC: {counts}.", ""]
    for task, some in sorted(runs, key=lambda pair: (not any(run.status == "FAILURE" for run in pair[1]), pair[0].name)):
        lines += [*_task_lines(task, some), f"  {url}/api/data/etl/tasks/{task.id}/runs?order_by=-startedAt", ""]
    if not runs:
        lines += ["The connection has no tasks.", ""]
    lines += [f"{url}/api/data/etl/data-connections says whom such summaries are sent to, and how often.", ""]
    return f"Varve: {title}: {counts}", "\n".join(lines)


def _task_lines(task: Task, runs: Sequence[Run]) -> list[str]:
    ordered = sorted(runs, key=lambda run: str(run.body.get("finishedAt")), reverse=True)
    failed = [run for run in ordered if run.status == "FAILURE"]
    loaded = sum(_loaded(run.body.get("result") or {}) for run in ordered)
    counts = f"{_many(len(ordered), 'run')}, {len(failed)} failed, {_many(loaded, 'observation')} loaded" if ordered else "no run"
    lines = [f"{' '.join(task.name.split())}: {counts}"]
    if ordered:
        lines.append(f"  last: {_told(ordered[0])}")
    return [*lines, *(f"  failed: {_told(run)}" for run in [run for run in failed if run is not ordered[0]][:FAILURES_SHOWN])]


def _told(run: Run) -> str:
    return f"{_minute(read_time(run.body['finishedAt']))} {run.status}: {run.body.get('message') or ''}"


def _loaded(result: Mapping[str, Any]) -> int:
    return int(result.get("valuesLoaded") or 0)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _minute(instant: int) -> str:
    return said_time(instant)[:16].replace("T", " ")
