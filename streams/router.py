"""The route agent's shell: takes the records of one partition of varve.intake in order, refuses or splits them, appends one
part to each partition of varve.events and tells by a receipt (I3, I4, I6, I12). All or nothing: refusals come before the split.

Before: streams/route_agent.py. After: the fold, and the requests that wait for receipts. It knows neither Faust nor Kafka.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from streams.dead_letters import letter_of
from streams.event_ids import RecordGuard, SeenId
from streams.log import Appended, Headers, LogRecord
from streams.receipts import Receipt
from streams.route_state import RouteState
from streams.shell import INLINE_BYTES_MAX, Jump, Refuse, Remember, Step
from varve.access import ACCESS_TENANT
from varve.codec import ARROW, decode, encode, event_key
from varve.columns import Points
from varve.errors import Incorrect, VarveError
from varve.record import Record, refusals, split, stamped

AppendPart = Callable[[int, bytes, Headers], Awaitable[Appended]]
Tell = Callable[[Receipt], Awaitable[object]]
_HEADER_ROOM = 64 * 1024
_say = logging.getLogger("varve.route")


@dataclass(frozen=True)
class Guarded:
    """What the guard by event id leaves of a record: kept event numbers, and what each keyed event came to."""

    kept: list[int]
    outcomes: dict[str, str]
    seen: tuple[SeenId, ...]


class RouteShell:
    """Order of work, for each record; each line is awaited before the next:

    1. an offset that is not above the applied one is skipped; one that jumps ahead changes nothing and is reported;
    2. decode, stamp recorded_time with the broker's timestamp where no door has, refuse: the whole record to the dead letters;
    3. events whose id was seen in the last hour are dropped, each wholly;
    4. one part to each partition, all parts stored: so at most one unacknowledged part per target partition;
    5. the receipt is stored; the state takes the position;
    flush:
    6. the event ids, then the partition's own record are remembered;
    7. the caller may ack up to the returned offset.

    After a crash the parts are sent again with the same `intake` header, and the fold skips those that it has.
    """

    def __init__(
        self, state: RouteState, partitions: int, part_bytes_max: int, append: AppendPart, tell: Tell, remember: Remember, refuse: Refuse
    ) -> None:
        self.state = state
        self._partitions, self._part_bytes_max = partitions, part_bytes_max
        self._append, self._tell, self._remember, self._refuse = append, tell, remember, refuse
        self._turn = asyncio.Lock()
        self._remembered = state.remembered  # lower where the receipts told how far it was

    @property
    def applied(self) -> int:
        return self.state.applied

    @property
    def dirty(self) -> bool:
        return self.state.applied > self._remembered

    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step:
        """over_gap: the caller has looked, there is nothing between the applied offset and this record."""
        async with self._turn:
            if record.offset <= self.state.applied:
                return "skipped"
            if record.offset > self.state.applied + 1 and not over_gap:
                return Jump(self.state.applied + 1, record.offset)
            await self._route(record)
            return "applied"

    async def flush(self) -> int:
        async with self._turn:
            if not self.dirty:
                return self.state.applied
            *blocks, own = self.state.flush()
            for key, value in blocks:
                await self._remember(key, value)
            await self._remember(*own)
            self._remembered = self.state.applied
            return self.state.applied

    async def _route(self, record: LogRecord) -> None:
        newest = max(self.state.newest, record.timestamp)
        try:
            if len(record.value) < INLINE_BYTES_MAX:
                guarded, parts = self._made_of(record, newest)
            else:  # the loop must go on meanwhile, or the stall guard takes the work for sleep
                guarded, parts = await asyncio.to_thread(self._made_of, record, newest)
        except VarveError as error:
            await self._turn_away(record, error.code, error.message)
            return
        except MemoryError:
            raise  # not the record's fault
        except Exception as error:  # noqa: BLE001 - one record must not stop the intake (I6)
            _say.exception("record %s %d-%d could not be routed: now a dead letter", record.topic, record.partition, record.offset)
            await self._turn_away(record, "route-failed", f"{type(error).__name__}: {error}")
            return
        if reused := sorted(key for key, status in guarded.outcomes.items() if status == "conflict"):
            await self._refuse(letter_of(record, "event-id-reused", f"another body came before with event_id {', '.join(reused)}"))
        headers = (("content-type", ARROW.encode()), ("intake", b"%d-%d" % (record.partition, record.offset)))
        stored = await asyncio.gather(*(self._append(partition, value, headers) for partition, value in parts.items()))
        offsets = {one.partition: one.offset for one in stored}
        repeated = any(status == "duplicate" for status in guarded.outcomes.values())
        told = self.state.last | offsets if repeated else offsets  # a repetition's parts lie at these offsets or before
        await self._tell(Receipt(record.partition, record.offset, told, guarded.outcomes))
        self.state.take(record.offset, newest, guarded.seen, offsets)

    def _made_of(self, record: LogRecord, newest: int) -> tuple[Guarded, dict[int, bytes]]:
        decoded = self._accepted(record)
        guarded = self._guard(decoded, newest)
        return guarded, self._parts(kept(decoded, guarded.kept)) if guarded.kept else {}

    def _accepted(self, record: LogRecord) -> Record:
        decoded = stamped(decode(record.value, record.header("content-type")), record.timestamp)
        if any(event.tenant == ACCESS_TENANT for event in decoded.events):
            raise Incorrect("tenant-reserved", f"tenant {ACCESS_TENANT} holds users and keys: `varve users` and /api/v1/users make these")
        if refused := refusals(decoded, record.timestamp):
            words = "; ".join(f"event {one.event}: {one.reason}" for one in refused[:10])
            rows = tuple(row for one in refused for row in one.rows)
            raise Incorrect(refused[0].code, words, rows)
        return decoded

    def _guard(self, record: Record, newest: int) -> Guarded:
        kept_numbers, outcomes, guard = list[int](), dict[str, str](), RecordGuard(self.state.event_ids, newest)
        for number, event in enumerate(record.events):
            if event.event_id is None:
                kept_numbers.append(number)
                continue
            status = guard.status(event_key(event.tenant, event.event_id), event.body_hash)
            if status == "new":
                kept_numbers.append(number)
            outcomes[event.event_id] = "applied" if status == "new" else status
        return Guarded(kept_numbers, outcomes, tuple(guard.seen.values()))

    def _parts(self, record: Record) -> dict[int, bytes]:
        parts = {partition: encode(part) for partition, part in split(record, self._partitions).items()}
        largest = max(len(value) for value in parts.values())
        if largest > self._part_bytes_max - _HEADER_ROOM:
            words = f"a part of this record takes {largest} bytes, over {self._part_bytes_max}: send fewer rows at once"
            raise Incorrect("record-too-large", words)
        return parts

    async def _turn_away(self, record: LogRecord, code: str, reason: str) -> None:
        await self._refuse(letter_of(record, code, reason))
        await self._tell(Receipt(record.partition, record.offset, {}, {}, f"{code}: {reason}"))
        self.state.take(record.offset, record.timestamp, (), {})


def kept(record: Record, numbers: list[int]) -> Record:
    """The record with only these events and their rows."""
    if len(numbers) == len(record.events):
        return record
    renumber = np.zeros(len(record.events), np.int32)
    renumber[numbers] = np.arange(len(numbers), dtype=np.int32)
    rows = record.points.take(np.isin(record.points.event, np.array(numbers, np.int32))).compact()
    return Record(tuple(record.events[number] for number in numbers), Points(**{**vars(rows), "event": renumber[rows.event]}))
