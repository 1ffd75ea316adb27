"""The scheduler: asks for the runs that are due, ends those that were lost, gives each run its turn and wakes whoever shall load it.

Before: app.py calls step() while this process holds partition 0 of the loads topic. After: runner.py. Nothing here is kept: a new one reads
all it needs. Of two that believe to be the one, neither does harm: every step is a document put under a condition, which the fold decides.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from streams.loading.known import Known, Patience
from streams.loading.moments import said_time
from streams.loading.service import ABSENT, RUN, TURN, Condition, Document, Service, Wake
from streams.loading.tasks import Key, Run, Task, again, due_run, new_run, retry_run, run_document, turn_document

_say = logging.getLogger("varve.loader")
SECOND = 10**9
Together = Callable[[Iterable[Awaitable[Any]]], Awaitable[None]]


async def in_turn(works: Iterable[Awaitable[Any]]) -> None:
    for work in works:
        await work


class Scheduler:
    """me: the name of this process and, behind the last '/', which one of that name it is. together: how what concerns different tasks
    is done; each put waits to be seen."""

    def __init__(
        self, service: Service, wake: Callable[[Wake], Awaitable[None]], me: str, patience: Patience, together: Together = in_turn
    ) -> None:
        self._service, self._wake, self._me, self._together = service, wake, me, together
        self.known = Known(patience)
        self._since: str | None = None

    async def step(self) -> int:
        """One look at what came, and what follows from it; the service's time then."""
        changes = await self._service.changes(self._since)
        self.known.take(changes.documents)
        self._since = changes.watermark
        now = changes.now
        await self._read_ends()
        await self._end_lost(now)
        await self._retry(now)
        await self._ask(now)
        await self._give_turns()
        await self._offer(now)
        return now

    async def _read_ends(self) -> None:
        await self._together(self._look(key, ident) for key, ident in self.known.unread())

    async def _end_lost(self, now: int) -> None:
        for run in self.known.lost(now, self._me):
            body = {**run.body, "status": "FAILURE", "lost": True, "finishedAt": said_time(now), "message": _lost_words(run, now)}
            if await self._change(run, body, now):
                _say.warning("run %s of task %s was lost with %s", run.id, run.task, run.runner)

    async def _retry(self, now: int) -> None:
        async def retried(run: Run) -> None:
            await self._make(run.key, retry_run(run), again(run, now), now)
            self.known.retried(run)

        await self._together(retried(run) for run in self.known.to_retry())

    async def _ask(self, now: int) -> None:
        async def asked(task: Task, instant: int) -> None:
            await self._make(task.key, due_run(task.id, instant), new_run(task.id, now, instant), now)
            self.known.asked(task, instant, now)

        await self._together(asked(task, instant) for task, instant in list(self.known.due(now)))

    async def _give_turns(self) -> None:
        await self._together(self._give(run, number) for run, number in list(self.known.turns()))

    async def _give(self, run: Run, number: int) -> None:
        name, body = turn_document(run.task, number), {"run": run.id}
        version = await self._service.put(run.tenant, TURN, name, body, ABSENT)
        if version is None:
            found = await self._service.read(run.tenant, TURN, name)
            self.known.take([found] if found else [])
        else:
            self.known.take([Document(run.tenant, TURN, name, version, 0, body)])

    async def _offer(self, now: int) -> None:
        for wake in list(self.known.to_wake(now)):
            await self._wake(wake)
            self.known.woken(wake, now)

    async def _make(self, key: Key, ident: str, body: dict[str, object], now: int) -> None:
        """Where it is there already, nothing is put: that would be a record on the log for nothing."""
        tenant, task = key
        found = await self._service.read(tenant, RUN, run_document(task, ident))
        if found is None:
            version = await self._service.put(tenant, RUN, run_document(task, ident), body, ABSENT)
            if version is not None:
                found = Document(tenant, RUN, run_document(task, ident), version, now, body)
        if found is None:
            found = await self._service.read(tenant, RUN, run_document(task, ident))
        self.known.take([found] if found else [])

    async def _change(self, run: Run, body: dict[str, object], now: int) -> bool:
        version = await self._service.put(run.tenant, RUN, run.document, body, Condition(run.version))
        if version is None:  # it was not lost after all, or another one has ended it
            await self._look(run.key, run.id)
            return False
        self.known.take([Document(run.tenant, RUN, run.document, version, now, body)])
        return True

    async def _look(self, key: Key, ident: str) -> None:
        tenant, task = key
        found = await self._service.read(tenant, RUN, run_document(task, ident))
        gone = Document(tenant, RUN, run_document(task, ident), LATEST, 0, {"status": "FAILURE", "requestedAt": "1970-01-01T00:00:00Z"})
        self.known.take([found or gone])


LATEST = 1 << 62


def _lost_words(run: Run, now: int) -> str:
    silent = (now - run.recorded) / SECOND
    where = run.runner.rpartition("/")[0] or "a loader"
    more = "What it had loaded stays; another run goes on with the rest."
    return f"The process that ran this task ({where}) was lost: killed, stopped, or away for {silent:.0f} s. {more}"
