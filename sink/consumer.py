"""The sink: varve.points -> the store, in the order of I5: insert, watermark, commit; one stage a step().

Before: the fold agent emitted. After: readers see the rows, and what was purged is erased. The store's own position is what
counts: a batch that is read twice is inserted twice, which is harmless, and so the commit waits while there is more to read.
A refused record becomes a dead letter; an outage stops without commit and is tried again (I6).
"""

import asyncio
import logging
import signal
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

import orjson
import pyarrow as pa

from sink.positions import PositionStore, Reached, read_positions, refuse_lost_log, write_positions
from sink.queries.purge import erasures, purge_of, purges_over
from sink.refresh import Refresh
from sink.rows import Message, by_target, decoded, joined, purges_of, rows_of, series_of
from sink.store import Refused, Store
from sink.watermark import Watermarks
from streams.dead_letters import letter_of, write_letter
from streams.generations import another_served
from streams.log import Log, LogReader, LogRecord
from streams.shell import IN_FLIGHT_MAX
from streams.topics import Topics
from varve.clock import SystemClock
from varve.errors import Fault, Unavailable, VarveError
from varve.settings import Settings

POLL_SECONDS = 0.5
RECORDS_MAX = 500  # of one poll
COMMIT_BATCHES = 20  # batches between two writes of the position while there is always more to read
_DECODE_BYTES_INLINE = 1 << 16
_ROWS_PER_RECORD = 100_000  # a guess for the first poll, on the careful side
BACK_OFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_LOG = logging.getLogger(__name__)


@dataclass
class _Batch:
    """stage: what was done with it last."""

    messages: list[Message]
    reached: dict[int, Reached] = field(default_factory=dict)
    stage: Literal["gathered", "inserted"] = "gathered"
    inserted: set[str] = field(default_factory=set)  # tables that need not be offered again


class Sink:
    """start(), then step() for ever; run() does both and comes back after outages. `trouble` says in words why it is not healthy."""

    def __init__(
        self,
        log: Log,
        topics: Topics,
        store: PositionStore,
        watermarks: Watermarks,
        rows_max: int,
        partitions: Collection[int] | None = None,
        poll_records_max: int = RECORDS_MAX,
    ):
        self._log, self._topics, self._store, self._watermarks, self._rows_max = log, topics, store, watermarks, rows_max
        self._poll_records_max = poll_records_max
        self._rows_per_record = _ROWS_PER_RECORD
        self._partitions = sorted(range(topics.partitions) if partitions is None else partitions)
        self._reached: dict[int, Reached] = {}
        self._reader: LogReader | None = None
        self._batch: _Batch | None = None
        self._uncommitted: dict[int, Reached] = {}
        self._batches = 0  # since the last commit
        self._thread = ThreadPoolExecutor(1, "sink-insert")
        self.trouble = "the sink has not started"

    @property
    def healthy(self) -> bool:
        return not self.trouble

    async def start(self) -> None:
        """Where the store is, checked against the log; refuses in words that name the repair."""
        found = await self._blocking(read_positions, self._store, self._log.log_id)
        self._reached = {partition: found.get(partition, Reached(partition, 0, 0)) for partition in self._partitions}
        await refuse_lost_log(self._log, self._topics, list(self._reached.values()), self._store.where, points_needed=True)
        for one in found.values():
            self._watermarks.advance(one.partition, one.next_offset)
        await self._read_from({one.partition: one.points_offset for one in self._reached.values()})
        self._batch, self._uncommitted, self._batches = None, {}, 0
        self.trouble = ""

    async def step(self) -> None:
        """One stage of one batch; a simulation may crash between any two."""
        if self._reader is None:
            await self.start()
        elif self._batch is not None:
            await self._advance(self._batch)
        elif self._batches < COMMIT_BATCHES:
            self._batch = await self._gather()
            if self._batch is None and self._uncommitted:
                await self._commit()
        else:
            await self._commit()

    async def run(self) -> None:
        """Until cancelled. A Fault at start is final: it names the repair. Anything later is told in `trouble` and tried again."""
        failures = 0
        try:
            while True:
                try:
                    await self.step()
                    failures, self.trouble = 0, ""
                except VarveError as error:
                    if isinstance(error, Fault) and self._reader is None:
                        raise
                    await self._wait_after(error, failures)
                    failures += 1
        finally:
            await self.close()

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()
        self._thread.shutdown(wait=True)

    async def _advance(self, batch: _Batch) -> None:
        match batch.stage:
            case "gathered":
                for table, messages in by_target(batch.messages).items():
                    if table not in batch.inserted:
                        await self._insert(table, messages)
                        batch.inserted.add(table)
                await self._erase(by_target(batch.messages).get("purges", []))
                await self._erase_again(batch.messages)
                batch.stage = "inserted"
            case "inserted":
                await self._signal(batch)
                self._reached |= batch.reached
                self._uncommitted |= batch.reached
                self._batches += 1
                self._batch = None
            case _:
                assert_never(batch.stage)

    async def _commit(self) -> None:
        """The store keeps its own position; what is read again after a crash is inserted again, which is harmless."""
        await self._blocking(write_positions, self._store, self._log.log_id, list(self._uncommitted.values()))
        self._uncommitted, self._batches = {}, 0

    async def _gather(self) -> _Batch | None:
        """At once when idle; while an insert ran, the reader gathered what comes now."""
        assert self._reader is not None
        messages: list[Message] = []
        wait_seconds = 0.0 if self._uncommitted else POLL_SECONDS
        rows, records = 0, await self._reader.poll(wait_seconds, self._records_for(self._rows_max))
        reached = dict(self._reached)
        while records:
            for record, message in zip(records, await self._decoded(records), strict=True):
                if isinstance(message, str):
                    await self._bury(record, "points-malformed", message)
                else:
                    messages.append(message)
                    rows += rows_of(message)
                reached[record.partition] = _after(reached[record.partition], record, message)
            self._rows_per_record = max(1, rows // max(1, len(messages)))
            if rows >= self._rows_max:
                break
            records = await self._reader.poll(0, self._records_for(self._rows_max - rows))
        changed = {partition: one for partition, one in reached.items() if one != self._reached[partition]}
        return _Batch(messages, changed) if changed else None

    def _records_for(self, rows: int) -> int:
        """How many records hold about so many rows, as the last ones did: a batch is closed between polls, and memory is bounded."""
        return min(self._poll_records_max, 1 + rows // self._rows_per_record)

    async def _decoded(self, records: Sequence[LogRecord]) -> list[Message | str]:
        """Large ones off the loop, which serves requests meanwhile."""
        if sum(len(record.value) for record in records) > _DECODE_BYTES_INLINE:
            return list(await self._blocking(decoded, records))
        return decoded(records)

    async def _insert(self, table: str, messages: Sequence[Message]) -> None:
        """All at once; a refused batch is halved until the culprit stands alone."""
        try:
            await self._blocking(lambda: self._store.insert(table, joined(messages)))
        except (Refused, pa.ArrowException) as error:
            if len(messages) == 1:
                await self._bury(messages[0].record, "store-refused", str(error))
                return
            middle = len(messages) // 2
            await self._insert(table, messages[:middle])
            await self._insert(table, messages[middle:])

    async def _erase(self, messages: Sequence[Message]) -> None:
        """What was purged goes before the watermark tells of it; again after a redelivery, which inserts it again."""
        for message in messages:
            try:
                for query in [query for purge in purges_of(message) for query in erasures(purge)]:
                    await self._blocking(self._store.change, query)
            except Refused as error:
                await self._bury(message.record, "store-refused", str(error))

    async def _erase_again(self, messages: Sequence[Message]) -> None:
        """What came late and repeated, from a worker that slept, may have brought back what was purged since."""
        repeated = [one for one in messages if one.points.offset < self._reached[one.record.partition].next_offset]
        if series := series_of(repeated):
            for row in await self._blocking(self._store.rows, purges_over(series)):
                for query in erasures(purge_of(row)):
                    await self._blocking(self._store.change, query)

    async def _signal(self, batch: _Batch) -> None:
        for one in batch.reached.values():
            self._watermarks.advance(one.partition, one.next_offset)
        told = [one for one in batch.reached.values() if one.next_offset != self._reached[one.partition].next_offset]
        await asyncio.gather(*(write_progress(self._log, self._topics, one) for one in told))

    async def _bury(self, record: LogRecord, code: str, reason: str) -> None:
        _LOG.warning("%s %d-%d is a dead letter: %s", record.topic, record.partition, record.offset, reason)
        await write_letter(self._log, self._topics, letter_of(record, code, reason))

    async def _wait_after(self, error: VarveError, failures: int) -> None:
        if self.trouble != error.message:
            _LOG.warning("sink: %s", error.message)
        self.trouble = error.message
        if self._batch is None and self._reader is not None:
            # what was polled and not gathered is read again
            await self._read_from({one.partition: one.points_offset for one in self._reached.values()})
        await asyncio.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])

    async def _read_from(self, offsets: dict[int, int]) -> None:
        if self._reader is not None:
            await self._reader.close()
        self._reader = self._log.reader(self._topics.points, offsets)

    async def _blocking(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _after(before: Reached, record: LogRecord, message: Message | str) -> Reached:
    """The position once this record is in the store. Only a closing record moves next_offset, and never by a jump (I11): a worker whose
    records were lost on their way, though later ones were not, leaves and tells all of them again. No more than it has in flight."""
    next_offset = before.next_offset
    if isinstance(message, Message) and message.points.last and message.points.offset != next_offset:
        if message.points.offset > next_offset + IN_FLIGHT_MAX:
            raise Fault(
                "points-gap",
                f"{record.topic} partition {record.partition} tells position {message.points.offset} after {next_offset - 1}: "
                "positions between are missing. Stop everything and run `varve rebuild`, which rebuilds all views from varve.events",
            )
    elif isinstance(message, Message) and message.points.last:
        next_offset += 1
    return Reached(record.partition, next_offset, record.offset + 1)


async def write_progress(log: Log, topics: Topics, reached: Reached) -> None:
    key = f"{topics.label}/{reached.partition}".encode()
    body = {"next_offset": reached.next_offset, "points_offset": reached.points_offset}
    await log.append(topics.progress, 0, orjson.dumps(body), key=key)


async def follow_progress(log: Log, topics: Topics, watermarks: Watermarks) -> None:
    """For a process without a sink: advances its watermarks by what sinks tell, until cancelled."""
    own, reader = f"{topics.label}/".encode(), log.reader(topics.progress, dict(await log.starts(topics.progress)))
    try:
        while True:
            try:
                records = await reader.poll(POLL_SECONDS)
            except Unavailable as error:
                _LOG.warning("progress: %s", error.message)
                await asyncio.sleep(BACK_OFF_SECONDS[3])
                continue
            for record in records:
                if record.key is not None and record.key.startswith(own) and record.value:
                    watermarks.advance(int(record.key.removeprefix(own)), int(orjson.loads(record.value)["next_offset"]))
    finally:
        await reader.close()


def run_sink(settings: Settings, partitions: Collection[int] | None = None) -> None:
    """A sink in a process of its own, until it is stopped; partitions: those that it takes, None for all."""
    asyncio.run(_run(settings, partitions))


async def _run(settings: Settings, partitions: Collection[int] | None) -> None:
    from streams.log_kafka import log_of

    async with log_of(settings) as log:
        store = Store.ready(settings, log.topics.label)
        try:
            await _with_refresh(settings, log, log.topics, store, partitions)
        except asyncio.CancelledError:
            _LOG.info("sink: stopped")
        finally:
            store.close()


async def _with_refresh(settings: Settings, log: Log, topics: Topics, store: Store, partitions: Collection[int] | None) -> None:
    watermarks = Watermarks(topics.partitions)
    sink = Sink(log, topics, store, watermarks, settings.store.batch_rows_max, partitions)
    refresh = Refresh(store, watermarks, SystemClock(), settings.store.refresh_seconds, partitions)
    running = [asyncio.create_task(one) for one in (sink.run(), refresh.run(), another_served(log, topics))]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running[0].cancel)
    ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for task in ended:
        await task
