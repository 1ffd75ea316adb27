"""Dead letters keep the original bytes and go back to the intake as they came."""

import asyncio

import pytest

from streams.dead_letters import Letter, letter_of, list_letters, resubmit_letter, show_letter, write_letter
from streams.log import LogRecord
from streams.log_memory import MemoryLog
from streams.topics import Topics
from varve.clock import SystemClock
from varve.errors import NotFound

TOPICS = Topics("v", 2)
RECORD = LogRecord("v.intake", 1, 7, 123, b"k", b"\x00bytes", (("content-type", b"application/json"),))


def test_a_letter_comes_back_as_it_was_written() -> None:
    async def body() -> tuple[Letter, list[int], Letter]:
        log = MemoryLog(TOPICS.all(), SystemClock())
        for number in range(5):
            await write_letter(log, TOPICS, letter_of(RECORD, "json-malformed", f"why {number}: å"))
        listed = await list_letters(log, TOPICS, 2)
        return await show_letter(log, TOPICS, 3), [one.number for one in listed], listed[0].letter

    shown, numbers, first = asyncio.run(body())
    assert shown == Letter(b"\x00bytes", "json-malformed", "why 3: å", "v.intake", 1, 7, "application/json", 123)
    assert numbers == [3, 4]
    assert first == shown


def test_a_resubmitted_letter_is_on_the_intake_with_its_content_type() -> None:
    async def body() -> LogRecord | None:
        log = MemoryLog(TOPICS.all(), SystemClock())
        await write_letter(log, TOPICS, letter_of(RECORD, "code", "reason"))
        stored = await resubmit_letter(log, TOPICS, 0)
        assert (stored.partition, stored.offset) == (1, 0)
        return await log.fetch(TOPICS.intake, 1, 0)

    found = asyncio.run(body())
    assert found is not None
    assert (found.value, found.header("content-type")) == (b"\x00bytes", "application/json")


def test_an_unknown_letter_is_named() -> None:
    with pytest.raises(NotFound, match="no dead letter 4"):
        asyncio.run(show_letter(MemoryLog(TOPICS.all(), SystemClock()), TOPICS, 4))
