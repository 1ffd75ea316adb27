"""A crew of workers that die, sleep, leave and join while records come; then what came out is compared with a replay.

Before: test_rebalance.py chooses the acts. After: complaints about what was lost, doubled or differs (I3, I12): none.
"""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from streams.changelogs import changelogs
from streams.fold import fold, pass_over
from streams.log import Log, LogRecord
from streams.points import decode_points, encode_points
from streams.recovery import keep_highest
from streams.state import PartitionState, position_of
from streams.topics import Topics
from varve.codec import JSON, decode
from varve.errors import Unavailable, VarveError
from varve.series import DEFAULT_TENANT, partition_of, series_id
from varve.settings import LogSettings, Settings, WorkerSettings, environment_of

SESSION_SECONDS, STALL_SECONDS = 3.0, 1.4
SERIES = 40


@dataclass
class Crew:
    """The workers by name; `revive` starts again those that ended."""

    broker: str
    topics: Topics
    directory: Path
    session_seconds: float = SESSION_SECONDS
    stall_seconds: float = STALL_SECONDS
    forgotten_seconds: float = WorkerSettings().forgotten_seconds
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)

    def start(self, name: str) -> None:
        settings = Settings(
            data=self.directory,
            log=LogSettings(brokers=self.broker, prefix=self.topics.prefix, partitions=self.topics.partitions),
            worker=WorkerSettings(
                name=name,
                session_seconds=self.session_seconds,
                stall_seconds=self.stall_seconds,
                forgotten_seconds=self.forgotten_seconds,
                flush_seconds=0.3,
            ),
        )
        with (self.directory / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "varve.cli", "worker"]
            self.processes[name] = subprocess.Popen(command, env=environment_of(settings), stdout=log, stderr=subprocess.STDOUT)

    def revive(self) -> None:
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.ends.append(f"{name} ended with {process.returncode}")
                self.start(name)

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def leave(self, name: str) -> int:
        """SIGTERM, and do not start it again."""
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(30)

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@dataclass
class Load:
    """Small records straight to varve.events and multi-series ones to varve.intake, each with cells of its own."""

    log: Log
    topics: Topics
    pause_seconds: float = 0.02
    stopped: bool = False
    rows: int = 0

    async def run(self) -> None:
        number = 0
        while not self.stopped:
            appends = [self._one_partition(number + at) for at in range(6)] + [self._many(number + 6)]
            await asyncio.gather(*appends)
            number += len(appends)
            await asyncio.sleep(self.pause_seconds)

    def _one_partition(self, number: int) -> Awaitable[object]:
        key = f"series-{number % SERIES}"
        partition = partition_of(series_id(DEFAULT_TENANT, key), self.topics.partitions)
        self.rows += 1
        return self.log.append(self.topics.events, partition, _body([key], number), headers=(("content-type", JSON.encode()),))

    def _many(self, number: int) -> Awaitable[object]:
        self.rows += SERIES
        return self.log.append(self.topics.intake, number % self.topics.partitions, _body([f"many-{at}" for at in range(SERIES)], number))


def _body(keys: list[str], number: int) -> bytes:
    rows = len(keys)
    event: dict[str, Any] = {"type": "points_written", "series": keys, "valid_time": [number * 10**9] * rows, "value": [number] * rows}
    return orjson.dumps(event | {"event_id": f"{number:032x}"} if number % 5 == 0 else event)


@dataclass
class Seen:
    """What the log holds at the end."""

    complaints: list[str]
    rows: int
    repeats: int


async def compare(log: Log, topics: Topics, rows_sent: int) -> Seen:
    """Layers on varve.points against a fresh fold of varve.events; the remembered state against that fold's."""
    seen = Seen([], 0, 0)
    for partition in range(topics.partitions):
        state, expected = PartitionState(partition), dict[int, object]()
        for record in await read_all(log, topics.events, partition):
            expected |= {row["version"]: row for row in _replayed(state, record)}
        got = dict[int, object]()
        for record in await read_all(log, topics.points, partition):
            for row in _layers(record.value, record.headers):
                seen.repeats += row["version"] in got
                got[row["version"]] = row
        seen.rows += len(got)
        if got != expected:
            lost, strange = expected.keys() - got.keys(), got.keys() - expected.keys()
            differ = [version for version in got.keys() & expected.keys() if got[version] != expected[version]]
            seen.complaints.append(f"partition {partition}: {len(lost)} lost, {len(strange)} strange, {len(differ)} differ")
        remembered = PartitionState.recover(partition, await remembered_records(log, changelogs(topics)[0].name, partition))
        if rows_of(remembered) != rows_of(state) or remembered.applied != state.applied or remembered.intake != state.intake:
            seen.complaints.append(f"partition {partition}: state at {remembered.applied} differs from the replay's at {state.applied}")
    if seen.rows != rows_sent:
        seen.complaints.append(f"{rows_sent} rows were acknowledged, {seen.rows} came out")
    return seen


def _replayed(state: PartitionState, record: LogRecord) -> Iterator[dict[str, Any]]:
    """The layers that the record becomes; the state goes on."""
    intake = record.header("intake")
    position = (int(intake.split("-")[0]), int(intake.split("-")[1])) if intake else None
    try:
        change, folded, _ = fold(state, decode(record.value, record.header("content-type")), record.offset, record.stored, position)
    except VarveError:
        change, folded = pass_over(state, record.offset)
    state.take(change)
    for points in encode_points(folded):
        yield from _layers(points.value, points.headers)


def _layers(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> list[dict[str, Any]]:
    message = decode_points(value, headers)
    return [] if message.name != "layers" or message.table is None else message.table.to_pylist()


def rows_of(state: PartitionState) -> dict[bytes, bytes]:
    """Each series' row by its id."""
    return {key: state._rows[slot].tobytes() for key, slot in state._index.items()}


async def remembered_records(log: Log, changelog: str, partition: int) -> dict[bytes, bytes]:
    return keep_highest({}, _pairs(await read_all(log, changelog, partition)))


def _pairs(records: Iterable[LogRecord]) -> Iterator[tuple[bytes, bytes]]:
    for record in records:
        assert record.key is not None
        yield record.key, record.value


async def read_all(log: Log, topic: str, partition: int) -> Sequence[LogRecord]:
    """Every record that the partition holds now."""
    at, end = (await log.starts(topic))[partition], (await log.ends(topic))[partition]
    reader = log.reader(topic, {partition: at})
    found: list[LogRecord] = []
    try:
        async with asyncio.timeout(60):
            while at < end:
                for record in await reader.poll(0.5):
                    found.append(record)
                    at = record.offset + 1
    finally:
        await reader.close()
    return [record for record in found if record.offset < end]


async def settled(log: Log, topics: Topics, crew: Crew, seconds_max: float = 60.0) -> None:
    """Until the state of every partition is remembered up to the end of its log, and of the intake; seconds_max: of no progress."""
    deadline, before = time.monotonic() + seconds_max, [0]
    fold_log, route_log = (topic.name for topic in changelogs(topics))
    while True:
        crew.revive()
        try:
            behind = [await _behind(log, topics.intake, route_log), await _behind(log, topics.events, fold_log)]
        except Unavailable:  # on a busy machine the first worker has not made its changelogs yet
            behind = [-1]
        if not any(behind):
            return
        if behind != before:
            deadline, before = time.monotonic() + seconds_max, behind
        assert time.monotonic() < deadline, f"not folded within {seconds_max} s: {behind} records behind; {crew.ends}"
        await asyncio.sleep(0.3)


async def _behind(log: Log, source: str, changelog: str) -> int:
    behind = 0
    for partition, end in (await log.ends(source)).items():
        own = (await remembered_records(log, changelog, partition)).get(b"%d/partition" % partition)
        behind += end - 1 - (position_of(own) if own is not None else -1)
    return behind


Act = Callable[[Crew, str], Awaitable[None]]


async def killed(crew: Crew, name: str) -> None:
    crew.kill(name)


async def stopped_too_long(crew: Crew, name: str) -> None:
    """A zombie: its partitions are given away while it sleeps."""
    crew.signal(name, signal.SIGSTOP)
    await asyncio.sleep(SESSION_SECONDS * random.Random(name).uniform(1.5, 2.0))
    crew.signal(name, signal.SIGCONT)


async def stopped_shortly(crew: Crew, name: str) -> None:
    crew.signal(name, signal.SIGSTOP)
    await asyncio.sleep(STALL_SECONDS * 0.6)
    crew.signal(name, signal.SIGCONT)


async def joined(crew: Crew, name: str) -> None:
    if "joiner" not in crew.processes:
        crew.start("joiner")


async def left(crew: Crew, name: str) -> None:
    if "joiner" in crew.processes:
        crew.leave("joiner")


ACTS: tuple[Act, ...] = (killed, stopped_too_long, stopped_shortly, joined, left)
