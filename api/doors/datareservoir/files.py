"""Uploaded files on disk: DATA/files/<tenant>/<file id>/. `sent` is what was put there last, `committed` what was committed: a rename
decides, and no later put changes it. Then come verdict.json, points.arrow, and for each series that shall have the points an order, until
it is carried out.

Before: routes.py streams the body. After: uploads.py validates and carries out, also after a restart: what is here says how far it is.
"""

import contextlib
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from api.doors.datareservoir.validation import Checked
from varve.clock import new_id
from varve.durable import sync, sync_directory, write_whole_synced
from varve.errors import Conflict, NotFound, TooLarge, Unavailable
from varve.events import ValueType

GATHERED_BYTES = 1 << 20  # written at once


@dataclass(frozen=True)
class Verdict:
    """refused: why the file is not taken; empty where it is."""

    rows: int
    first: int
    last: int
    kind: ValueType | None
    refused: str = ""

    @classmethod
    def of(cls, checked: Checked) -> "Verdict":
        return cls(checked.rows, checked.first, checked.last, checked.kind)


@dataclass(frozen=True)
class Order:
    """The file's points shall be the series'. refused: why they are not, where that was found out after it was accepted."""

    series: str
    new: bool
    recorded_time: int
    changed_by: str | None = None
    done: bool = False
    refused: str = ""


@dataclass(frozen=True)
class File:
    """One upload. Everything here blocks, and is short; the names that it makes are UUIDs, whatever a client says."""

    home: Path

    @property
    def tenant(self) -> uuid.UUID:
        return uuid.UUID(self.home.parent.name)

    @property
    def ident(self) -> uuid.UUID:
        return uuid.UUID(self.home.name)

    @property
    def committed(self) -> Path:
        return self.home / "committed"

    @property
    def points(self) -> Path:
        return self.home / "points.arrow"

    @property
    def words(self) -> Path:
        """The same where numbers are words, for series of text; others may want them as numbers at the same time."""
        return self.home / "words.arrow"

    def commit(self) -> None:
        """Once more is as well."""
        if self.is_committed():
            return
        try:
            (self.home / "sent").rename(self.committed)
        except FileNotFoundError:
            words = f"nothing was uploaded for file {self.ident}: put its lines to the address of files/upload"
            raise NotFound("file-unknown", words) from None
        sync_directory(self.home)

    def is_committed(self) -> bool:
        return self.committed.exists() or self.verdict() is not None

    def verdict(self) -> Verdict | None:
        found = _read(self.home / "verdict.json")
        return None if found is None else Verdict(**found)

    def judge(self, verdict: Verdict) -> None:
        _write(self.home / "verdict.json", asdict(verdict))
        if verdict.refused:
            self.forget_rows()

    def order(self, order: Order) -> Order:
        """The one that there is already, where there is one: asking again is not another."""
        found = self._order(order.series)
        if found is None:
            verdict = self.verdict()
            if verdict is not None and not verdict.refused and not self.committed.exists():
                raise Conflict("file-taken", f"the points of file {self.ident} were taken already: upload them again for another series")
            _write(self._path(order.series), asdict(order))
        return found or order

    def end(self, order: Order, refused: str = "") -> None:
        """What another server ended meanwhile stays as it is: it has taken the rows along."""
        if self.ended(order.series) is None:
            _write(self._path(order.series), asdict(replace(order, done=True, refused=refused)))

    def orders(self) -> list[Order]:
        return [Order(**found) for path in sorted(self.home.glob("order-*.json")) if (found := _read(path)) is not None]

    def ended(self, series: str) -> Order | None:
        found = self._order(series)
        return found if found is not None and found.done else None

    def pending(self) -> list[Order]:
        return [order for order in self.orders() if not order.done]

    def unfinished(self) -> bool:
        return (self.committed.exists() and self.verdict() is None) or bool(self.pending())

    def forget_rows(self) -> None:
        """And what a kill left half-written."""
        for path in (self.points, self.words, self.committed, self.home / "sent", *self.home.glob("*.arrow.*"), *self.home.glob("*.part")):
            path.unlink(missing_ok=True)

    def _order(self, series: str) -> Order | None:
        found = _read(self._path(series))
        return None if found is None else Order(**found)

    def _path(self, series: str) -> Path:
        return self.home / f"order-{uuid.UUID(series)}.json"


class Files:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def file(self, tenant: uuid.UUID, ident: uuid.UUID) -> File:
        return File(self._directory / str(tenant) / str(ident))

    def known(self, tenant: uuid.UUID, ident: uuid.UUID) -> File:
        found = self.file(tenant, ident)
        if not found.home.is_dir():
            raise NotFound("file-unknown", f"there is no uploaded file {ident} in this tenant: ask files/upload for one")
        return found

    def all(self) -> Iterator[File]:
        for home in sorted(self._directory.glob("*/*")):
            yield File(home)

    def sweep(self, before: float) -> None:
        """Those that nobody changed since (seconds since 1970) and nobody waits for; what was never committed too."""
        for file in self.all():
            with contextlib.suppress(OSError):  # another server of this directory sweeps too
                if file.home.stat().st_mtime < before and not file.unfinished():
                    shutil.rmtree(file.home, ignore_errors=True)


@dataclass
class Receiving:
    """Takes the body of a put; `into` what it becomes when it has come whole."""

    file: File
    bytes_max: int

    async def take(self, chunks: AsyncIterator[bytes], run: Any) -> int:
        """How many bytes came. run: of a blocking call in a thread."""
        await run(self._refuse_committed)
        draft = self.file.home / f"{new_id().hex}.part"
        try:
            size = await self._gather(chunks, await run(_opened, draft), run)
            await run(self._accept, draft)
        except OSError as error:
            raise Unavailable("upload-full", f"the upload could not be written: {error.strerror}; nothing of it is kept") from None
        finally:
            await run(draft.unlink, True)
        return size

    async def _gather(self, chunks: AsyncIterator[bytes], out: Any, run: Any) -> int:
        size, held = 0, bytearray()
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > self.bytes_max:
                    raise too_large(self.bytes_max)
                held += chunk
                if len(held) >= GATHERED_BYTES:
                    await run(out.write, bytes(held))
                    held.clear()
            await run(_closed, out, bytes(held))
        finally:
            out.close()
        return size

    def _accept(self, draft: Path) -> None:
        self._refuse_committed()
        draft.rename(self.file.home / "sent")

    def _refuse_committed(self) -> None:
        if self.file.is_committed():
            raise Conflict("file-committed", f"file {self.file.ident} is committed: what it holds stays; ask files/upload for another")


def too_large(bytes_max: int) -> TooLarge:
    return TooLarge("file-too-large", f"the file is over {bytes_max >> 20} MiB (VARVE_HTTP__FILE_MB_MAX): send it in parts")


def _opened(draft: Path) -> Any:
    draft.parent.mkdir(parents=True, exist_ok=True)
    return draft.open("xb")


def _closed(out: Any, rest: bytes) -> None:
    out.write(rest)
    sync(out)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found


def _write(path: Path, said: dict[str, Any]) -> None:
    write_whole_synced(path, orjson.dumps(said))
