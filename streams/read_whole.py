"""What a topic holds now, for those who start from it: a state in its changelog, the heartbeats, the log itself.

Before: whoever must know all of it before going on. After: nothing; a follower goes on from there by a reader of its own.
"""

from collections.abc import AsyncIterator, Mapping

from streams.log import Log, LogRecord
from varve.errors import Unavailable

READ_SECONDS_MAX = 20.0  # without anything coming
_POLL_SECONDS = 0.5


async def read_whole(log: Log, topic: str) -> AsyncIterator[LogRecord]:
    async for batch in read_between(log, topic, await log.starts(topic), await log.ends(topic)):
        for record in batch:
            yield record


async def read_between(
    log: Log, topic: str, first: Mapping[int, int], ends: Mapping[int, int], records_max: int = 500
) -> AsyncIterator[list[LogRecord]]:
    """[first, end) of each of its partitions, as it comes; compaction may leave out any offset but the last. Unavailable where nothing
    comes any more."""
    at = {partition: offset for partition, offset in first.items() if offset < ends[partition]}
    reader = log.reader(topic, dict(at))
    try:
        silent_seconds = 0.0
        while any(offset < ends[partition] for partition, offset in at.items()):
            polled = await reader.poll(_POLL_SECONDS, records_max)
            silent_seconds = 0.0 if polled else silent_seconds + _POLL_SECONDS
            if silent_seconds > READ_SECONDS_MAX:
                raise Unavailable("topic-unread", f"{topic} could not be read to its end: see the broker's log, then try again")
            for record in polled:
                at[record.partition] = record.offset + 1
            if batch := [record for record in polled if record.offset < ends[record.partition]]:
                yield batch
    finally:
        await reader.close()
