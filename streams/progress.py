"""Heartbeats on varve.progress: each worker says what it is doing, and /readyz and `varve doctor` read the newest of each.

Key worker/<name>; value JSON {state, partitions, time, generation}: state is "recovering", "ready" or "stopped", partitions those of
varve.events that it folds into this generation of the views, time the worker's clock in UTC ns. A worker whose record is older
than SILENT_SECONDS is gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

from streams.log import Log, LogRecord
from streams.topics import Topics

WorkerState = Literal["recovering", "ready", "stopped"]
BEAT_SECONDS = 2.0
SILENT_SECONDS = 7.0
_KEY = b"worker/"


@dataclass(frozen=True)
class Beat:
    """stamp: when the broker received it, UTC ns (0 before it is written)."""

    worker: str
    state: WorkerState
    partitions: tuple[int, ...]
    time: int
    stamp: int = 0
    generation: int = 1


async def write_beat(log: Log, topics: Topics, beat: Beat) -> None:
    body = {"state": beat.state, "partitions": beat.partitions, "time": beat.time, "generation": beat.generation}
    await log.append(topics.progress, 0, orjson.dumps(body), key=_KEY + beat.worker.encode())


def read_beat(record: LogRecord) -> Beat | None:
    """The heartbeat in a record of varve.progress; None where it is something else."""
    if record.key is None or not record.key.startswith(_KEY) or not record.value:
        return None
    body = orjson.loads(record.value)
    name = record.key.removeprefix(_KEY).decode()
    partitions = tuple(int(one) for one in body["partitions"])
    return Beat(name, body["state"], partitions, int(body["time"]), record.timestamp, int(body.get("generation", 1)))


def not_folded(beats: Mapping[str, Beat], partitions: Iterable[int], now: int) -> set[int]:
    """The partitions that no live, ready worker folds at `now` (UTC ns): empty means that all is well. beats: newest by worker."""
    live = [beat for beat in beats.values() if now - beat.stamp < SILENT_SECONDS * 1e9 and beat.state == "ready"]
    return set(partitions) - {partition for beat in live for partition in beat.partitions}
