"""Dead letters: what was refused, with its reason, its position and its original bytes, so that a person can put it right (I6).

Before: the route agent, the fold agent and the sink write them. After: `varve dead-letters list | show | resubmit`.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from streams.log import Appended, Headers, Log, LogRecord
from streams.topics import Topics
from varve.errors import Fault, NotFound

POLL_SECONDS = 0.5
EMPTY_POLLS_MAX = 20


@dataclass(frozen=True)
class Letter:
    """topic, partition, offset: where the refused record stands. time: UTC ns of that record in the log."""

    value: bytes
    code: str
    reason: str
    topic: str
    partition: int
    offset: int
    content_type: str
    time: int

    def headers(self) -> Headers:
        return (
            ("reason", self.reason.encode()),
            ("code", self.code.encode()),
            ("topic", self.topic.encode()),
            ("partition", b"%d" % self.partition),
            ("offset", b"%d" % self.offset),
            ("content-type", self.content_type.encode()),
            ("time", b"%d" % self.time),
        )


@dataclass(frozen=True)
class Listed:
    """A letter and its own offset on the dead-letter topic, which names it in commands."""

    number: int
    letter: Letter


def letter_of(record: LogRecord, code: str, reason: str) -> Letter:
    kind = record.header("content-type") or ""
    return Letter(record.value, code, reason, record.topic, record.partition, record.offset, kind, record.timestamp)


async def write_letter(log: Log, topics: Topics, letter: Letter) -> None:
    await log.append(topics.dead_letters, 0, letter.value, headers=letter.headers())


async def list_letters(log: Log, topics: Topics, newest: int = 100) -> list[Listed]:
    """The newest letters, oldest first."""
    ends, starts = await log.ends(topics.dead_letters), await log.starts(topics.dead_letters)
    first = max(starts[0], ends[0] - newest)
    return [found async for found in _read(log, topics, first, ends[0])]


async def show_letter(log: Log, topics: Topics, number: int) -> Letter:
    ends = await log.ends(topics.dead_letters)
    if 0 <= number < ends[0]:
        async for found in _read(log, topics, number, number + 1):
            if found.number == number:
                return found.letter
    raise NotFound("letter-unknown", f"there is no dead letter {number}: `varve dead-letters list` shows those that there are")


async def resubmit_letter(log: Log, topics: Topics, number: int) -> Appended:
    """Append the original bytes to varve.intake again; returns their new position."""
    letter = await show_letter(log, topics, number)
    partition = letter.partition if letter.topic == topics.intake else 0
    headers = (("content-type", letter.content_type.encode()),) if letter.content_type else ()
    return await log.append(topics.intake, partition, letter.value, headers=headers)


async def _read(log: Log, topics: Topics, first: int, end: int) -> AsyncIterator[Listed]:
    reader = log.reader(topics.dead_letters, {0: first})
    at, empty = first, 0
    try:
        while at < end:
            records = await reader.poll(POLL_SECONDS)
            empty = 0 if records else empty + 1
            if empty > EMPTY_POLLS_MAX:
                words = f"{topics.dead_letters} ends at {end} but nothing can be read at {at}: see the broker's log"
                raise Fault("letters-unreadable", words)
            for record in records:
                at = record.offset + 1
                if record.offset < end:
                    yield Listed(record.offset, _letter(record))
    finally:
        await reader.close()


def _letter(record: LogRecord) -> Letter:
    def word(name: str) -> str:
        return record.header(name) or ""

    def number(name: str) -> int:
        return int(word(name) or -1)

    where = (word("topic"), number("partition"), number("offset"))
    return Letter(record.value, word("code"), word("reason"), *where, word("content-type"), number("time"))
