"""What happens to uploaded files beside the requests: a committed one is validated, an ordered one is carried out; both also by the next
process, where this one was killed meanwhile. Steps are told to whoever waits.

Before: routes.py commits and orders. After: apply.py appends (I12: an order is kept on disk before it is answered; I3: its events have
ids).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from api.doors.datareservoir.files import File, Files, Order, Verdict
from api.doors.datareservoir.signing import Addresses
from api.doors.datareservoir.validation import check
from varve.clock import Clock
from varve.errors import Incorrect, Unavailable, VarveError
from varve.instants import NS_PER_SECOND

log = logging.getLogger(__name__)
Apply = Callable[[File, Verdict, Order], Awaitable[None]]
T = TypeVar("T")
THREADS = 2  # files that are validated, or written to, at once
KEPT_SECONDS = 86_400
SWEEP_SECONDS = 3_600.0
RETRY_SECONDS = 1.0


class Uploads:
    def __init__(self, directory: Path, secret: bytes, clock: Clock) -> None:
        self.files, self.addresses, self.clock = Files(directory / "files"), Addresses(secret, clock), clock
        self._validating = ThreadPoolExecutor(THREADS, "validation")
        self._writing = ThreadPoolExecutor(THREADS, "files")
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._again: set[Path] = set()
        self._ready, self._stepped = asyncio.Event(), asyncio.Condition()
        self._apply: Apply | None = None

    async def run(self, apply: Apply, caught_up: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled. caught_up: returns when the outcomes of all that the log held at start can be seen."""
        self._apply = apply
        left = [file for file in await self.off_loop(lambda: list(self.files.all())) if file.unfinished()]
        if left:
            await caught_up()
        self._ready.set()
        for file in left:
            log.info("going on with the uploaded file %s", file.ident)
            self.wake(file)
        while True:
            await self.off_loop(lambda: self.files.sweep(self.clock.now() / NS_PER_SECOND - KEPT_SECONDS))
            await asyncio.sleep(SWEEP_SECONDS)

    async def close(self) -> None:
        """What is under way is left for the next process."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for threads in (self._validating, self._writing):
            threads.shutdown(wait=True, cancel_futures=True)

    async def off_loop(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writing, work, *args)

    async def kept(self, work: Callable[..., T], *args: Any) -> T:
        """The same for a request, which is told what the disk says."""
        try:
            return await self.off_loop(work, *args)
        except OSError as error:
            words = f"the server could not keep what it was told of the file ({error.strerror}): make room for it, repeat the call"
            raise Unavailable("file-not-kept", words) from None

    def wake(self, file: File) -> None:
        """Something is to be done for it."""
        if file.home in self._tasks:
            self._again.add(file.home)
            return
        task = asyncio.create_task(self._work(file))
        self._tasks[file.home] = task
        task.add_done_callback(lambda done: self._ended(file, done))

    async def until(self, found: Callable[[], T | None], seconds: float) -> T | None:
        """What it finds after some step, or None at the end of the time."""
        try:
            async with asyncio.timeout(seconds), self._stepped:
                while (answer := found()) is None:
                    await self._stepped.wait()
                return answer
        except TimeoutError:
            return None

    def _ended(self, file: File, done: "asyncio.Task[None]") -> None:
        self._tasks.pop(file.home, None)
        if done.cancelled():
            return
        if (error := done.exception()) is not None:
            log.error("uploaded file %s: %s", file.ident, error, exc_info=error)
        if file.home in self._again:
            self._again.discard(file.home)
            self.wake(file)

    async def _work(self, file: File) -> None:
        await self._ready.wait()
        while True:
            try:
                return await self._carry_on(file)
            except OSError as error:  # a full disk: who asked for the status waits for it
                log.warning("uploaded file %s: %s; trying again", file.ident, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _carry_on(self, file: File) -> None:
        verdict = file.verdict()
        if verdict is None and file.committed.exists():
            verdict = await self._validated(file)
        if verdict is None:
            return
        while pending := file.pending():
            for order in pending:
                await self._carry_out(file, verdict, order)
        if file.orders():
            await self.off_loop(file.forget_rows)

    async def _validated(self, file: File) -> Verdict:
        verdict = await asyncio.get_running_loop().run_in_executor(self._validating, _judged, file)
        await self._step()
        return verdict

    async def _carry_out(self, file: File, verdict: Verdict, order: Order) -> None:
        refused = verdict.refused
        if not refused:
            assert self._apply is not None, "run() comes first"
            try:
                await self._apply(file, verdict, order)
            except Unavailable as error:
                log.warning("uploaded file %s: %s; trying again", file.ident, error.message)
                await asyncio.sleep(RETRY_SECONDS)
                return
            except VarveError as error:
                log.warning("uploaded file %s is not taken by series %s: %s", file.ident, order.series, error.message)
                refused = error.message
        await self.off_loop(file.end, order, refused)
        await self._step()

    async def _step(self) -> None:
        async with self._stepped:
            self._stepped.notify_all()


def _judged(file: File) -> Verdict:
    try:
        verdict = Verdict.of(check(file.committed, file.points))
    except Incorrect as reason:
        verdict = Verdict(0, 0, -1, None, reason.message)
    file.judge(verdict)
    return verdict
