"""What a scheduler knows of all tasks, and what follows from it: which runs are to be asked for, which are lost, whose turn it is. Pure.

Before: scheduler.py hands over documents as they come, and time. After: it does what is said here; the service's conditions decide, so
that a scheduler which slept, or a second one, does no harm.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from streams.loading.schedule import last_due, next_due
from streams.loading.service import CONNECTION, RUN, TASK, TURN, Document, Wake
from streams.loading.tasks import Key, Run, Task, Turn, retry_run, run_of, task_of, turn_of

LATER = 1 << 62
ATTEMPTS_MAX = 3  # of a run whose runners were lost


@dataclass(frozen=True)
class Patience:
    """lease_ns: how long a run may be silent before it counts as lost. wake_ns: after which a run that nobody took is offered again."""

    lease_ns: int
    wake_ns: int


@dataclass
class Known:
    """open: runs that are not finished, by task. last: the newest turn of each task; ended: its run, where that has finished."""

    patience: Patience
    tasks: dict[Key, Task] = field(default_factory=dict)
    connections: dict[Key, Document] = field(default_factory=dict)
    open: dict[Key, dict[str, Run]] = field(default_factory=dict)
    last: dict[Key, Turn] = field(default_factory=dict)
    ended: dict[Key, Run] = field(default_factory=dict)
    _look_at: dict[Key, int] = field(default_factory=dict)  # when the next instant is due
    _asked: dict[Key, int] = field(default_factory=dict)  # the newest due instant for which there is a run, or need be none
    _retried: dict[Key, str] = field(default_factory=dict)
    _woken: dict[str, int] = field(default_factory=dict)

    def take(self, documents: Iterable[Document]) -> None:
        """Of each the newest version counts, in whatever order they come."""
        newest: dict[tuple[object, str, str], Document] = {}
        for one in documents:
            name = (one.tenant, one.kind, one.id)
            if name not in newest or newest[name].version < one.version:
                newest[name] = one
        for one in sorted(newest.values(), key=lambda one: one.kind == RUN):  # runs after the turns that they may end
            self._take(one)

    def _take(self, found: Document) -> None:
        key = (found.tenant, found.id.partition("/")[0])
        match found.kind:
            case kind if kind == TASK:
                self._look_at.pop(key, None)
                if found.body is None:
                    self.tasks.pop(key, None)
                else:
                    self.tasks[key] = task_of(found)
            case kind if kind == CONNECTION and found.body is None:
                self.connections.pop(key, None)
            case kind if kind == CONNECTION:
                self.connections[key] = found
            case kind if kind == TURN and found.body is not None:
                turn = turn_of(found)
                if key not in self.last or self.last[key].number < turn.number:
                    self.last[key] = turn
            case kind if kind == RUN:
                self._take_run(key, found)

    def _take_run(self, key: Key, found: Document) -> None:
        ident = found.id.partition("/")[2]
        if found.body is None:
            self._close(key, ident)
            return
        run = run_of(found)
        if not run.finished:
            self.open.setdefault(key, {})[ident] = run
            return
        self._close(key, ident)
        if self.last.get(key, Turn(0, "")).run == ident:
            self.ended[key] = run

    def _close(self, key: Key, ident: str) -> None:
        runs = self.open.get(key, {})
        runs.pop(ident, None)
        self._woken.pop(ident, None)
        if not runs:
            self.open.pop(key, None)

    def unread(self) -> list[tuple[Key, str]]:
        """Runs of which it must be known how they ended before anything else is done for their tasks."""
        wanted = {*self.open, *(key for key, task in self.tasks.items() if task.schedule)}
        return [(key, self.last[key].run) for key in wanted if key in self.last and not self._turn_known(key)]

    def _turn_known(self, key: Key) -> bool:
        ident = self.last[key].run
        return ident in self.open.get(key, {}) or (key in self.ended and self.ended[key].id == ident)

    def due(self, now: int) -> Iterator[tuple[Task, int]]:
        """Tasks for which a run is to be asked, each with the instant; call asked() when it is done."""
        for key, task in list(self.tasks.items()):
            if task.schedule is None or self._look_at.get(key, 0) > now:
                continue
            instant = last_due(task.schedule, now)
            if instant is None or instant <= self._asked.get(key, 0) or self._covered(key, instant):
                self._look_further(task, now)
            else:
                yield task, instant

    def asked(self, task: Task, instant: int, now: int) -> None:
        self._asked[task.key] = instant
        self._look_further(task, now)

    def _look_further(self, task: Task, now: int) -> None:
        following = None if task.schedule is None else next_due(task.schedule, now)
        self._look_at[task.key] = LATER if following is None else following

    def _covered(self, key: Key, instant: int) -> bool:
        """A run that began since, or has yet to begin, loads what this one would."""
        runs = [*self.open.get(key, {}).values(), *([self.ended[key]] if key in self.ended else [])]
        return any(not run.lost and ((run.started or 0) >= instant or run.status == "PENDING") for run in runs)

    def lost(self, now: int, me: str) -> list[Run]:
        """Started and silent for too long; or begun by the process that had my name before me."""
        name = me.rpartition("/")[0]
        found = [run for runs in self.open.values() for run in runs.values() if run.status == "STARTED"]
        return [run for run in found if self._silent(run, now) or (run.runner != me and run.runner.rpartition("/")[0] == name)]

    def _silent(self, run: Run, now: int) -> bool:
        return now - run.recorded > self.patience.lease_ns

    def to_retry(self) -> list[Run]:
        """Lost runs that are tried again; call retried() when it is done."""
        found = [run for key, run in self.ended.items() if run.lost and run.attempt < ATTEMPTS_MAX and self.last[key].run == run.id]
        return [run for run in found if self._retried.get(run.key) != run.id and retry_run(run) not in self.open.get(run.key, {})]

    def retried(self, run: Run) -> None:
        self._retried[run.key] = run.id

    def turns(self) -> Iterator[tuple[Run, int]]:
        """Runs whose turn comes, each with its number."""
        for key, runs in list(self.open.items()):
            last = self.last.get(key, Turn(0, ""))
            if last.number and (last.run in runs or not self._turn_known(key)):
                continue
            waiting = [run for run in runs.values() if run.status == "PENDING"]
            if waiting:
                yield min(waiting, key=lambda run: (-run.attempt, run.requested, run.id)), last.number + 1

    def to_wake(self, now: int) -> Iterator[Wake]:
        for key, runs in self.open.items():
            turn = self.last.get(key)
            run = None if turn is None else runs.get(turn.run)
            if (
                turn is not None
                and run is not None
                and run.status == "PENDING"
                and now - self._woken.get(run.id, 0) > self.patience.wake_ns
            ):
                yield Wake(run.tenant, run.task, run.id, turn.number)

    def woken(self, wake: Wake, now: int) -> None:
        self._woken[wake.run] = now
