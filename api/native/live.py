"""The live tail over the wire: server-sent events, or a WebSocket, of the same messages (api/tails.py).

Before: a browser's EventSource or WebSocket, or any other reader. After: each position's token is where to go on, so that a reader
that comes back with the last one misses nothing.
"""

import asyncio
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, assert_never

from fastapi import APIRouter, Depends, Query, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.websockets import WebSocketDisconnect

from api.access.identity import identity_in
from api.native.values import ChosenAsked, select
from api.parts import Parts
from api.request import Caller, caller, tenant_of
from api.tails import Alive, Followed, Message, Position, Rows, Tails
from varve.errors import Forbidden, VarveError

Who = Annotated[Caller, Depends(caller)]
EVENT_STREAM = "text/event-stream"
TRY_AGAIN_LATER = 1013  # of RFC 6455's registry of closing codes


class LiveAsked(ChosenAsked):
    """Which series: ids, keys, every one that matches the filters, those to come too; without any, all of the tenant."""

    after: Annotated[str | None, Query(description="a token, or a message's id: begin after it; now where absent")] = None
    cursor: None = Field(None, description="not here: a message's id is where to go on")
    limit: None = Field(None, description="not here: a tail has no end")  # type: ignore[assignment]  # a narrower question


def router(parts: Parts) -> APIRouter:
    routes, tails = APIRouter(tags=["live"]), Tails(parts)

    @routes.get("/api/v1/live", responses={200: {"description": "Server-sent events", "content": {EVENT_STREAM: {}}}})
    async def live(request: Request, who: Who, asked: Annotated[LiveAsked, Query()]) -> Response:
        """Layers and deletions of series as they become visible, as server-sent events; after= or Last-Event-ID goes on from a token."""
        messages = await _followed(parts, tails, who, asked, request.headers.get("last-event-id") or asked.after)
        return StreamingResponse(_events(messages), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    @routes.websocket("/api/v1/live/ws")
    async def live_socket(socket: WebSocket, asked: Annotated[LiveAsked, Query()]) -> None:
        """The same messages, each a JSON object."""
        _refuse_foreign_page(socket.headers, parts.settings.http.origins)
        who = Caller(tenant_of(socket.headers.get("x-tenant"), identity_in(socket.scope)), None, "", "")
        messages = await _followed(parts, tails, who, asked, asked.after)
        await socket.accept()
        telling, leaving = asyncio.create_task(_tell(socket, messages)), asyncio.create_task(_left(socket))
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()  # a defect is raised, and logged
        finally:
            telling.cancel()
            leaving.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)

    return routes


async def _followed(parts: Parts, tails: Tails, who: Caller, asked: LiveAsked, after: str | None) -> AsyncIterator[Message]:
    since, wanted = await tails.since(after), asked.filter()
    if asked.key or asked.series_id:
        chosen = await select(parts, who, asked)
        followed = Followed(who.tenant, set(chosen.ids or ()))
    else:
        followed = Followed(who.tenant, None, None if wanted.empty else wanted)
    return tails.messages(followed, since)


async def _events(messages: AsyncIterator[Message]) -> AsyncIterator[bytes]:
    async for message in messages:
        match message:
            case Rows(event, rows):
                yield b"event: " + event.encode() + b"\ndata: [" + b",".join(rows) + b"]\n\n"
            case Position(token):  # a message of its own, so that a reader that keeps its id has had all before it
                yield f'id: {token}\nevent: position\ndata: {{"token":"{token}"}}\n\n'.encode()
            case Alive():
                yield b": alive\n\n"
            case _:
                assert_never(message)


async def _tell(socket: WebSocket, messages: AsyncIterator[Message]) -> None:
    """Until the server stops, or the reader has left; a part that fails is told, and the reader may come back."""
    try:
        async for message in messages:
            match message:
                case Rows(event, rows):
                    await socket.send_text((b'{"event":"' + event.encode() + b'","data":[' + b",".join(rows) + b"]}").decode())
                case Position(token):
                    await socket.send_text(f'{{"event":"position","id":"{token}","data":{{"token":"{token}"}}}}')
                case Alive():
                    pass  # a WebSocket has pings of its own
                case _:
                    assert_never(message)
    except VarveError as refusal:
        await socket.close(TRY_AGAIN_LATER, refusal.message[:120])
    except WebSocketDisconnect:
        pass


async def _left(socket: WebSocket) -> None:
    """What a reader says is passed over."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _refuse_foreign_page(headers: Mapping[str, Any], origins: str) -> None:
    """A browser lets any page open a WebSocket to anybody and says whose page it is; other clients say nothing."""
    origin = headers.get("origin")
    if origin is None or urllib.parse.urlsplit(origin).netloc == headers.get("host") or origin in origins.replace(" ", "").split(","):
        return
    raise Forbidden(
        "origin-foreign", f"Origin: a page of {origin[:80]} may not follow this: name it in VARVE_HTTP__ORIGINS, or serve it here"
    )
