"""Tasks, runs and turns as their documents say them. Pure.

Before: documents come by service.py. After: known.py decides, runner.py loads. A run's id follows from its task and the instant at which
it was due, a retry's from the first attempt's: whoever asks for it, and however often, it is one. A turn is a number of its task that one
run has: of two runs of a task the one with the lower number goes first, and the next number is given when it has ended.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streams.loading.moments import read_time, said_time
from streams.loading.schedule import Schedule, schedule_of
from streams.loading.service import Document

Status = Literal["PENDING", "STARTED", "SUCCESS", "FAILURE"]
FINISHED = ("SUCCESS", "FAILURE")
TURN_DIGITS = 10
Key = tuple[uuid.UUID, str]  # tenant, task


@dataclass(frozen=True)
class Task:
    tenant: uuid.UUID
    id: str
    name: str
    connection: str
    schedule: Schedule | None
    body: Mapping[str, Any]

    @property
    def key(self) -> Key:
        return self.tenant, self.id


@dataclass(frozen=True)
class Run:
    """body: as the document has it. recorded: of this version; a run that is under way writes one often enough."""

    tenant: uuid.UUID
    task: str
    id: str
    version: int
    recorded: int
    body: Mapping[str, Any]

    @property
    def key(self) -> Key:
        return self.tenant, self.task

    @property
    def document(self) -> str:
        return run_document(self.task, self.id)

    @property
    def status(self) -> Status:
        found: Status = self.body["status"]
        return found

    @property
    def finished(self) -> bool:
        return self.status in FINISHED

    @property
    def due(self) -> int | None:
        return _time(self.body.get("due"))

    @property
    def requested(self) -> int:
        return read_time(self.body["requestedAt"])

    @property
    def started(self) -> int | None:
        return _time(self.body.get("startedAt"))

    @property
    def attempt(self) -> int:
        return int(self.body.get("attempt", 1))

    @property
    def root(self) -> str:
        """The run that was tried first."""
        return str(self.body.get("root") or self.id)

    @property
    def base(self) -> str:
        """The run from whose ends of series this one counts, and whose keys its rows have: its first attempt, or one before that failed."""
        return str(self.body.get("base") or self.root)

    @property
    def runner(self) -> str:
        return str(self.body.get("runner") or "")

    @property
    def lost(self) -> bool:
        """Its runner went away before it had finished."""
        return bool(self.body.get("lost"))


@dataclass(frozen=True)
class Turn:
    number: int
    run: str


def task_of(found: Document) -> Task:
    assert found.body is not None
    body = found.body
    return Task(found.tenant, found.id, str(body.get("name", "")), str(body["dataConnectionId"]), schedule_of(body.get("schedule")), body)


def run_of(found: Document) -> Run:
    assert found.body is not None
    task, _, ident = found.id.partition("/")
    return Run(found.tenant, task, ident, found.version, found.recorded, found.body)


def turn_of(found: Document) -> Turn:
    assert found.body is not None
    return Turn(int(found.id.partition("/")[2]), str(found.body["run"]))


def run_document(task: str, run: str) -> str:
    return f"{task}/{run}"


def turn_document(task: str, number: int) -> str:
    return f"{task}/{number:0{TURN_DIGITS}d}"


def due_run(task: str, due: int) -> str:
    return str(uuid.uuid5(uuid.UUID(task), said_time(due)))


def retry_run(run: Run) -> str:
    return str(uuid.uuid5(uuid.UUID(run.root), f"attempt {run.attempt + 1}"))


def new_run(task: str, requested: int, due: int | None = None) -> dict[str, Any]:
    """A run that waits for its turn."""
    return {"status": "PENDING", "taskId": task, "requestedAt": said_time(requested), "due": None if due is None else said_time(due)}


def again(run: Run, requested: int) -> dict[str, Any]:
    """The next attempt at a run that was lost: it counts from the same ends of series, so that nothing is added twice."""
    kept = {name: run.body[name] for name in ("due", "since", "base") if run.body.get(name) is not None}
    return new_run(run.task, requested) | kept | {"attempt": run.attempt + 1, "root": run.root}


def _time(text: str | None) -> int | None:
    return None if text is None else read_time(text)
