"""The one way in for all doors: a record of one partition goes straight to varve.events, any other to varve.intake, whose
receipt is waited for (I12). Waits for the view where asked; keyed and conditional requests wait for their outcome (I3).

Before: doors made a validated record. After: the token is the answer; a wait given up still says its token.
"""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from api.clock_guard import ClockGuard
from api.cut import Piece, expected_of, plan
from api.errors import ConditionFailed
from api.lanes import Lane, Limits, record_bytes
from api.outcomes import Outcomes
from api.receipts import Receipts
from api.spool import Spool
from api.stamps import random_event_id
from api.verdict import answered, verdict_of, version_after
from api.views import Views, Wait
from streams.log import Log
from streams.topics import Topics
from varve.clock import Clock
from varve.errors import Conflict, Fault, Incorrect
from varve.position import ROWS_PER_RECORD_MAX, Token
from varve.record import Record, home_of, refusals, split
from varve.series import partition_of, partitions_of
from varve.settings import HttpSettings

CONDITION_FAILED = "condition-failed"
TAIL_UNKNOWN = "tail-unknown"  # how the fold's reason begins where it does not know a series' latest value
FEW = 64  # series and events that are looked at one by one, on the loop
SMALL_ROWS_MAX = 2_000
GATHER_SECONDS_MAX = 0.1  # a route agent that does not answer holds nobody back for longer


@dataclass(frozen=True)
class Written:
    """repeated: the same keyed request was applied before; the token is that of the first time. series_version: of the one series
    that a keyed or conditional event is about, right after it; 0 where that is not told."""

    token: Token
    repeated: bool = False
    event_id: str | None = None
    series_version: int = 0


class Writer:
    def __init__(
        self, log: Log, topics: Topics, http: HttpSettings, clock: Clock, guard: ClockGuard, receipts: Receipts, outcomes: Outcomes,
        views: Views, spool: Spool,
    ) -> None:  # fmt: skip
        self._log_id, self._http, self._clock = log.log_id, http, clock
        self._guard, self._receipts, self._outcomes, self._views, self._spool = guard, receipts, outcomes, views, spool
        self._partitions = topics.partitions
        self._bytes_max = http.record_mb_max << 20
        limits = Limits(ROWS_PER_RECORD_MAX, self._bytes_max, http.coalesce_ms / 1000)
        self._events = [Lane(log, topics.events, partition, limits, guard.heard) for partition in range(topics.partitions)]
        self._intake = [Lane(log, topics.intake, partition, limits, guard.heard) for partition in range(topics.partitions)]
        self._turn = itertools.count()
        self._place = 0  # the intake partition of the small writes that are on their way together
        self._routed: asyncio.Future[None] | None = None  # done when the route agent has told of them
        self._busy: dict[str, tuple[asyncio.Lock, int]] = {}

    async def write(self, record: Record, wait: Wait) -> Written:
        """Returns when the record is on varve.events and, as asked, visible; Conflict where its key or condition says so."""
        self._guard.check()
        self.refuse(record)
        event_id = record.events[0].event_id
        if event_id is None:
            return await self._append(record, wait)
        async with self._alone(event_id):
            return await self._append_keyed(record, wait)

    def refuse(self, record: Record) -> None:
        """What the route agent and the fold would refuse is refused here, before anything is stored."""
        found = refusals(record, self._clock.now())
        if found:
            raise Incorrect(found[0].code, found[0].reason, found[0].rows)

    async def settle(self) -> None:
        for lane in (*self._events, *self._intake):
            await lane.settle()

    async def _append(self, record: Record, wait: Wait) -> Written:
        only = await self._only_partition(record)
        if self._too_large(record):
            pieces = await asyncio.to_thread(self._plan, record)
            token = Token(self._log_id, await self._spool.put(record, random_event_id(), pieces))
        elif only is not None:
            token = await self._to_events(record, only)
        else:
            token = await self._to_any_intake(record)
        await self._views.shown(token, wait)
        return Written(token)

    async def _append_keyed(self, record: Record, wait: Wait) -> Written:
        only = await self._only_partition(record)
        if self._too_large(record):
            return await self._spool_keyed(record, wait)
        expected = self._expected(record, only)
        known = await self._outcomes.of(expected)
        first = record.events[0]
        if (before := answered(known, expected, first.body_hash)) is not None:
            token = Token(self._log_id, before)
            await self._views.shown(token, wait)  # outcomes are in the store before the watermark tells of them
            return Written(token, True, first.event_id, version_after(known, expected))
        if only is None:
            token, status = await self._to_intake(record, partition_of(uuid.UUID(hex=str(first.event_id)), self._partitions))
            if status == "conflict":
                raise key_reused()
            await self._views.shown(token, wait)
            return Written(token, status == "duplicate", first.event_id)
        token = await self._to_events(record, only)
        await self._views.reached(token)
        return await self._outcome(expected, token)

    async def _outcome(self, expected: Mapping[tuple[uuid.UUID, str], set[int]], token: Token) -> Written:
        """What became of the event that we just appended, now that its outcome can be seen."""
        ((partition, offset),) = token.offsets.items()
        verdict = verdict_of(await self._outcomes.of(expected), next(iter(expected)), partition, offset)
        event_id = next(iter(expected))[1]
        match verdict.status:
            case "applied":
                return Written(token, False, event_id, verdict.series_version)
            case "duplicate":
                return Written(Token(self._log_id, {partition: verdict.first_offset}), True, event_id, verdict.series_version)
            case "conflict":
                raise key_reused()
            case "set aside":
                raise Fault("set-aside", "the write is safe on the log but could not be applied: `varve dead-letters list` tells why")
            case _ if verdict.reason.startswith(TAIL_UNKNOWN):
                raise Conflict(TAIL_UNKNOWN, verdict.reason)
            case _:
                words = verdict.reason or "the event's condition did not hold: read the series and try again"
                raise ConditionFailed(CONDITION_FAILED, words, event_id)

    async def _spool_keyed(self, record: Record, wait: Wait) -> Written:
        event_id, body_hash = str(record.events[0].event_id), record.events[0].body_hash
        pieces = await asyncio.to_thread(self._plan, record)
        expected = expected_of(record, pieces, event_id)
        before = answered(await self._outcomes.of(expected), expected, body_hash)
        offsets = await self._spool.put(record, event_id, pieces) if before is None else before
        token = Token(self._log_id, offsets)
        await self._views.shown(token, wait)
        return Written(token, before is not None, event_id)

    def fits(self, record: Record) -> bool:
        """It goes on the log as one record, or one a partition; else it is spooled."""
        return not self._too_large(record)

    def _plan(self, record: Record) -> list[Piece]:
        return plan(record, self._partitions, self._bytes_max, record_bytes(record))

    async def _to_events(self, record: Record, partition: int) -> Token:
        appended = await self._events[partition].append(record)
        return Token(self._log_id, {partition: appended.offset})

    async def _to_any_intake(self, record: Record) -> Token:
        """Large records take turns. Small ones that come while others are routed gather and then go together, since the route agent and
        the fold take their time by record rather than by row; one that comes alone goes at once."""
        if len(record.points) > SMALL_ROWS_MAX:
            return (await self._to_intake(record, next(self._turn) % self._partitions))[0]
        before = self._routed
        if before is not None:
            await asyncio.wait([before], timeout=GATHER_SECONDS_MAX)
        if self._routed is not before:
            return (await self._to_intake(record, self._place))[0]
        routed = self._routed = asyncio.get_running_loop().create_future()
        self._place = next(self._turn) % self._partitions
        try:
            return (await self._to_intake(record, self._place))[0]
        finally:
            routed.set_result(None)

    async def _to_intake(self, record: Record, partition: int) -> tuple[Token, str]:
        appended = await self._intake[partition].append(record)
        receipt = await self._receipts.of(partition, appended.offset, self._http.wait_seconds_max)
        if receipt.refused:
            raise Incorrect("refused", f"the route agent refused the record: {receipt.refused}")
        status = receipt.outcomes.get(str(record.events[0].event_id), "applied")
        return Token(self._log_id, receipt.offsets), status

    async def _only_partition(self, record: Record) -> int | None:
        """The one that holds all of the record; None where several have parts, which a few rows tell of most."""
        few = len(record.points.targets) + len(record.events) <= FEW
        found = touched(record, self._partitions, 1 if few else 1 + len(record.points) // FEW)
        if len(found) == 1 and not few:
            found = await asyncio.to_thread(touched, record, self._partitions, 1)
        return found.pop() if len(found) == 1 else None

    def _expected(self, record: Record, only: int | None) -> dict[tuple[uuid.UUID, str], set[int]]:
        """The keyed events and the partitions in which each has an outcome once it was applied."""
        found: dict[tuple[uuid.UUID, str], set[int]] = {}
        split_parts = split(record, self._partitions) if only is None else {only: record}
        for partition, part in split_parts.items():
            for event in part.events:
                if event.event_id is not None:
                    found.setdefault((event.tenant, event.event_id), set()).add(partition)
        return found

    def _too_large(self, record: Record) -> bool:
        return len(record.points) > ROWS_PER_RECORD_MAX or record_bytes(record) > self._bytes_max

    @asynccontextmanager
    async def _alone(self, event_id: str) -> AsyncIterator[None]:
        """Two requests with one key do not run at once here; other processes' are told apart by the fold."""
        lock, users = self._busy.get(event_id, (asyncio.Lock(), 0))
        self._busy[event_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            users = self._busy[event_id][1] - 1
            if users:
                self._busy[event_id] = (lock, users)
            else:
                del self._busy[event_id]


def touched(record: Record, partitions: int, step: int) -> set[int]:
    """The partitions that hold every step-th row of the record, and its events."""
    points = record.points
    targets = points.targets if len(points.targets) <= 1 else [points.targets[at] for at in np.unique(points.target[::step]).tolist()]
    homes = [home for event in record.events if (home := home_of(event)) is not None]
    idents = [*(target.series_id for target in targets), *homes]
    if len(idents) <= FEW:
        return {_partition_of(ident, partitions) for ident in idents}
    return set(partitions_of(idents, partitions).tolist())


@lru_cache(maxsize=1 << 18)
def _partition_of(ident: uuid.UUID, partitions: int) -> int:
    return partition_of(ident, partitions)


def key_reused() -> Conflict:
    return Conflict("idempotency-key-reused", "this Idempotency-Key was used for another body: send a new key with a new request")
