"""A sink in a process of its own over a real broker: stores, tells its progress, stops at SIGTERM, goes on where it was."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sink.consumer import follow_progress
from sink.queries.flat import FLAT
from sink.queries.layers import View
from sink.queries.selection import Selection
from sink.store import Store
from sink.watermark import Watermarks
from streams.log_kafka import open_log
from streams.points import Folded, encode_points
from streams.topics import Topics
from tests.integration.test_sink import layer
from tests.store_rows import layers_table, rows_of
from varve.clock import new_id
from varve.position import version_of
from varve.series import partition_of
from varve.settings import LogSettings, Settings, StoreSettings, environment_of

SECONDS_MAX = 60.0


def start_sink(settings: Settings) -> "subprocess.Popen[bytes]":
    program = "from sink.consumer import run_sink; from varve.settings import Settings; run_sink(Settings())"
    return subprocess.Popen([sys.executable, "-c", program], env=environment_of(settings))


@pytest.mark.slow
def test_a_sink_process_stores_what_is_on_the_broker_and_goes_on_after_a_stop_and_a_kill(broker: str, tmp_path: Path) -> None:
    prefix = f"t{new_id().hex}"
    settings = Settings(
        data=tmp_path,
        log=LogSettings(brokers=broker, prefix=prefix, partitions=2),
        store=StoreSettings(dsn=f"chdb://{tmp_path / 'store'}"),
    )
    tenant = new_id()
    series = next(ident for ident in iter(new_id, None) if partition_of(ident, 2) == 0)

    async def write(offset: int) -> None:
        topics = Topics(prefix, 2)
        log = await open_log(broker, topics, 1)
        marks = Watermarks(2)
        following = asyncio.create_task(follow_progress(log, topics, marks))
        await log.append(topics.events, 0, b"{}")
        rows = layers_table([layer(tenant, series, 0, version_of(offset), offset, float(offset))])
        for record in encode_points(Folded(offset, {"layers": rows})):
            await log.append(topics.points, 0, record.value, headers=record.headers)
        assert await marks.reached({0: offset}, SECONDS_MAX)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await log.close()

    for offset, last_word in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)):
        process = start_sink(settings)
        try:
            asyncio.run(write(offset))
            os.kill(process.pid, last_word)
            assert process.wait(SECONDS_MAX) == (0 if last_word == signal.SIGTERM else -signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
    store = Store.open(settings)
    try:
        rows = rows_of(store.arrow(FLAT.query(Selection(tenant, (9, 9), (series,)), View())))
    finally:
        store.close()
    assert [(row["valid_time"], row["value"]) for row in rows] == [(0, 0.0), (1, 1.0), (2, 2.0)]
