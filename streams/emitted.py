"""How far varve.points tells of varve.events: what a state that is folded anew must not go beyond, or what lies between would never be
emitted (I5, I11).

Before: `varve replay --state`. After: streams/replay.py folds up to there, and a worker goes on.
"""

import orjson

from streams.log import Log
from streams.read_whole import read_between, read_whole
from streams.topics import Topics

_LAST_RECORDS = 500  # an event's points fill few


async def emitted(log: Log, topics: Topics) -> tuple[int, ...]:
    """By partition, the first offset of varve.events that has no closing record on varve.points. Of a partition whose points are older
    than the week that they are kept, what its sink has told."""
    told = await _told(log, topics)
    starts, ends = await log.starts(topics.points), await log.ends(topics.points)
    found = []
    for partition in range(topics.partitions):
        first = max(starts[partition], ends[partition] - _LAST_RECORDS)
        closed = await _closed(log, topics, partition, first, ends[partition])
        if closed < 0 and first > starts[partition]:
            closed = await _closed(log, topics, partition, starts[partition], ends[partition])
        found.append(max(closed + 1, told.get(partition, 0)))
    return tuple(found)


async def _closed(log: Log, topics: Topics, partition: int, first: int, end: int) -> int:
    """The highest position that is closed in [first, end); -1 where none is."""
    highest = -1
    async for batch in read_between(log, topics.points, {partition: first}, {partition: end}):
        closed = [int(record.header("position") or -1) for record in batch if record.header("last") == "1"]
        highest = max(highest, *closed, -1)
    return highest


async def _told(log: Log, topics: Topics) -> dict[int, int]:
    found: dict[int, int] = {}
    prefix = f"{topics.label}/".encode()
    async for record in read_whole(log, topics.progress):
        if record.key is not None and record.key.startswith(prefix) and record.value:
            found[int(record.key.removeprefix(prefix))] = int(orjson.loads(record.value)["next_offset"])
    return found
