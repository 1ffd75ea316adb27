"""Which generation of the views is served: the newest record on varve.generations says so, none means the first (I1). Which ones are
kept under a name, each of what varve.events held until some position.

Before: a replay has built the next one. After: serve() flips every reader by one record; whoever folds, sinks or serves another
generation sees it, leaves, and is started again with the new one. The topic holds next to nothing, so that a start reads it whole.
"""

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from streams.log import Log, LogRecord
from streams.read_whole import read_whole
from streams.topics import Topics
from varve.errors import Conflict, Incorrect, Unavailable

FIRST = 1
VIEWS = 1  # of what the fold and the tables make of an event: raise it with every change that old events ask a replay for
_KEY, _NAMED = b"serving", b"named/"
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_POLL_SECONDS, _RETRY_SECONDS = 1.0, 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """views: the VIEWS of those who built it."""

    generation: int = FIRST
    views: int = VIEWS


@dataclass(frozen=True)
class Named:
    """until: of varve.events, the next offset that it leaves out, by partition. made: UTC ns, the log's."""

    name: str
    until: tuple[int, ...]
    made: int


async def serving(log: Log, topics: Topics) -> Served:
    """As the log says now; Unavailable where it cannot be read to its end. A log that says nothing yet is told the first one."""
    found = None
    async for record in read_whole(log, topics.generations):
        found = _told(record) or found
    if found is None:
        await serve(log, topics, FIRST)
    return found or Served()


async def serve(log: Log, topics: Topics, generation: int) -> None:
    """The one record that flips the readers."""
    await log.append(topics.generations, 0, orjson.dumps({"generation": generation, "views": VIEWS}), key=_KEY)


async def named(log: Log, topics: Topics) -> dict[str, Named]:
    """Those that are kept now, by name."""
    found: dict[str, Named] = {}
    async for record in read_whole(log, topics.generations):
        if record.key is not None and record.key.startswith(_NAMED):
            name = record.key.removeprefix(_NAMED).decode()
            found.pop(name, None)
            if record.value:
                found[name] = Named(name, tuple(orjson.loads(record.value)["until"]), record.timestamp)
    return found


def refuse_name(name: str) -> None:
    """A name stands in topics, databases and addresses."""
    if not _NAME.match(name):
        raise Incorrect("name-incorrect", f"'{name[:60]}' cannot name a generation: up to 40 of a-z, 0-9 and _, a letter first")


def name_taken(name: str) -> Conflict:
    words = f"a generation {name} is kept already: choose another name, or remove it with `varve generations --remove {name}`"
    return Conflict("generation-kept", words)


async def keep(log: Log, topics: Topics, name: str, until: Sequence[int]) -> None:
    await log.append(topics.generations, 0, orjson.dumps({"until": list(until), "views": VIEWS}), key=_NAMED + name.encode())


async def forget(log: Log, topics: Topics, name: str) -> None:
    await log.append(topics.generations, 0, b"", key=_NAMED + name.encode())


async def another_served(log: Log, topics: Topics) -> int:
    """Returns once another generation than that of `topics` is served."""
    at = 0
    while True:
        try:
            at = max(at, (await log.starts(topics.generations))[0])
            reader = log.reader(topics.generations, {0: at})
            try:
                while True:
                    for record in await reader.poll(_POLL_SECONDS):
                        at = record.offset + 1
                        told = _told(record)
                        if told is not None and told.generation != topics.generation and at == (await log.ends(topics.generations))[0]:
                            return told.generation
            finally:
                await reader.close()
        except Unavailable as error:
            _LOG.warning("generations: %s", error.message)
            await asyncio.sleep(_RETRY_SECONDS)


def _told(record: LogRecord) -> Served | None:
    if record.key != _KEY or not record.value:
        return None
    told = orjson.loads(record.value)
    return Served(int(told["generation"]), int(told.get("views", VIEWS)))
