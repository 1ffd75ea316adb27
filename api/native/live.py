"""The live tail: what comes to series, told as it becomes visible; and the log itself, page by page.

Before: a browser's EventSource, or any reader of server-sent events. After: the sink's watermarks wake it, sink/queries/arrived.py
says what came. Each message's id is a token: who sends the last one back (Last-Event-ID, or after=) misses nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.answer import FORMS
from api.native.values import ChosenAsked, select
from api.parts import Parts
from api.reads import Chosen
from api.request import JSON, Asked, Caller, caller
from sink.queries.arrived import DELETIONS, LAYERS, arrived
from streams.log import LogRecord
from varve.codec import decode, encode_json
from varve.errors import Unavailable, VarveError
from varve.position import Token

Who = Annotated[Caller, Depends(caller)]
ROWS_A_MESSAGE = 1_000
ALIVE_SECONDS = 15.0
TAILS_MAX = 200
RECORDS_MAX = 500
EVENT_STREAM = "text/event-stream"


class LiveAsked(ChosenAsked):
    """Which series: ids, keys, every one that matches the filters now; without any, all of the tenant, those to come too."""

    after: Annotated[str | None, Query(description="a token, or a message's id: begin after it; now where absent")] = None
    cursor: None = Field(None, description="not here: a message's id is where to go on")
    limit: None = Field(None, description="not here: a tail has no end")  # type: ignore[assignment]  # a narrower question


class EventsAsked(Asked):
    after: Annotated[str | None, Query(description="the token of the former page, or any other: what comes after it")] = None
    limit: Annotated[int, Query(ge=1, le=RECORDS_MAX, description="records of the log in one page")] = 100


def router(parts: Parts) -> APIRouter:
    routes, tails = APIRouter(tags=["live"]), asyncio.Semaphore(TAILS_MAX)

    @routes.get("/api/v1/live", responses={200: {"description": "Server-sent events", "content": {EVENT_STREAM: {}}}})
    async def live(request: Request, who: Who, asked: Annotated[LiveAsked, Query()]) -> Response:
        """Layers and deletions of series as they become visible, as server-sent events; after= or Last-Event-ID goes on from a token."""
        since = request.headers.get("last-event-id") or asked.after
        vector = parts.views.vector() if since is None else _from_token(parts, since)
        chosen = await select(parts, who, asked)
        if tails.locked():
            raise Unavailable("too-many-tails", f"{TAILS_MAX} live tails are open already: close one, or ask again later")
        return StreamingResponse(_told(parts, who, chosen, vector, tails), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    @routes.get("/api/v1/events")
    async def events(who: Who, asked: Annotated[EventsAsked, Query()]) -> Response:
        """The events of the tenant as they stand on the log, oldest first by partition; after=<token> goes on."""
        at = dict.fromkeys(range(parts.topics.partitions), 0) if asked.after is None else _from_token(parts, asked.after)
        found, token, more = await _page(parts, who, at, asked.limit)
        return Response(orjson.dumps({"events": found, "token": token, "more": more}), media_type=JSON)

    return routes


def _from_token(parts: Parts, text: str) -> dict[int, int]:
    """Next offsets after the token; a partition that it does not name, from its start."""
    offsets = parts.views.own(text).offsets
    return {partition: offsets.get(partition, -1) + 1 for partition in range(parts.topics.partitions)}


async def _told(parts: Parts, who: Caller, chosen: Chosen, vector: dict[int, int], tails: asyncio.Semaphore) -> AsyncIterator[bytes]:
    async with tails:
        yield _position(parts.views.token(vector))
        while not parts.views.closing.is_set():
            now = parts.views.vector()
            if any(mark > vector[partition] for partition, mark in now.items()):
                async for message in _between(parts, who, chosen, vector, now):
                    yield message
                vector = now
                yield _position(parts.views.token(vector))
            elif not await parts.views.moved(vector, ALIVE_SECONDS):
                yield b": alive\n\n"


async def _between(parts: Parts, who: Caller, chosen: Chosen, since: Mapping[int, int], now: Mapping[int, int]) -> AsyncIterator[bytes]:
    """Messages without an id: only what follows them says that all is told."""
    low, high = parts.reads.watermark(since), parts.reads.watermark(now)
    for what in (LAYERS, DELETIONS):
        rows: list[bytes] = []
        rest = b""
        async for chunk in parts.reads.stream(arrived(what, who.tenant, chosen.ids, low, high), FORMS[JSON]):
            *lines, rest = (rest + chunk).split(b"\n")
            rows += lines
            while len(rows) >= ROWS_A_MESSAGE:
                yield _rows(what[0], rows[:ROWS_A_MESSAGE])
                rows = rows[ROWS_A_MESSAGE:]
        if rows:
            yield _rows(what[0], rows)


def _rows(name: str, rows: list[bytes]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: [" + b",".join(rows) + b"]\n\n"


def _position(token: Token) -> bytes:
    """A message of its own, so that a reader that keeps its id has had all before it."""
    return f'id: {token}\nevent: position\ndata: {{"token":"{token}"}}\n\n'.encode()


async def _page(parts: Parts, who: Caller, at: dict[int, int], limit: int) -> tuple[list[dict[str, Any]], str, bool]:
    """Partition by partition, so that a page needs one reader; no further than the log's ends of now."""
    found: list[dict[str, Any]] = []
    ends, left = await parts.log.ends(parts.topics.events), limit
    for partition, end in sorted(ends.items()):
        if not left or at[partition] >= end:
            continue
        reader = parts.log.reader(parts.topics.events, {partition: at[partition]})
        try:
            while left and at[partition] < end:
                for record in await reader.poll(1.0, min(left, RECORDS_MAX)):
                    at[partition] = record.offset + 1
                    left -= 1
                    found += await asyncio.to_thread(_events_of, record, who)
        finally:
            await reader.close()
    return found, str(parts.views.token(at)), any(at[partition] < end for partition, end in ends.items())


def _events_of(record: LogRecord, who: Caller) -> list[dict[str, Any]]:
    """The tenant's own; a record that cannot be decoded is a dead letter, and told there."""
    try:
        decoded = decode(record.value, record.header("content-type"))
    except VarveError:
        return []
    bodies = orjson.loads(encode_json(decoded))
    position = {"partition": record.partition, "offset": record.offset, "stored": record.timestamp}
    return [{"position": position, **body} for event, body in zip(decoded.events, bodies, strict=True) if event.tenant == who.tenant]
