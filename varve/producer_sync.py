"""The producer for programs without asyncio: the same calls, run on a loop in a thread of its own.

Before: plain Python programs. After: varve/producer.py. I12 holds as there: a report's result() is the position.
"""

import asyncio
import threading
import uuid
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from varve.columns import Points
from varve.errors import Incorrect
from varve.events import Event
from varve.producer import Delivered, Linger, Producer
from varve.record import Record
from varve.series import DEFAULT_TENANT

Found = TypeVar("Found")


class SyncProducer:
    """with SyncProducer("127.0.0.1:9092") as producer: producer.write("key", times, values).result()"""

    def __init__(self, brokers: str, *, prefix: str = "varve", tenant: uuid.UUID = DEFAULT_TENANT, linger: Linger | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="varve-producer", daemon=True)
        self._inner = Producer(brokers, prefix=prefix, tenant=tenant, linger=linger)
        self._producer: Producer | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._producer = self._wait(self._inner.__aenter__())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._producer is not None:
                self._wait(self._producer.__aexit__(kind, error, trace))
                self._producer = None
        finally:
            self._end()

    def send(self, event: Event | Record, points: Points | None = None) -> "Future[Delivered]":
        """Blocks while there is no room; the future is the delivery report."""
        return self._reported(self._open().send(event, points))

    def write(
        self,
        series: str,
        valid_time: Any,
        value: Any,
        *,
        known_time: Any = None,
        event_id: str | None = None,
        run_id: uuid.UUID | None = None,
    ) -> "Future[Delivered]":
        return self._reported(self._open().write(series, valid_time, value, known_time=known_time, event_id=event_id, run_id=run_id))

    def flush(self) -> None:
        self._wait(self._open().flush())

    def _open(self) -> Producer:
        if self._producer is None:
            raise Incorrect("producer-closed", "this producer is not open: use it inside `with SyncProducer(...) as producer`")
        return self._producer

    def _reported(self, sending: "Coroutine[Any, Any, asyncio.Future[Delivered]]") -> "Future[Delivered]":
        report = self._wait(sending)

        async def landed() -> Delivered:
            return await report

        return asyncio.run_coroutine_threadsafe(landed(), self._loop)

    def _wait(self, call: "Coroutine[Any, Any, Found]") -> Found:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
