"""What a server that stops could not finish is answered in words, and only then."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.stopping import Stopping

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/api/v1/points", "headers": []}


async def cut_short(*, stops: bool, begins: bool = False) -> list[Message]:
    """What is sent by a request that waits for ever and is ended."""
    sent: list[Message] = []
    closing, waits = asyncio.Event(), asyncio.Event()

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        waits.set()
        await asyncio.Event().wait()

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    task = asyncio.create_task(Stopping(route, closing, ())(SCOPE, receive, send))
    await waits.wait()
    if stops:
        closing.set()
    task.cancel()
    await task
    return sent


def test_it_is_told_to_come_again() -> None:
    start, body = asyncio.run(cut_short(stops=True))
    headers: dict[bytes, Any] = dict(start["headers"])
    assert start["status"] == 503 and headers[b"retry-after"] == b"1"
    said = orjson.loads(body["body"])["error"]
    assert said["code"] == "server-stopping" and "Idempotency-Key" in said["message"]


@pytest.mark.parametrize(("stops", "begins"), [(False, False), (True, True)])
def test_what_ends_otherwise_ends_as_it_did(stops: bool, begins: bool) -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cut_short(stops=stops, begins=begins))
