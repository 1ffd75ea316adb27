"""A request that a stopping server could not finish is answered as one that may be sent again (503). uvicorn, which ends what is left at
the end of its grace, would tell the client of a defect.

Before: server.py puts it around the application; views.closing is set when the server stops. After: a keyed write that is repeated
counts once.
"""

import asyncio
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Wording, answer
from varve.errors import Unavailable

_WORDS = "the server stops and could not wait for this request: send it again; a write with its Idempotency-Key, else it may count twice"


class Stopping:
    def __init__(self, app: ASGIApp, closing: asyncio.Event, wordings: Sequence[Wording]) -> None:
        self._app, self._closing, self._wordings = app, closing, wordings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun or scope["type"] != "http" or not self._closing.is_set():
                raise
            await answer(Unavailable("server-stopping", _WORDS), scope["path"], self._wordings)(scope, receive, send)
