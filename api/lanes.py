"""A lane is one partition of one topic: concurrent small writes to it share a record, several records are in flight, the
order of calls is kept. A write to an idle lane goes at once; while a record flies, others gather for coalesce_ms.

Before: the writer chose the partition. After: the log. I12: `append` returns when the record is acknowledged.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from streams.log import Appended, Log
from varve import codec
from varve.errors import VarveError
from varve.events import Event
from varve.instants import ABSENT
from varve.position import ROWS_PER_RECORD_MAX
from varve.record import Record, joined

FLYING_MAX = 6
INLINE_ROWS_MAX = 2_000  # larger records are encoded in a thread
ENVELOPE_BYTES = 400
_DESCRIBED = frozenset({"description", "attributes", "labels", "params", "document"})
HEADERS = (("content-type", codec.ARROW.encode()),)


@dataclass(frozen=True)
class Limits:
    rows_max: int
    bytes_max: int
    gather_seconds: float


@dataclass(frozen=True)
class _Waiting:
    record: Record
    bytes: int
    done: "asyncio.Future[Appended]"


class Lane:
    def __init__(self, source: Log, topic: str, partition: int, limits: Limits, heard: Callable[[int], None]) -> None:
        self._log, self._topic, self._partition, self._limits, self._heard = source, topic, partition, limits, heard
        self._waiting: deque[_Waiting] = deque()
        self._flying: set[asyncio.Task[None]] = set()
        self._sender: asyncio.Task[None] | None = None

    async def append(self, record: Record) -> Appended:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(record, record_bytes(record), done))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await asyncio.shield(done)

    async def settle(self) -> None:
        """Everything taken so far is acknowledged or has failed."""
        while self._sender is not None or self._flying:
            await asyncio.wait([*self._flying, *([self._sender] if self._sender else [])])

    async def _send(self) -> None:
        try:
            while self._waiting:
                if self._flying and not self._full():
                    await asyncio.wait(self._flying, timeout=self._limits.gather_seconds, return_when=asyncio.FIRST_COMPLETED)
                while len(self._flying) >= FLYING_MAX:
                    await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
                batch = self._take()
                try:
                    value = await _encoded([one.record for one in batch])
                except Exception as error:  # noqa: BLE001 - whoever wrote it hears it
                    _fail(batch, error)
                    continue
                flight = asyncio.create_task(self._deliver(batch, value))
                self._flying.add(flight)
                flight.add_done_callback(self._flying.discard)
        finally:
            self._sender = None

    def _full(self) -> bool:
        rows = bytes_ = 0
        for one in self._waiting:
            rows, bytes_ = rows + len(one.record.points), bytes_ + one.bytes
            if rows >= self._limits.rows_max or bytes_ >= self._limits.bytes_max:
                return True
        return False

    def _take(self) -> list[_Waiting]:
        """From the front, as many as one record may hold; at least one."""
        batch = [self._waiting.popleft()]
        rows, events, bytes_ = len(batch[0].record.points), len(batch[0].record.events), batch[0].bytes
        while self._waiting:
            one = self._waiting[0]
            rows, events, bytes_ = rows + len(one.record.points), events + len(one.record.events), bytes_ + one.bytes
            if rows > self._limits.rows_max or bytes_ > self._limits.bytes_max or events > ROWS_PER_RECORD_MAX:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _deliver(self, batch: Sequence[_Waiting], value: bytes) -> None:
        try:
            appended = await self._log.append(self._topic, self._partition, value, headers=HEADERS)
        except VarveError as error:
            _fail(batch, error)
            return
        except BaseException as error:
            _fail(batch, error)
            raise
        self._heard(appended.timestamp)
        for one in batch:
            if not one.done.done():
                one.done.set_result(appended)


def _fail(batch: Sequence[_Waiting], error: BaseException) -> None:
    for one in batch:
        if not one.done.done():
            one.done.set_exception(error)


async def _encoded(records: Sequence[Record]) -> bytes:
    if sum(len(record.points) for record in records) <= INLINE_ROWS_MAX:
        return codec.encode(joined(records))
    return await asyncio.to_thread(lambda: codec.encode(joined(records)))


def record_bytes(record: Record) -> int:
    """About how large the record is before compression, by the columns that will be in it."""
    points = record.points
    per_row = 8 + 8 + 4  # valid_time, value, series
    per_row += 8 * sum(bool(np.any(given != ABSENT)) for given in (points.valid_time_end, points.known_time))
    words = sum(column.nbytes for column in (points.text, points.annotation, points.tags) if column is not None)
    keys = sum(16 + len(target.key) for target in points.targets)
    return int(per_row * len(points) + words + keys + sum(_envelope_bytes(event) for event in record.events))


def _envelope_bytes(event: Event) -> int:
    described = event.model_fields_set & _DESCRIBED
    return ENVELOPE_BYTES + sum(len(str(getattr(event, name))) for name in described)
