"""The runner: takes a run that has its turn, fetches and reads its source, appends what is new, says how it went.

Before: a wake on the loads topic (app.py). After: SUCCESS or FAILURE in words. A run is mine from the claim, which is a put under a
condition, for as long as my puts hold: beat() puts the run's document again before others may take it for lost, and whoever ends it makes
my next put fail. A runner that slept finds that out before it appends; what slips through has the key that the retry's has, and counts
once.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.loading.moments import said_time
from streams.loading.service import CONNECTION, RUN, TASK, TURN, Condition, Service, Sources, Wake
from streams.loading.tasks import Run, run_of, turn_document, turn_of
from varve.clock import Clock
from varve.errors import Fault, Incorrect, NotFound, Unavailable, VarveError

if TYPE_CHECKING:
    from streams.loading.specs import Mapping as Mapped
    from streams.loading.specs import Source
    from streams.loading.tally import Tally

_say = logging.getLogger("varve.loader")


class ServiceAway(Unavailable):
    """The service itself did not answer, for longer than the client is patient: the run is left to whoever finds it lost."""


class LostError(Exception):
    """Another one has ended the run."""


@dataclass(frozen=True)
class Job:
    """What a run loads. url: with everything filled in."""

    source: "Source"
    url: str
    mappings: Sequence["Mapped"]
    since: Mapping[uuid.UUID, int | None]
    base: str


@dataclass
class Active:
    """A run that is mine. body, version: of its document as I last put it, heard: when, in monotonic seconds."""

    run: Run
    body: dict[str, Any]
    version: int
    heard: float
    lost: bool = False
    tally: "Tally | None" = field(default=None)


class Runner:
    def __init__(self, service: Service, sources: Sources, clock: Clock, me: str, lease_seconds: float) -> None:
        self._service, self._sources, self._clock, self._me = service, sources, clock, me
        self._beat_seconds = lease_seconds / 3
        self.active: dict[str, Active] = {}

    async def work(self, wake: Wake) -> None:
        """One run from its claim to its end; returns at once where it is not to be had."""
        found = await self._service.read(wake.tenant, RUN, f"{wake.task}/{wake.run}")
        if found is None or found.body is None or (run := run_of(found)).status != "PENDING" or wake.run in self.active:
            return
        job, refusal = await self._job(run, wake.turn)
        mine = await self._claim(run, wake.turn, job)
        if mine is None:
            return
        self.active[run.id] = mine
        try:
            await self._finish(mine, *await self._loaded(mine, job, refusal))
        except (LostError, ServiceAway) as reason:
            _say.warning("run %s of task %s is left: %s", run.id, run.task, reason)
        finally:
            del self.active[run.id]

    async def beat(self) -> list[str]:
        """Says of each run that it is under way, where that is due; those that are mine no more."""
        for mine in list(self.active.values()):
            if not mine.lost and self._clock.monotonic() - mine.heard >= self._beat_seconds:
                await self._say_again(mine)
        return [ident for ident, mine in self.active.items() if mine.lost]

    async def _claim(self, run: Run, turn: int, job: Job | None) -> Active | None:
        heard = self._clock.monotonic()
        started = {"status": "STARTED", "startedAt": said_time(self._clock.now()), "runner": self._me, "turn": turn}
        body = {**run.body, **started}
        if job is not None:
            body["since"] = {str(ident): None if end is None else str(end) for ident, end in job.since.items()}
            body["base"] = job.base
        version = await self._service.put(run.tenant, RUN, run.document, body, Condition(run.version))
        return None if version is None else Active(run, body, version, heard)

    async def _loaded(self, mine: Active, job: Job | None, refusal: VarveError | None) -> tuple[str, str]:
        """Status and message."""
        from streams.loading.tally import Tally

        mine.tally = tally = Tally()
        try:
            if job is None:
                assert refusal is not None
                raise refusal
            await self._append_all(mine, job, tally)
            await self._service.settled()
        except ServiceAway:
            raise
        except VarveError as error:
            return "FAILURE", error.message
        except LostError:
            raise
        except Exception as error:  # noqa: BLE001 - a defect: the run says so, the others go on
            _say.exception("run %s of task %s failed", mine.run.id, mine.run.task)
            return "FAILURE", _defect(error).message
        if tally.rejected_count and not tally.rows_kept:
            return "FAILURE", f"No row of the source could be read. {tally.refused()}"
        return "SUCCESS", tally.message()

    async def _append_all(self, mine: Active, job: Job, tally: "Tally") -> None:
        from streams.loading.tally import key_of, rows_of
        from varve.client_http import arrow_bytes

        async for chunk in self._sources.chunks(job.source, job.url, [mapping.source_identifier for mapping in job.mappings]):
            for table in rows_of(chunk, job.mappings, job.since, tally):
                body = arrow_bytes(table)
                await self._refuse_if_lost(mine)
                await self._service.append(mine.run.tenant, body, key_of(job.base, body))

    async def _refuse_if_lost(self, mine: Active) -> None:
        """Before every append: who slept must hear first whether the run is still his."""
        if not mine.lost and self._clock.monotonic() - mine.heard >= self._beat_seconds:
            await self._say_again(mine)
        if mine.lost:
            raise LostError("another one has ended it")

    async def _say_again(self, mine: Active) -> None:
        heard = self._clock.monotonic()
        tally = mine.tally
        body = mine.body | ({} if tally is None else {"result": tally.result()})
        version = await self._service.put(mine.run.tenant, RUN, mine.run.document, body, Condition(mine.version))
        if version is None:
            await self._look(mine)
        else:
            mine.version, mine.heard = version, heard

    async def _look(self, mine: Active) -> None:
        """A put of mine did not hold: another one of my own was first, or somebody else has ended the run."""
        heard = self._clock.monotonic()
        found = await self._service.read(mine.run.tenant, RUN, mine.run.document)
        now = None if found is None or found.body is None else run_of(found)
        if now is not None and now.status == "STARTED" and now.runner == self._me:
            mine.version, mine.heard = now.version, heard
        else:
            mine.lost = True

    async def _finish(self, mine: Active, status: str, message: str) -> None:
        assert mine.tally is not None
        ended = {"status": status, "message": message, "finishedAt": said_time(self._clock.now()), "result": mine.tally.result()}
        while not mine.lost:
            version = await self._service.put(mine.run.tenant, RUN, mine.run.document, mine.body | ended, Condition(mine.version))
            if version is not None:
                _say.info("run %s of task %s: %s: %s", mine.run.id, mine.run.task, status, message)
                return
            await self._look(mine)
        raise LostError("another one has ended it")

    async def _job(self, run: Run, turn: int) -> tuple[Job | None, VarveError | None]:
        """Or why there is nothing to load: the run is claimed all the same, and says so."""
        from streams.loading.jobs import address, mappings_of, source_in

        try:
            task = await self._service.read(run.tenant, TASK, run.task)
            if task is None or task.body is None:
                raise NotFound("task-gone", "The task was deleted before this run began.")
            connection = await self._service.read(run.tenant, CONNECTION, str(task.body["dataConnectionId"]))
            if connection is None or connection.body is None:
                raise NotFound("connection-gone", "The task's data connection was deleted: give the task another one.")
            mappings = mappings_of(task.body)
            first = await self._first(run, turn)
            since = await self._since(first, [mapping.series_id for mapping in mappings])
            source = source_in(connection.body, self._service.opened)
            return Job(source, address(source, task.body, since, self._clock.now()), mappings, since, first.base), None
        except ServiceAway:
            raise
        except (Incorrect, NotFound) as refusal:
            return None, refusal
        except Exception as error:  # noqa: BLE001 - as below: the run says so
            _say.exception("run %s of task %s failed", run.id, run.task)
            return None, _defect(error)

    async def _first(self, run: Run, turn: int) -> Run:
        """The run from whose ends this one counts: an attempt at it, or the run before where that did not end well. What a source tells
        need not be in order of time: behind the end of what was loaded there may be rows before it that were not."""
        if run.body.get("since") is not None or turn < 2:
            return run
        found = await self._service.read(run.tenant, TURN, turn_document(run.task, turn - 1))
        if found is None or found.body is None:
            return run
        before = await self._service.read(run.tenant, RUN, f"{run.task}/{turn_of(found).run}")
        if before is None or before.body is None or before.body["status"] != "FAILURE" or before.body.get("since") is None:
            return run
        return run_of(before)

    async def _since(self, first: Run, series: Sequence[uuid.UUID]) -> dict[uuid.UUID, int | None]:
        said = first.body.get("since") or {}
        before = {ident: None if said[str(ident)] is None else int(said[str(ident)]) for ident in series if str(ident) in said}
        unsaid = [ident for ident in series if ident not in before]
        return before | (dict(await self._service.ends(first.tenant, unsaid)) if unsaid else {})


def _defect(error: Exception) -> Fault:
    return Fault("loader-defect", f"A defect of Varve ({type(error).__name__}): the loader's log has the details.")
