"""Holds requests until what they wrote, or ask for with after=, is in the store; bounded in number and in time.

Before: the writer, and reads with a token. After: the read takes its watermark vector (I9, I11).
"""

import asyncio
from collections.abc import Mapping
from typing import Literal, Protocol

from api.errors import StillWaiting
from varve.errors import Conflict, Unavailable
from varve.position import Token
from varve.settings import HttpSettings

Wait = Literal["log", "view"]


class Watermarks(Protocol):
    """Of the sink: next offset that the store lacks, by partition."""

    def vector(self) -> Mapping[int, int]: ...

    async def reached(self, offsets: Mapping[int, int], seconds: float) -> bool: ...

    async def moved(self, vector: Mapping[int, int], seconds: float) -> bool: ...


class Views:
    def __init__(self, watermarks: Watermarks, log_id: str, http: HttpSettings) -> None:
        self._watermarks, self._log_id = watermarks, log_id
        self._held_max, self._seconds_max = http.held_requests_max, http.wait_seconds_max
        self._held = 0
        self.closing = asyncio.Event()  # what has no end of its own, as a live tail, ends then

    def vector(self) -> dict[int, int]:
        return dict(self._watermarks.vector())

    async def moved(self, vector: Mapping[int, int], seconds_max: float) -> bool:
        """Whether any partition went beyond the vector in time; False at once when the server closes."""
        waiting = [asyncio.ensure_future(one) for one in (self._watermarks.moved(vector, seconds_max), self.closing.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return waiting[0].done() and waiting[0].result()
        finally:
            for one in waiting:
                one.cancel()

    def is_behind(self, token: Token) -> bool:
        vector = self._watermarks.vector()
        return any(vector.get(partition, 0) <= offset for partition, offset in token.offsets.items())

    async def shown(self, token: Token, wait: Wait) -> None:
        """As far as a write asks for: its own, or of a repeated request what the first one wrote."""
        if wait == "view":
            await self.reached(token)

    async def reached(self, token: Token) -> None:
        """StillWaiting carries the token: what was written is safe."""
        if not self.is_behind(token):
            return
        if self._held >= self._held_max:
            raise StillWaiting("too-many-waiting", f"{self._held} requests wait already: the write is safe; read with after=<token>", token)
        self._held += 1
        try:
            if not await self._watermarks.reached(token.offsets, self._seconds_max):
                raise StillWaiting(
                    "view-late",
                    f"the write is safe on the log, but was not visible within {self._seconds_max:g} s: read later with after=<token>",
                    token,
                )
        finally:
            self._held -= 1

    def own(self, text: str) -> Token:
        """What a client gave as after=; Conflict where it is another log's."""
        token = Token.parse(text)
        if token.log_id != self._log_id:
            raise Conflict("token-foreign", f"after: the token is of log {token.log_id[:8]}…, this is log {self._log_id[:8]}…")
        vector = self._watermarks.vector()
        unknown = sorted(set(token.offsets) - set(vector))
        if unknown:
            raise Conflict("token-foreign", f"after: the token names partition {unknown[0]}, and this log has {len(vector)}, from 0 on")
        return token

    def token(self, vector: Mapping[int, int]) -> Token:
        """Of the last records that a watermark vector shows."""
        return Token(self._log_id, {partition: mark - 1 for partition, mark in vector.items() if mark > 0})

    async def after(self, text: str) -> None:
        """A read that must see what the token's write wrote."""
        try:
            await self.reached(self.own(text))
        except StillWaiting:
            raise Unavailable("view-late", f"after: not visible within {self._seconds_max:g} s: ask again later") from None
