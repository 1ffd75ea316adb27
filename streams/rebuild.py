"""Throws the views' topics away and makes them again, so that the workers fold varve.events from its start (I1, I12).

Before: `varve rebuild`, when no worker runs. After: the next start. varve.events, varve.intake and the dead letters are never
removed; an intake that lost its tail is filled up, for the fold passes over intake positions that it has seen (I3).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from streams.changelogs import changelogs
from streams.log import Log
from streams.log_kafka import KafkaLog, make_topics, remove_topics
from streams.progress import SILENT_SECONDS, read_beat
from streams.read_whole import read_whole
from streams.recovery import keep_highest
from streams.state import position_of
from streams.topics import Topic, Topics
from varve.errors import Conflict, Fault

_FILLED_AT_ONCE = 500
_PROBE_KEY = b"beat"  # the key of the APIs' clock beats: any of them does as well
_FILLER = orjson.dumps({"type": "lost", "note": "the log lost the record of this position; varve rebuild filled its place"})


@dataclass(frozen=True)
class Plan:
    """events: records to fold. lost: records that were folded once and are not on varve.events any more.

    fill: by partition, how many positions of varve.intake the route agent has seen and the log has lost.
    """

    topics: tuple[Topic, ...]
    events: int
    lost: int
    fill: Mapping[int, int]


async def plan_rebuild(log: KafkaLog, topics: Topics, replication: int) -> Plan:
    """Changes nothing that matters; refuses where the views could not be had again."""
    state, routes = changelogs(topics)
    await make_topics(log.brokers, [state, routes], replication)
    starts, ends = await log.starts(topics.events), await log.ends(topics.events)
    headless = [partition for partition, start in starts.items() if start > 0]
    if headless:
        words = (
            f"{topics.events} partition {headless[0]} starts at {starts[headless[0]]}: its first records are gone, and the views are all "
            "that is left of them. Nothing is removed; restore the records from a copy of the broker's files first"
        )
        raise Fault("log-lost-head", words)
    folded, routed = await _positions(log, state.name), await _positions(log, routes.name)
    intake = await log.ends(topics.intake)
    gone = tuple(topic for topic in (*topics.all(), state) if topic.name in (topics.points, state.name))
    lost = sum(max(0, position + 1 - ends.get(partition, 0)) for partition, position in folded.items())
    fill = {partition: short for partition, at in routed.items() if (short := at + 1 - intake.get(partition, 0)) > 0}
    return Plan(gone, sum(ends.values()), lost, fill)


async def carry_out(log: KafkaLog, topics: Topics, plan: Plan, replication: int) -> None:
    """May be cut short anywhere and carried out again."""
    await _fill(log, topics.intake, plan.fill)
    await remove_topics(log.brokers, [topic.name for topic in plan.topics])
    await make_topics(log.brokers, list(plan.topics), replication)
    for partition in range(topics.partitions):  # else an API would believe that the new store has what the old one had
        await log.append(topics.progress, 0, b"", key=b"%d/%d" % (topics.generation, partition))


async def refuse_while_folding(log: Log, topics: Topics) -> None:
    """A heartbeat may be its writer's last: it lives if another one comes before the first is too old."""
    probe = await log.append(topics.progress, 0, b"{}", key=_PROBE_KEY)
    beats = {}
    async for record in read_whole(log, topics.progress):
        if (beat := read_beat(record)) is not None:
            beats[beat.worker] = beat
    if all(beat.state == "stopped" or probe.timestamp - beat.stamp > SILENT_SECONDS * 1e9 for beat in beats.values()):
        return
    reader = log.reader(topics.progress, {0: probe.offset + 1})
    try:
        async with asyncio.timeout(SILENT_SECONDS):
            while True:
                for record in await reader.poll(0.5):
                    if (beat := read_beat(record)) is not None and beat.state != "stopped":
                        words = f"the worker {beat.worker} runs on this log: stop all workers, sinks and APIs first"
                        raise Conflict("worker-running", words)
    except TimeoutError:
        return
    finally:
        await reader.close()


async def _positions(log: Log, changelog: str) -> Mapping[int, int]:
    """By partition, how far its owner has remembered to be."""
    held: dict[bytes, bytes] = {}
    async for one in read_whole(log, changelog):
        if one.key is not None and one.key.endswith(b"/partition") and one.value:
            held |= keep_highest(held, [(one.key, one.value)])
    return {int(key.partition(b"/")[0]): position_of(value) for key, value in held.items()}


async def _fill(log: Log, intake: str, short: Mapping[int, int]) -> None:
    """The route agent has passed these positions, so it never sees the fillers."""
    headers = (("content-type", b"application/json"),)
    for partition, count in short.items():
        for first in range(0, count, _FILLED_AT_ONCE):
            times = min(_FILLED_AT_ONCE, count - first)
            await asyncio.gather(*(log.append(intake, partition, _FILLER, headers=headers) for _ in range(times)))
