"""Generations that are kept under a name: /generations/NAME/... is every route of this server, answered from what varve.events held
until a position. Nothing can be written there.

Before: `varve replay --until ... --name NAME` had one built. After: the app of a Parts of its own. What was purged since is erased
in it before it answers again, whoever purged it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from starlette.types import ASGIApp, Receive, Scope, Send

from api.generations import Kept
from api.parts import Parts
from api.reading import reading
from api.views import Wait
from api.writer import Writer, Written
from sink.purged import erase, purged_since
from varve.errors import Conflict
from varve.record import Record

READERS = 2


class RefusingWriter(Writer):
    """Every door refuses alike."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def write(self, record: Record, wait: Wait) -> Written:  # noqa: ARG002
        self.refuse(record)

    def refuse(self, record: Record) -> NoReturn:  # noqa: ARG002
        words = f"generation {self._name} is what the log held until a position: write to this server without /generations/{self._name}"
        raise Conflict("generation-kept", words)

    def fits(self, record: Record) -> bool:  # noqa: ARG002
        return True

    async def settle(self) -> None:
        """Nothing is on its way."""


@dataclass
class _Open:
    """erased: the served watermark vector up to which purges were looked for."""

    kept: Kept
    app: ASGIApp
    erased: tuple[int, ...]
    erasing: asyncio.Lock = field(default_factory=asyncio.Lock)


class NamedGenerations:
    """The ASGI app at /generations. make: create_app, of a Parts."""

    def __init__(self, parts: Parts, make: Callable[[Parts], ASGIApp]) -> None:
        self._parts, self._make = parts, make
        self._open: dict[str, _Open] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outside = scope.get("root_path", "")
        name = scope["path"].removeprefix(outside).split("/")[1]
        kept = await self._parts.generations.kept(name)  # NotFound, also of one that was removed since
        one = self._open.get(name)
        if one is None or one.kept is not kept:
            one = self._open[name] = _Open(kept, self._make(self._parts_of(kept)), kept.named.until)
        await self._erase(one)
        await one.app({**scope, "root_path": f"{outside}/{name}"}, receive, send)

    def _parts_of(self, kept: Kept) -> Parts:
        parts, name = self._parts, kept.named.name
        read = reading(parts.settings, parts.log, kept.store, kept.watermarks, READERS)
        read.views.closing = parts.views.closing
        topics, writer = replace(parts.topics, name=name), RefusingWriter(name)
        return replace(parts, topics=topics, writer=writer, views=read.views, catalog=read.catalog, runs=read.runs, reads=read.reads)

    async def _erase(self, one: _Open) -> None:
        served = self._parts.reads.watermark(self._parts.views.vector())
        if one.erased == served:
            return
        async with one.erasing:
            await asyncio.to_thread(lambda: erase(one.kept.store, purged_since(self._parts.generations.store, one.erased, served)))
            one.erased = served
