"""The log as files that anybody can read, and back: Parquet, zstd, one row a record, with a manifest of checksums (I1).

Before: `varve backup` of a running log, again and again: only what came since is written. After: `varve restore` into an empty one.
Offsets stay what they were, so positions and versions do; the log's id, and with it every token, is a new one.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from streams.log import STORED, Headers, Log, LogRecord
from streams.read_whole import read_between
from streams.together import together
from streams.topics import Topics
from varve.errors import Conflict, Fault, Incorrect

FORMAT = 1
MANIFEST = "varve-backup.json"
FILE_BYTES_MAX, FILE_RECORDS_MAX = 32 * 1024 * 1024, 50_000
APPENDED_AT_ONCE = 16
AT_ONCE = 3  # partitions
FORMER = 1_000_000  # added to an intake partition's number: positions of the former intake guard nothing in the new one (I3)
_RECORDS_AT_ONCE = 200
_SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("stored", pa.timestamp("ns", "UTC")),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("headers", pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))),
    ]
)
Told = Callable[[int], None]  # so many records more


@dataclass(frozen=True)
class BackupFile:
    """until: the offset after its last record."""

    name: str
    topic: str  # events or dead-letters
    partition: int
    first: int
    until: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    log_id: str
    partitions: int
    files: tuple[BackupFile, ...] = ()

    def until(self, topic: str, partition: int) -> int:
        return max((one.until for one in self.files if (one.topic, one.partition) == (topic, partition)), default=0)

    @property
    def records(self) -> int:
        return sum(one.until - one.first for one in self.files)


def read_manifest(directory: Path) -> Manifest | None:
    """None where there is none; Incorrect where it is another program's or a later version's."""
    file = directory / MANIFEST
    if not file.exists():
        return None
    try:
        told = json.loads(file.read_text())
        assert told["format"] == FORMAT
        return Manifest(told["log_id"], told["partitions"], tuple(BackupFile(**one) for one in told["files"]))
    except (AssertionError, KeyError, TypeError, ValueError) as reason:
        raise Incorrect("backup-unread", f"{file} is not of format {FORMAT} ({reason}): was it written by another version?") from None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Whole or not at all."""
    draft = directory / f"{MANIFEST}.new"
    draft.write_text(json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1) + "\n")
    draft.replace(directory / MANIFEST)


async def plan_backup(log: Log, topics: Topics, directory: Path) -> tuple[Manifest, dict[tuple[str, int], int]]:
    """What is there already, and how far each topic's partitions go now."""
    manifest = read_manifest(directory) or Manifest(log.log_id, topics.partitions)
    if manifest.log_id != log.log_id:
        words = f"{directory} holds a backup of log {manifest.log_id}, this is {log.log_id}: choose another directory"
        raise Conflict("backup-of-another-log", words)
    for one in manifest.files:
        if not (directory / one.name).exists():
            raise Fault("backup-damaged", f"{directory / one.name} is missing: take it from another copy, or begin in an empty directory")
    ends = {(topic, partition): end for topic in _names(topics) for partition, end in (await log.ends(_names(topics)[topic])).items()}
    for partition, start in (await log.starts(topics.events)).items():
        if start > manifest.until("events", partition):
            words = f"{topics.events} partition {partition} starts at {start}: its first records are gone, and no backup can hold them"
            raise Fault("log-lost-head", words)
    return manifest, ends


async def back_up(log: Log, topics: Topics, directory: Path, told: Told) -> Manifest:
    """Everything up to the ends of now. Each file is in the manifest once it is whole: cut short, the next run goes on."""
    manifest, ends = await plan_backup(log, topics, directory)

    async def partition_of(topic: str, partition: int) -> None:
        nonlocal manifest
        first, end = manifest.until(topic, partition), ends[topic, partition]
        async for records in _chunks(log, _names(topics)[topic], partition, first, end):
            file = await asyncio.to_thread(_written, directory, topic, partition, records)
            manifest = replace(manifest, files=(*manifest.files, file))
            write_manifest(directory, manifest)
            told(len(records))

    await _together(partition_of, ends)
    return manifest


def check_files(directory: Path, manifest: Manifest) -> None:
    """Before anything is restored."""
    for fault in faults(directory, manifest):
        raise Fault("backup-damaged", fault)


def faults(directory: Path, manifest: Manifest, told: Told = lambda _records: None) -> Iterator[str]:
    """Every file is there, as it was written, and none is missing in between; else which is not, in words."""
    reached: dict[tuple[str, int], int] = {}
    for one in manifest.files:
        place = directory / one.name
        if not place.exists() or _sha256(place) != one.sha256:
            yield f"{place} {'is damaged' if place.exists() else 'is missing'}: restore it from another copy"
        if one.first != reached.setdefault((one.topic, one.partition), 0):
            yield f"{directory}: records of {one.topic} partition {one.partition} before {one.first} are missing"
        reached[one.topic, one.partition] = one.until
        told(one.until - one.first)


async def restore(log: Log, topics: Topics, directory: Path, manifest: Manifest, told: Told) -> None:
    """Into a log that holds no event yet."""
    held = sum((await log.ends(topics.events)).values())
    if held:
        raise Conflict("log-not-empty", f"this log holds {held} event record(s) already: restore into an empty data directory or prefix")
    if manifest.partitions != topics.partitions:
        words = f"the backup has {manifest.partitions} partitions and this log {topics.partitions}: VARVE_LOG__PARTITIONS says how many"
        raise Conflict("partition-count-differs", words)

    async def partition_of(topic: str, partition: int) -> None:
        for one in manifest.files:
            if (one.topic, one.partition) == (topic, partition):
                for records in _read(directory, one):
                    await _append(log, _names(topics)[topic], one, records)
                    told(len(records))

    await _together(partition_of, {(one.topic, one.partition) for one in manifest.files})


async def _together(work: Callable[[str, int], Awaitable[None]], partitions: Iterable[tuple[str, int]]) -> None:
    """A few partitions at once: broker, codec and disk else wait for each other."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(topic: str, partition: int) -> None:
        async with room:
            await work(topic, partition)

    await together(one(topic, partition) for topic, partition in sorted(partitions))


def _names(topics: Topics) -> dict[str, str]:
    return {"events": topics.events, "dead-letters": topics.dead_letters}


async def _chunks(log: Log, topic: str, partition: int, first: int, end: int) -> AsyncIterator[list[LogRecord]]:
    """Records of [first, end), as many at once as one file holds."""
    held, size = list[LogRecord](), 0
    async for batch in read_between(log, topic, {partition: first}, {partition: end}, _RECORDS_AT_ONCE):
        for record in batch:
            size += len(record.value)
            held.append(record)
        if size >= FILE_BYTES_MAX or len(held) >= FILE_RECORDS_MAX:
            yield held
            held, size = [], 0
    if held:
        yield held


def _written(directory: Path, topic: str, partition: int, records: Sequence[LogRecord]) -> BackupFile:
    first, until = records[0].offset, records[-1].offset + 1
    name = f"{topic}-{partition:03d}-{first:012d}.parquet"
    columns = {
        "offset": [record.offset for record in records],
        "stored": [record.stored for record in records],
        "key": [record.key for record in records],
        "value": [record.value for record in records],
        "headers": [[{"name": name, "value": value} for name, value in record.headers] for record in records],
    }
    draft = directory / f"{name}.new"
    pq.write_table(pa.table(columns, _SCHEMA), draft, compression="zstd")
    draft.replace(directory / name)
    return BackupFile(name, topic, partition, first, until, _sha256(directory / name))


def _read(directory: Path, file: BackupFile) -> Iterator[list[Mapping[str, object]]]:
    with pq.ParquetFile(directory / file.name) as source:
        for batch in source.iter_batches(batch_size=APPENDED_AT_ONCE):
            stored = batch.column("stored").cast(pa.int64())
            yield batch.set_column(batch.schema.get_field_index("stored"), "stored", stored).to_pylist()


async def _append(log: Log, topic: str, file: BackupFile, records: Sequence[Mapping[str, object]]) -> None:
    made = [_restored(file.topic, one) for one in records]
    appended = await asyncio.gather(*(log.append(topic, file.partition, value, key=key, headers=headers) for key, value, headers in made))
    for one, there in zip(records, appended, strict=True):
        if there.offset != one["offset"] and file.topic == "events":
            words = f"{topic} partition {file.partition}: record {one['offset']} came to stand at {there.offset}: others write there"
            raise Fault("restore-shifted", words)


def _restored(topic: str, one: Mapping[str, object]) -> tuple[bytes | None, bytes, Headers]:
    """Its bytes are what they were. When it was stored is told beside them: the new log's clock would say another time (I4)."""
    key, value, stored = one["key"], one["value"], one["stored"]
    assert isinstance(value, bytes)
    assert isinstance(stored, int)
    assert key is None or isinstance(key, bytes)
    given = one["headers"]
    assert isinstance(given, list)
    headers: Headers = tuple((str(pair["name"]), bytes(pair["value"])) for pair in given if pair["name"] != STORED)
    if topic != "events":
        return key, value, headers
    former = ((name, _former(word) if name == "intake" else word) for name, word in headers)
    return key, value, (*former, (STORED, b"%d" % stored))


def _former(position: bytes) -> bytes:
    partition, _, offset = position.partition(b"-")
    return b"%d-%s" % (int(partition) + FORMER, offset) if partition.isdigit() else position


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
