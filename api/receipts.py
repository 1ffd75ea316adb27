"""Waits for what the route agent made of an intake record: follows varve.receipts from its end, without a group.

Before: the writer appended to varve.intake. After: the writer answers with the receipt's offsets (I12: acknowledged means
every part is on varve.events).
"""

import asyncio
import logging
from collections import OrderedDict

from streams.log import Log, LogRecord
from streams.receipts import Receipt
from varve.errors import Unavailable, VarveError

log = logging.getLogger(__name__)
KEPT_MAX = 20_000
PLACE = tuple[int, int]


class Receipts:
    """run() in a task; `of` waits. The newest are kept: a receipt may come before its append is acknowledged, and writes that share
    a record ask for it one after another."""

    def __init__(self, source: Log, topic: str) -> None:
        self._log, self._topic = source, topic
        self._waiting: dict[PLACE, asyncio.Future[Receipt]] = {}
        self._kept: OrderedDict[PLACE, Receipt] = OrderedDict()
        self._next: dict[int, int] = {}
        self.following = asyncio.Event()

    async def of(self, partition: int, offset: int, seconds: float) -> Receipt:
        place = (partition, offset)
        if place in self._kept:
            return self._kept[place]
        waiting = self._waiting.setdefault(place, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise Unavailable(
                "receipt-late",
                f"the write is on the intake log ({partition}-{offset}) and will be applied, but was not confirmed within {seconds:g} s:"
                " look whether a worker runs (GET /readyz); repeat with the same Idempotency-Key to learn the outcome",
            ) from None
        finally:
            self._waiting.pop(place, None)

    async def run(self) -> None:
        """Until cancelled; starts again where it was when the broker comes back."""
        while True:
            try:
                await self._follow()
            except VarveError as error:
                log.warning("receipts: %s", error.message)
                await asyncio.sleep(0.5)

    async def _follow(self) -> None:
        if not self._next:
            self._next = dict(await self._log.ends(self._topic))
        reader = self._log.reader(self._topic, self._next)
        self.following.set()
        try:
            while True:
                for record in await reader.poll(1.0):
                    self._take(record)
        finally:
            await reader.close()

    def _take(self, record: LogRecord) -> None:
        self._next[record.partition] = record.offset + 1
        try:
            receipt = Receipt.decode(record.key or b"", record.value)
        except (ValueError, KeyError, TypeError):
            log.warning("receipts: offset %d of %s is no receipt; passed over", record.offset, record.topic)
            return
        place = (receipt.intake_partition, receipt.intake_offset)
        waiting = self._waiting.get(place)
        if waiting is not None and not waiting.done():
            waiting.set_result(receipt)
        self._kept[place] = receipt
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
