"""The topics in which the workers' state is remembered, and the group that they are in, by generation of the views.

Before: whoever starts, replays or rebuilds. After: Faust's tables over them (streams/app.py), or a replay's own writes.
"""

from dataclasses import replace

from streams.generations import FIRST
from streams.topics import RECORD_BYTES_MAX, Topic, Topics

DAY_MS = 24 * 3600 * 1000


def group_of(topics: Topics) -> str:
    return f"{topics.prefix}-fold-{topics.label}"


def changelogs(topics: Topics) -> list[Topic]:
    """Of the fold's state, which every generation has anew, and of the route agent's, which goes on through all of them. Faust would
    make them without these settings: a lag, so that compaction cannot leave an old owner's late record alone."""
    config = {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(DAY_MS),
        "max.message.bytes": str(RECORD_BYTES_MAX),
        "segment.bytes": str(64 * 1024 * 1024),  # the newest segment is never compacted
    }
    first = replace(topics, generation=FIRST, name="")
    names = (f"{group_of(topics)}-state-changelog", f"{group_of(first)}-routes-changelog")
    return [Topic(name, topics.partitions, config) for name in names]


def following(topics: Topics) -> Topics:
    """Of the generation that a replay builds."""
    return replace(topics, generation=topics.generation + 1)


def own_topics(topics: Topics) -> list[Topic]:
    """Those that belong to the generation alone."""
    return [*topics.of_generation(), changelogs(topics)[0]]
