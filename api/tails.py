"""Live tails, whatever carries them: what came to the series that somebody follows, told as it becomes visible.

Before: native/live.py knows who follows what, and from where on. After: the sink's watermarks wake it, sink/queries/arrived.py says
what came. Nothing is gathered for a reader that is slow: the next page of rows is read when it has taken this one.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from api.listings import SeriesFilter
from api.parts import Parts
from sink.queries.arrived import DELETIONS, LAYERS, Span, arrived
from varve.errors import Conflict, Unavailable
from varve.position import Token

ROWS_A_MESSAGE, BYTES_A_MESSAGE = 1_000, 1 << 18
PAGE_ROWS = 4_000
STEP_ROWS, STEP_RECORDS, STEP_RECORDS_MAX = 20_000, 16, 4_096  # the store sorts what is between two positions
ALIVE_SECONDS = 15.0
TAILS_MAX = 200


@dataclass(frozen=True)
class Rows:
    """Of layers or of deletions, each a JSON object; only the position that follows says that all is told."""

    event: str
    rows: list[bytes]


@dataclass(frozen=True)
class Position:
    token: Token


@dataclass(frozen=True)
class Alive:
    """Nothing came for a while."""


Message = Rows | Position | Alive


class Followed:
    """ids: named ones. With a filter, the series that match it, as they come and change; with neither, every series of the tenant."""

    def __init__(self, tenant: uuid.UUID, ids: set[uuid.UUID] | None, wanted: SeriesFilter | None = None) -> None:
        self.tenant, self._ids, self._wanted = tenant, ids, wanted

    async def look(self, parts: Parts, since: Mapping[int, int], now: Mapping[int, int]) -> set[uuid.UUID] | None:
        """Whose rows between the vectors are told: of those that matched before, or match after them. A series that was described
        otherwise, or deleted, is told so, and let go."""
        if self._wanted is None:
            return self._ids
        before = self._ids if self._ids is not None else await parts.reads.matching(self.tenant, since, self._wanted)
        described = await parts.reads.described(self.tenant, since, now)
        matching = await parts.reads.matching(self.tenant, now, replace(self._wanted, ids=tuple(described))) if described else set()
        self._ids = (before - described) | matching
        return before | matching


class Tails:
    """Of one server: so many at once, no more."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._open = parts, asyncio.Semaphore(TAILS_MAX)

    async def since(self, after: str | None) -> dict[int, int]:
        """Next offsets after the token, now where there is none; a partition that it does not name, from its start."""
        vector = self._parts.views.vector()
        return vector if after is None else await beginning(self._parts, after)

    def messages(self, followed: Followed, since: Mapping[int, int]) -> AsyncIterator[Message]:
        if self._open.locked():
            raise Unavailable("too-many-tails", f"{TAILS_MAX} live tails are open already: close one, or ask again later")
        return self._told(followed, dict(since))

    async def _told(self, followed: Followed, vector: dict[int, int]) -> AsyncIterator[Message]:
        """The first message tells where it begins, the last where the server stopped."""
        views, records = self._parts.views, STEP_RECORDS
        async with self._open:
            yield Position(views.token(vector))
            while not views.closing.is_set():
                now = _step(vector, views.vector(), records)
                if now != vector:
                    rows = 0
                    async for message in self._between(followed, vector, now):
                        rows += len(message.rows)
                        yield message
                    records = max(1, records // 2) if rows > STEP_ROWS else min(STEP_RECORDS_MAX, records * 2)
                    vector = now
                    yield Position(views.token(vector))
                elif not await views.moved(vector, ALIVE_SECONDS):
                    yield Alive()

    async def _between(self, followed: Followed, since: Mapping[int, int], now: Mapping[int, int]) -> AsyncIterator[Rows]:
        reads, ids = self._parts.reads, await followed.look(self._parts, since, now)
        if ids is not None and not ids:
            return
        span = Span(followed.tenant, None if ids is None else sorted(ids), reads.watermark(since), reads.watermark(now))
        for what in (LAYERS, DELETIONS):
            last: bytes | None = b""
            while last is not None:
                rows = await reads.lines(arrived(what, span, orjson.loads(last or b"null"), PAGE_ROWS))
                for some in cut(rows):
                    yield Rows(what.event, some)
                last = rows[-1] if len(rows) == PAGE_ROWS else None


def _step(vector: Mapping[int, int], marks: Mapping[int, int], records: int) -> dict[int, int]:
    """Never back: a reader's token may be ahead of what is visible."""
    return {partition: min(max(marks[partition], at), at + records) for partition, at in vector.items()}


async def beginning(parts: Parts, after: str) -> dict[int, int]:
    """Next offsets after the token; Conflict where the log does not go so far."""
    token = parts.views.own(after)
    if parts.views.is_behind(token):
        ends = await parts.log.ends(parts.topics.events)
        for partition, offset in token.offsets.items():
            if offset >= ends[partition]:
                words = f"after: offset {offset} of partition {partition} is not on this log, which ends before {ends[partition]}"
                raise Conflict("token-ahead", f"{words}: send back what a write, a message or a page told, unchanged")
    return {partition: token.offsets.get(partition, -1) + 1 for partition in range(parts.topics.partitions)}


def cut(rows: Sequence[bytes]) -> Iterator[list[bytes]]:
    """As many as a message holds."""
    some, size = list[bytes](), 0
    for row in rows:
        if some and (len(some) >= ROWS_A_MESSAGE or size + len(row) > BYTES_A_MESSAGE):
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row)
    if some:
        yield some
