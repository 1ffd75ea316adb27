"""The store's blocking calls from the event loop: a bounded set of threads, and streams piece by piece.

Before: lookups.py and reads.py make queries. After: sink/store.py. A stream that the client leaves is closed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import orjson

from sink.queries.query import Query
from sink.store import Store

T = TypeVar("T")


class StoreCalls:
    def __init__(self, store: Store, readers: int) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="reader")

    async def call(self, work: Callable[[Store], T]) -> T:
        """Several questions in one turn of a thread."""
        return await self._call(lambda: work(self._store))

    async def rows(self, query: Query) -> list[dict[str, Any]]:
        return await self._call(lambda: self._store.rows(query))

    async def objects(self, query: Query) -> list[dict[str, Any]]:
        """As a client sees them: instants and ids as text."""
        return await self._call(lambda: [orjson.loads(line) for line in self._store.raw(query, "JSONEachRow").splitlines()])

    async def lines(self, query: Query) -> list[bytes]:
        """The same, each as its JSON."""
        return await self._call(lambda: self._store.raw(query, "JSONEachRow").splitlines())

    async def ping(self) -> None:
        await self._call(self._store.ping)

    def stream(self, query: Query, form: str) -> AsyncIterator[bytes]:
        return self.pieces(lambda store: store.stream(query, form))

    async def pieces(self, work: Callable[[Store], Iterator[bytes]]) -> AsyncIterator[bytes]:
        """What it makes of the store's answers, none of them empty; a turn of a thread each."""
        pieces = work(self._store)
        try:
            while piece := await self._call(lambda: next(pieces, b"")):
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                await asyncio.shield(self._call(close))

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
