"""Faust's agents: one for each topic, isolated partitions, concurrency 1, noack. They find the lane and hand the event over.

Before: Faust assigns partitions and delivers. After: streams/lanes.py. No exception leaves an agent (I6): what is not a
record's own fault ends the process without an ack, and a supervisor restarts it.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import faust

from streams.lanes import Lanes
from streams.lost_records import LogLost
from varve.errors import Unavailable, VarveError

EXIT_STALLED, EXIT_OUTAGE, EXIT_FAULT, EXIT_FLIPPED, EXIT_LOG_LOST = 3, 4, 5, 6, 78
_say = logging.getLogger("varve.worker")


def add_agent(app: faust.App, topic: str, partitions: int, lanes: Lanes, draining: Callable[[], bool]) -> None:
    """One agent for the topic: isolated partitions, concurrency 1, noack."""

    async def take(stream: Any) -> None:
        async for event in stream.noack().events():
            lane = lanes.get(topic, event.message.partition)
            if lane is None or draining():
                continue  # neither taken nor acked: it comes again to whoever owns the partition next
            await guarded(lane.take(event))

    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "key_type": bytes, "value_type": bytes, "allow_empty": True}
    source = app.topic(topic, partitions=partitions, **raw)
    app.agent(source, name=f"varve.{topic}", isolated_partitions=True, concurrency=1)(take)


async def guarded(work: Awaitable[None]) -> None:
    """Run; whatever goes wrong ends the process without an ack."""
    try:
        await work
    except Unavailable as error:
        leave(EXIT_OUTAGE, error.message)
    except TimeoutError:
        leave(EXIT_OUTAGE, "the broker did not store the state in time")
    except LogLost as error:
        leave(EXIT_LOG_LOST, error.message)
    except VarveError as error:
        leave(EXIT_FAULT, error.message)
    except Exception as error:  # noqa: BLE001 - a defect: the supervisor restarts the worker from its last remembered state
        _say.exception("the worker failed")
        leave(EXIT_FAULT, f"{type(error).__name__}: {error}")


def leave(code: int, words: str) -> NoReturn:
    """Crash only: nothing more is written by this process."""
    _say.error("leaving with code %d: %s", code, words)
    logging.shutdown()
    os._exit(code)
