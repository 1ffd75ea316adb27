"""Which generation of the views is served: the newest record on varve.generations says so, none means the first (I1).

Before: a replay has built the next one. After: serve() flips every reader by one record; whoever folds, sinks or serves another
generation sees it, leaves, and is started again with the new one. The topic holds next to nothing, so that a start reads it whole.
"""

import asyncio
import logging
from dataclasses import dataclass

import orjson

from streams.log import Log, LogRecord
from streams.topics import Topics
from varve.errors import Unavailable

FIRST = 1
VIEWS = 1  # of what the fold and the tables make of an event: raise it with every change that old events ask a replay for
READ_SECONDS_MAX = 20.0
_KEY = b"serving"
_POLL_SECONDS, _RETRY_SECONDS = 1.0, 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """views: the VIEWS of those who built it."""

    generation: int = FIRST
    views: int = VIEWS


async def serving(log: Log, topics: Topics) -> Served:
    """As the log says now; Unavailable where it cannot be read to its end. A log that says nothing yet is told the first one."""
    at, end = (await log.starts(topics.generations))[0], (await log.ends(topics.generations))[0]
    found = Served()
    if at == end:
        await serve(log, topics, found.generation)
        return found
    reader = log.reader(topics.generations, {0: at})
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            while at < end:
                for record in await reader.poll(0.2):
                    at, found = record.offset + 1, _told(record) or found
    except TimeoutError:
        raise Unavailable("topic-unread", f"{topics.generations} could not be read to its end: see the broker's log") from None
    finally:
        await reader.close()
    return found


async def serve(log: Log, topics: Topics, generation: int) -> None:
    """The one record that flips the readers."""
    await log.append(topics.generations, 0, orjson.dumps({"generation": generation, "views": VIEWS}), key=_KEY)


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
