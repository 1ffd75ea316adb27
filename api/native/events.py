"""The log itself, page by page: the tenant's events as they stand there.

Before: a reader with a token. After: streams/log.py; varve/codec.py decodes. A page goes no further than the log's ends of now.
"""

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response

from api.parts import Parts
from api.request import JSON, Asked, Caller, caller
from api.tails import beginning
from streams.log import LogRecord
from varve.codec import decode, encode_json
from varve.errors import VarveError
from varve.instants import EARLIEST, LATEST, format_instant

Who = Annotated[Caller, Depends(caller)]
RECORDS_MAX = 500
INSTANTS = ("recorded_time", "known_time", "from", "until", "started", "finished")
OPEN = (EARLIEST, LATEST)


class EventsAsked(Asked):
    after: Annotated[str | None, Query(description="the token of the former page, or any other: what comes after it")] = None
    limit: Annotated[int, Query(ge=1, le=RECORDS_MAX, description="records of the log in one page")] = 100


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["live"])

    @routes.get("/api/v1/events")
    async def events(who: Who, asked: Annotated[EventsAsked, Query()]) -> Response:
        """The events of the tenant as they stand on the log, oldest first by partition; after=<token> goes on."""
        at = dict.fromkeys(range(parts.topics.partitions), 0) if asked.after is None else await beginning(parts, asked.after)
        found, token, more = await _page(parts, who, at, asked.limit)
        return Response(orjson.dumps({"events": found, "token": token, "more": more}), media_type=JSON)

    return routes


async def _page(parts: Parts, who: Caller, at: dict[int, int], limit: int) -> tuple[list[dict[str, Any]], str, bool]:
    """Partition by partition, so that a page needs one reader; no further than the log's ends of now, or of a generation that is kept."""
    found: list[dict[str, Any]] = []
    ends, left = dict(await parts.log.ends(parts.topics.events)), limit
    if parts.topics.name:
        ends = parts.views.vector()
    for partition, end in sorted(ends.items()):
        if not left or at[partition] >= end:
            continue
        reader = parts.log.reader(parts.topics.events, {partition: at[partition]})
        try:
            while left and at[partition] < end:
                for record in await reader.poll(1.0, min(left, RECORDS_MAX, end - at[partition])):
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
    position = {"partition": record.partition, "offset": record.offset, "stored": format_instant(record.stored)}
    own = [body for event, body in zip(decoded.events, bodies, strict=True) if event.tenant == who.tenant]
    return [{"position": position, **{name: _shown(name, given) for name, given in body.items()}} for body in own]


def _shown(name: str, given: Any) -> Any:
    """Instants as everywhere; a bound that is none is null."""
    if name not in INSTANTS or not isinstance(given, int):
        return given
    return None if name in ("from", "until") and given in OPEN else format_instant(given)
