"""`varve backup` and `varve restore`: the log as Parquet files, and a new log made of them.

Before: a person with a running Varve, or with an empty place for one. After: streams/backup.py; the views are built by whoever
folds the new log.
"""

from collections.abc import Callable
from pathlib import Path

from streams.backup import Manifest, back_up, check_files, faults, plan_backup, read_manifest, restore
from streams.log_kafka import KafkaLog
from varve.client_progress import transfer
from varve.errors import Conflict, Incorrect, NotFound, Unavailable
from varve.offline import offline, refuse_without_log, run_with_log, running_or_offline
from varve.running import found_running
from varve.settings import Settings

Say = Callable[[str], None]


def run_backup(settings: Settings, directory: Path, say: Say) -> None:
    """What is there already is not written again."""
    refuse_without_log(settings)
    if directory.resolve().is_relative_to(settings.data.resolve()):
        words = f"{directory} lies in the data directory {settings.data}, and would be lost with it: name a place on another disk"
        raise Incorrect("backup-inside", words)
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
        run_with_log(reached, work)


def run_check(directory: Path, say: Say) -> bool:
    """Whether every file is as it was written; each that is not is told."""
    manifest = _manifest(directory)
    with transfer("checking", manifest.records, words="records") as told:
        found = list(faults(directory, manifest, told))
    for fault in found:
        say(fault)
    words = f"{manifest.records} record(s) of log {manifest.log_id} in {len(manifest.files)} file(s) under {directory}"
    say(f"{words}: {f'{len(found)} thing(s) are wrong' if found else 'each file is as it was written'}")
    return not found


def run_restore(settings: Settings, directory: Path, say: Say) -> None:
    """Into a data directory without a log, or an empty log on a broker."""
    manifest = _manifest(directory)
    if not settings.log.brokers and found_running(settings.data) is not None:
        words = f"a Varve runs on {settings.data}, which holds a log already: name another directory with --data, one that has none"
        raise Conflict("log-not-empty", words)
    check_files(directory, manifest)
    settings = settings.model_copy(update={"log": settings.log.model_copy(update={"partitions": manifest.partitions})})

    async def work(log: KafkaLog) -> None:
        with transfer("restoring", manifest.records, words="records") as told:
            await restore(log, log.topics, directory, manifest, told)
        say(f"{manifest.records} record(s) restored into log {log.log_id} (they came from {manifest.log_id})")
        say(f"`varve up --data {settings.data}` builds every view from them; tokens given out before belong to the former log")

    with offline(settings) as reached:
        run_with_log(reached, work)


def _manifest(directory: Path) -> Manifest:
    manifest = read_manifest(directory)
    if manifest is None:
        raise NotFound("no-backup", f"{directory} holds no backup: `varve backup {directory}` writes one")
    return manifest
