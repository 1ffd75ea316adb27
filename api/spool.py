"""Uploads larger than one record: written whole to DATA/spool/<event id>/, accepted by a manifest that is written last,
then appended piece by piece; each file goes when its piece is on the log. What was accepted is finished after a restart.

Before: the writer validated the whole upload. After: varve.events. I12: acknowledged when every piece is acknowledged.
"""

import asyncio
import json
import logging
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from api.cut import Piece, piece_record
from api.lanes import HEADERS
from api.outcomes import Outcomes
from streams.log import Log
from streams.topics import RECORD_BYTES_MAX
from varve import codec
from varve.codec import event_key
from varve.durable import sync_directory, write_synced, write_whole_synced
from varve.errors import TooLarge, Unavailable, VarveError
from varve.record import Record

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Entry:
    """A piece as the manifest names it; tenant and event_id are those of its first event."""

    file: str
    partition: int
    tenant: str
    event_id: str


class Spool:
    def __init__(self, directory: Path, source: Log, topic: str, heard: Callable[[int], None], seconds_max: float) -> None:
        self._directory, self._log, self._topic, self._heard, self._seconds_max = directory, source, topic, heard, seconds_max
        self._running: dict[str, asyncio.Task[dict[int, int]]] = {}
        self.recovering = False

    async def put(self, record: Record, event_id: str, pieces: list[Piece]) -> dict[int, int]:
        """Last offset per partition. An upload whose key is under way joins it; it goes on although the caller stops waiting."""
        task = self._running.get(event_id)
        if task is None:
            task = asyncio.create_task(self._accept_and_append(record, event_id, pieces))
            self._running[event_id] = task
            task.add_done_callback(lambda done: self._ended(event_id, done))
        done, _ = await asyncio.wait({task}, timeout=max(self._seconds_max, len(pieces) * 1.0))
        if not done:
            raise Unavailable(
                "upload-late", "the upload is accepted and will be finished; repeat it with the same Idempotency-Key to learn more"
            )
        return task.result()

    def accepted(self) -> list[str]:
        """Event ids of uploads that a former process accepted and did not finish; what it did not accept is swept away."""
        if not self._directory.is_dir():
            return []
        for left in self._directory.iterdir():
            if not (left / "manifest.json").is_file():
                shutil.rmtree(left, ignore_errors=True)
        return sorted(left.name for left in self._directory.iterdir())

    def entries(self, event_id: str) -> list[Entry]:
        """The pieces that may not be on the log yet."""
        home = self._directory / event_id
        found = [Entry(**row) for row in json.loads((home / "manifest.json").read_text())]
        return [entry for entry in found if (home / entry.file).exists()]

    async def finish(self, event_id: str, outcomes: Outcomes) -> None:
        """Append what a former process left; a piece whose outcome is known is on the log already."""
        entries = self.entries(event_id)
        found = await outcomes.of((uuid.UUID(entry.tenant), entry.event_id) for entry in entries)
        applied = {row.key for row in found if row.status == "applied"}
        missing = [entry for entry in entries if event_key(uuid.UUID(entry.tenant), entry.event_id) not in applied]
        await self._append_all(event_id, missing)

    async def settle(self) -> None:
        """At the end: what is under way and accepted is left for the next process."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _ended(self, event_id: str, done: "asyncio.Task[dict[int, int]]") -> None:
        self._running.pop(event_id, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("spool %s: %s", event_id, error)

    async def _accept_and_append(self, record: Record, event_id: str, pieces: list[Piece]) -> dict[int, int]:
        entries = await asyncio.to_thread(self._accept, record, event_id, pieces)
        return await self._append_all(event_id, entries)

    def _accept(self, record: Record, event_id: str, pieces: list[Piece]) -> list[Entry]:
        home = self._directory / event_id
        shutil.rmtree(home, ignore_errors=True)
        try:
            home.mkdir(parents=True)
            entries = []
            for number, piece in enumerate(pieces):
                name = f"{number:05d}.arrow"
                cut = piece_record(record, piece, event_id)
                value = codec.encode(cut)
                if len(value) > RECORD_BYTES_MAX:  # else it would be tried for ever
                    raise TooLarge("record-too-large", f"a value or document of some {len(value) >> 20} MiB is over what one record holds")
                write_synced(home / name, value)
                entries.append(Entry(name, piece.partition, str(cut.events[0].tenant), str(cut.events[0].event_id)))
            write_whole_synced(home / "manifest.json", json.dumps([vars(entry) for entry in entries]).encode())
            sync_directory(self._directory)
        except TooLarge:
            shutil.rmtree(home, ignore_errors=True)
            raise
        except OSError as error:
            shutil.rmtree(home, ignore_errors=True)
            raise Unavailable(
                "spool-full", f"the upload could not be spooled to {home}: {error.strerror}; nothing of it is stored"
            ) from None
        return entries

    async def _append_all(self, event_id: str, entries: list[Entry]) -> dict[int, int]:
        lanes: dict[int, list[Entry]] = {}
        for entry in entries:
            lanes.setdefault(entry.partition, []).append(entry)
        home = self._directory / event_id
        offsets = await asyncio.gather(*(self._append_lane(home, lane) for lane in lanes.values()))
        await asyncio.to_thread(shutil.rmtree, home, True)
        return dict(zip(lanes, offsets, strict=True))

    async def _append_lane(self, home: Path, entries: list[Entry]) -> int:
        """One after the other: rows of one cell keep their order."""
        offset = -1
        for entry in entries:
            offset = await self._append_one(home / entry.file, entry.partition)
        return offset

    async def _append_one(self, path: Path, partition: int) -> int:
        """Until the broker takes it: the upload was accepted. A piece appended twice is applied once (its event id)."""
        value = await asyncio.to_thread(path.read_bytes)
        while True:
            try:
                appended = await self._log.append(self._topic, partition, value, headers=HEADERS)
                break
            except VarveError as error:
                log.warning("spool %s: %s; trying again", path, error.message)
                await asyncio.sleep(RETRY_SECONDS)
        self._heard(appended.timestamp)
        await asyncio.to_thread(path.unlink, True)
        return appended.offset
