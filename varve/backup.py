"""`varve backup` and `varve restore`: the log as Parquet files, and a new log made of them.

Before: a person with a running Varve, or with an empty place for one. After: streams/backup.py; the views are built by whoever
folds the new log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from streams.backup import back_up, check_files, plan_backup, read_manifest, restore
from streams.log_kafka import KafkaLog, open_log
from streams.topics import Topics
from varve.client_progress import transfer
from varve.errors import NotFound, Unavailable
from varve.offline import offline, running_or_offline
from varve.settings import Settings

Say = Callable[[str], None]
T = TypeVar("T")


def run_backup(settings: Settings, directory: Path, say: Say) -> None:
    """What is there already is not written again."""
    if not settings.log.brokers and not (settings.data / "broker" / "log").is_dir():
        raise NotFound("no-log", f"{settings.data} holds no log: name the data directory with --data, or a broker in VARVE_LOG__BROKERS")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise Unavailable("directory-not-writable", f"cannot write to {directory}: {reason.strerror}") from None

    async def work(log: KafkaLog) -> None:
        before, ends = await plan_backup(log, log.topics, directory)
        with transfer("backing up", sum(ends.values()) - before.records, words="records") as told:
            after = await back_up(log, log.topics, directory, told)
        new = after.records - before.records
        say(f"{new} record(s) written, {after.records} in all, in {len(after.files)} file(s) under {directory}")

    with running_or_offline(settings) as reached:
        _with_log(reached, work)


def run_restore(settings: Settings, directory: Path, say: Say) -> None:
    """Into a data directory without a log, or an empty log on a broker."""
    manifest = read_manifest(directory)
    if manifest is None:
        raise NotFound("no-backup", f"{directory} holds no backup: `varve backup {directory}` writes one")
    check_files(directory, manifest)
    settings = settings.model_copy(update={"log": settings.log.model_copy(update={"partitions": manifest.partitions})})

    async def work(log: KafkaLog) -> None:
        with transfer("restoring", manifest.records, words="records") as told:
            await restore(log, log.topics, directory, manifest, told)
        say(f"{manifest.records} record(s) restored into log {log.log_id} (they came from {manifest.log_id})")
        say(f"`varve up --data {settings.data}` builds every view from them; tokens given out before belong to the former log")

    with offline(settings) as reached:
        _with_log(reached, work)


def _with_log(settings: Settings, work: Callable[[KafkaLog], Awaitable[T]]) -> T:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what ails the broker is said in our own words

    async def opened() -> T:
        log = await open_log(settings.log.brokers, Topics(settings.log.prefix, settings.log.partitions), settings.log.replication)
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(opened())
