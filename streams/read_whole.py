"""All that a topic holds now, for those who start from it: a state in its changelog, the heartbeats."""

from collections.abc import AsyncIterator

from streams.log import Log, LogRecord
from varve.errors import Unavailable

READ_SECONDS_MAX = 20.0  # without anything coming


async def read_whole(log: Log, topic: str) -> AsyncIterator[LogRecord]:
    """What the topic holds now; compaction may leave out any offset but the last."""
    at, ends = dict(await log.starts(topic)), await log.ends(topic)
    wanted = {partition for partition, end in ends.items() if at[partition] < end}
    reader = log.reader(topic, {partition: at[partition] for partition in wanted})
    try:
        silent_seconds = 0.0
        while any(at[partition] < ends[partition] for partition in wanted):
            records = await reader.poll(0.5)
            silent_seconds = 0.0 if records else silent_seconds + 0.5
            if silent_seconds > READ_SECONDS_MAX:
                raise Unavailable("topic-unread", f"{topic} could not be read to its end: see the broker's log, then try again")
            for record in records:
                at[record.partition] = record.offset + 1
                yield record
    finally:
        await reader.close()
