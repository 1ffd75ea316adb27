"""A whole server in one process over the log in memory: the real app, sink and chDB, the real shells of the fold and of the
route agent, but no broker and no Faust. For tests of the API that neither kill nor count. Run by the fixture of test_api.
"""

import asyncio
import sys
from collections.abc import Awaitable
from pathlib import Path

from api.assembly import assembled
from api.server import listen, serve_assembly
from sink.store import Store
from streams.dead_letters import Letter, write_letter
from streams.log_memory import MemoryLog
from streams.points import PointsRecord
from streams.progress import Beat, write_beat
from streams.route_state import RouteState
from streams.router import RouteShell
from streams.shell import FoldShell
from streams.state import PartitionState
from streams.topics import RECORD_BYTES_MAX, Topics
from varve.clock import SystemClock
from varve.settings import AccessSettings, HttpSettings, Settings

ORIGINS = "https://other.example, https://trusted.example:8443"


async def forget(_key: bytes, _value: bytes) -> None:
    """State is not kept: the log in memory goes with the process."""


async def fold(log: MemoryLog, topics: Topics, partition: int) -> None:
    def emit(points: PointsRecord) -> Awaitable[object]:
        return asyncio.ensure_future(log.append(topics.points, partition, points.value, headers=points.headers))

    def refuse(letter: Letter) -> Awaitable[object]:
        return write_letter(log, topics, letter)

    shell = FoldShell(PartitionState(partition), emit, forget, refuse)
    reader = log.reader(topics.events, {partition: 0})
    while True:
        for record in await reader.poll(1.0):
            await shell.step(record)
        await shell.flush()


async def route(log: MemoryLog, topics: Topics, partition: int) -> None:
    shell = RouteShell(
        RouteState(partition),
        topics.partitions,
        RECORD_BYTES_MAX,
        lambda part, value, headers: log.append(topics.events, part, value, headers=headers),
        lambda receipt: log.append(topics.receipts, 0, receipt.encode()[1], key=receipt.encode()[0]),
        forget,
        lambda letter: write_letter(log, topics, letter),
    )
    reader = log.reader(topics.intake, {partition: 0})
    while True:
        for record in await reader.poll(1.0):
            await shell.step(record)
        await shell.flush()


async def beat(log: MemoryLog, topics: Topics) -> None:
    while True:
        now = SystemClock().now()
        await write_beat(log, topics, Beat("memory", "ready", tuple(range(topics.partitions)), now))
        await asyncio.sleep(2.0)


async def main(directory: Path, *, access: bool, public: str) -> None:
    http = HttpSettings(port=0, body_mb_max=8, file_mb_max=16, record_mb_max=1, page_rows_max=10_000, wait_seconds_max=10, origins=ORIGINS)
    settings = Settings(data=directory, http=http, access=AccessSettings(enabled=access, public_url=public))
    clock, topics = SystemClock(), Topics("varve", 4)
    log = MemoryLog(topics.all(), clock, "5" * 32)
    store = Store.open(settings)
    store.migrate()
    listening = listen(settings)
    async with assembled(settings, clock, log, topics, store, with_sink=True) as assembly:
        for partition in range(topics.partitions):
            assembly.tasks[f"fold-{partition}"] = fold(log, topics, partition)
            assembly.tasks[f"route-{partition}"] = route(log, topics, partition)
        assembly.tasks["beat"] = beat(log, topics)
        await serve_assembly(settings, assembly, listening)
    store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), access="--access" in sys.argv, public=sys.argv[-1] if "--public" in sys.argv else ""))
