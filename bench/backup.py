"""The lines of back-up and restore: the log into files, and a log made of them, beside what the files cost without a broker.

Before: points over HTTP. After: what `varve backup` and `varve restore` run, without the start of a process or broker. A megabyte is one of
the records' values, as they stand on the log. Restored, the log holds the same records.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pyarrow.parquet as pq

from bench.floor_log import produce
from bench.made import Shape
from bench.reads import server_with
from bench.rig import Rig, timed
from bench.row import Floor, Row, Wrong
from streams.backup import AT_ONCE, Manifest, back_up, check_files, read_manifest
from streams.backup import restore as restored
from streams.log_kafka import KafkaLog
from varve.clock import SystemClock
from varve.offline import offline, run_with_log, running_or_offline
from varve.settings import LogSettings, Settings

MB = 1_000_000
CLOCK = SystemClock()


def backup(rig: Rig) -> list[Row]:
    """20 M points of 100 series into files, checked, and into a new log."""
    shape = Shape(100 if rig.scale > 0.01 else 10, rig.scaled(200_000, 1_000))
    server = server_with(rig, shape)
    files = rig.directory / f"backup-{server.tenant}"
    files.mkdir()
    rig.say("varve backup")
    with running_or_offline(Settings(data=server.data)) as reached:
        out = _seconds(reached, lambda log: back_up(log, log.topics, files, lambda _records: None))
    manifest = read_manifest(files)
    if manifest is None:
        raise Wrong("the back-up has no manifest")
    size = values_bytes(files) / MB
    checked, _ = timed(lambda: check_files(files, manifest))
    floors = rig.floor("parquet", "floor_backup", files=str(files))
    back, sent = _restore(rig, files, manifest)
    what = f"backup of {manifest.records:,} records, {size:,.0f} MB, {shape.rows:,} points"
    return [
        Row(what, size / out, "MB/s", floor=Floor("Parquet and SHA-256 alone, from memory", size / floors["write"])),
        Row("— every checksum of it", size / checked, "MB/s"),
        Row("— restored into a new log", size / back, "MB/s", floor=Floor("raw aiokafka to the same broker, after it", size / sent)),
        Row("— of which Parquet and SHA-256", size / floors["read"], "MB/s"),
    ]


def values_bytes(files: Path) -> int:
    """Of every record's value in the files."""
    return sum(pq.read_table(file, columns=["value"]).column("value").nbytes for file in files.glob("*.parquet"))


def _restore(rig: Rig, files: Path, manifest: Manifest) -> tuple[float, float]:
    """Seconds of it, and of the values alone."""
    rig.say("varve restore")
    settings = Settings(data=rig.directory / f"restored-{files.name}", log=LogSettings(partitions=manifest.partitions))
    with offline(settings) as reached:
        seconds = _seconds(reached, lambda log: restored(log, log.topics, files, manifest, lambda _records: None))
        run_with_log(reached, lambda log: _same(log, manifest))
        rig.say("floor: produce")
        values = [value.as_py() for file in files.glob("events-*.parquet") for value in pq.read_table(file).column("value")]
        sent, _ = produce(reached.log.brokers, values, AT_ONCE)
    return seconds, sent


async def _same(log: KafkaLog, manifest: Manifest) -> None:
    ends = await log.ends(log.topics.events)
    wanted = {partition: manifest.until("events", partition) for partition in ends}
    if ends != wanted:
        raise Wrong(f"the restored log ends at {ends}, the back-up at {wanted}")


def _seconds(settings: Settings, work: Callable[[KafkaLog], Awaitable[object]]) -> float:
    async def measured(log: KafkaLog) -> float:
        start = CLOCK.monotonic()
        await work(log)
        return CLOCK.monotonic() - start

    return run_with_log(settings, measured)
