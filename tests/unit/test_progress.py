"""Heartbeats: who folds which partitions, and which ones nobody folds."""

import asyncio
from dataclasses import replace

from streams.log_memory import MemoryLog
from streams.progress import SILENT_SECONDS, Beat, not_folded, read_beat, write_beat
from streams.topics import Topics
from varve.clock import SystemClock

TOPICS = Topics("v", 4)
SECOND = 10**9


def test_a_beat_is_read_back_with_the_brokers_time() -> None:
    async def body() -> None:
        log = MemoryLog(TOPICS.all(), SystemClock())
        await write_beat(log, TOPICS, Beat("w", "ready", (0, 2), 5))
        await log.append(TOPICS.progress, 0, b"{}", key=b"log/abc")
        beat, other = (read_beat(record) for record in log.records(TOPICS.progress, 0))
        assert beat == Beat("w", "ready", (0, 2), 5, log.records(TOPICS.progress, 0)[0].timestamp)
        assert other is None

    asyncio.run(body())


def test_partitions_of_silent_or_recovering_workers_are_not_folded() -> None:
    now = 100 * SECOND
    here = Beat("a", "ready", (0, 1), now, now - SECOND)
    assert not_folded({"a": here, "b": replace(here, partitions=(2, 3))}, range(4), now) == set()
    assert not_folded({"a": here, "b": replace(here, state="recovering", partitions=(2, 3))}, range(4), now) == {2, 3}
    silent = replace(here, stamp=now - int((SILENT_SECONDS + 1) * SECOND))
    assert not_folded({"a": silent}, range(2), now) == {0, 1}
