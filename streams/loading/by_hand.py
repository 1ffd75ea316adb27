"""A file that a person has, chunk by chunk into a running Varve: what came in, what was empty, what was rejected and why.

Before: varve/cli_load.py. After: reading.py parses while chunks before are sent, over HTTP. Each chunk has a key derived from the
file's bytes, how they are read and its number: a load that is run again counts once (I3).
"""

import hashlib
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from streams.loading.chunks import Chunk, Rejected, points_of
from streams.loading.reading import read
from streams.loading.specs import Source
from varve.errors import NotFound, VarveError
from varve.instants import format_instant
from varve.series_files import digest_of

if TYPE_CHECKING:  # the page uses this room, in a server that has no need of a client
    from varve.client_http import Line
    from varve.client_progress import Advance

LISTED_MAX = 1_000
AT_ONCE = 4  # chunks on their way: while the outcome of one is waited for, others are folded and stored
_SAMPLE_BYTES = 1 << 20


class Flying:
    """Chunks that are being sent: several at once, but none beside another that has its times, since of two rows for one time the later in
    the file must be the later on the log."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, int, Future[None]]] = deque()

    def make_way(self, chunk: Chunk) -> None:
        first, last = _span(chunk)
        while self._sent and (len(self._sent) >= AT_ONCE or any(first <= b and a <= last for a, b, _ in self._sent)):
            self._sent.popleft()[2].result()

    def add(self, chunk: Chunk, sent: "Future[None]") -> None:
        self._sent.append((*_span(chunk), sent))

    def land(self) -> None:
        while self._sent:
            self._sent.popleft()[2].result()


@dataclass
class Loaded:
    """rows: of the source. values: by source identifier, those that came in. first, last: times, UTC ns. rejected: the first of
    rejected_count. repeated: of the requests, those that an earlier load of the same file had made."""

    rows: int = 0
    values: dict[str, int] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    rejected_count: int = 0
    assumed_utc: int = 0
    first: int | None = None
    last: int | None = None
    requests: int = 0
    repeated: int = 0

    def add(self, chunk: Chunk) -> None:
        self.rows += chunk.rows_read
        for name, column in chunk.values.items():
            self.values[name] = self.values.get(name, 0) + len(column) - column.null_count
        self.rejected += chunk.rejected[: LISTED_MAX - len(self.rejected)]
        self.rejected_count += chunk.rejected_count
        self.assumed_utc += chunk.assumed_utc
        if len(chunk.valid_time):
            first, last = _span(chunk)
            self.first = first if self.first is None else min(first, self.first)
            self.last = last if self.last is None else max(last, self.last)

    def span(self) -> str:
        """So that who reads it sees a day taken for a month, or another zone."""
        if self.first is None or self.last is None:
            return ""
        return f"times from {format_instant(self.first)} to {format_instant(self.last)}"

    def before(self) -> str:
        """That some of it, or all, had been loaded already: it counts once, and overwrites nothing that was written since."""
        if not self.repeated:
            return ""
        of = "all" if self.repeated == self.requests else f"{self.repeated} of {self.requests} parts"
        return f"{of} of it had been loaded before, from the same file: it counts once, and what was written since stays"

    @property
    def values_all(self) -> int:
        return sum(self.values.values())


def load(
    line: "Line | None", path: Path, source: Source, series: Mapping[str, str | uuid.UUID], changed_by: str | None, advance: "Advance"
) -> Loaded:
    """line None: the file is looked at, and nothing is sent."""
    if not path.is_file():
        raise NotFound("file-missing", f"{path}: there is no such file")
    said = source.model_dump_json(exclude={"url", "header_value"}), sorted((name, str(one)) for name, one in series.items()), changed_by
    digest = hashlib.sha256(repr((digest_of(path), said)).encode()).hexdigest()[:40]
    done = Loaded()
    with ThreadPoolExecutor(AT_ONCE) as senders:
        flying = Flying()
        try:
            for number, (chunk, tables) in enumerate(_prepared(path, source, series)):
                if line is not None:
                    flying.make_way(chunk)
                    flying.add(chunk, senders.submit(_send, line, tables, changed_by, f"load-{digest}-{number}", chunk, number))
                done.add(chunk)
                done.requests += len(tables)
                advance(chunk.rows_read)
            flying.land()
        except VarveError as refusal:
            senders.shutdown(cancel_futures=True)
            raise refusal.reworded(f"{path}: {refusal.message}") from None
    if line is not None:
        line.wait_for()
        done.repeated = line.repeated
    return done


def rows_about(path: Path) -> int | None:
    """By the lines of its beginning."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
    lines = head.count(b"\n")
    return round(path.stat().st_size / len(head) * lines) if lines else None


def _prepared(path: Path, source: Source, series: Mapping[str, str | uuid.UUID]) -> Iterator[tuple[Chunk, list[pa.Table]]]:
    for chunk in read(path, source, list(series)):
        yield chunk, points_of(chunk, series)


def _send(line: "Line", tables: list[pa.Table], changed_by: str | None, key: str, chunk: Chunk, number: int) -> None:
    for part, table in enumerate(tables):
        try:
            line.write("POST", "/api/v1/points", table, {"wait": "log", "changed_by": changed_by}, f"{key}-{part}")
        except VarveError as refusal:
            first, last = chunk.lines[0], chunk.lines[-1]
            words = f"{refusal.message}\n" + (f"line {first} is not loaded" if first == last else f"lines {first} to {last} are not loaded")
            words += "; those before are, of those after some may be" if number else ""
            raise refusal.reworded(words) from None


def _span(chunk: Chunk) -> tuple[int, int]:
    """Its first and last time; of none, one that nothing else has."""
    return (int(chunk.valid_time.min()), int(chunk.valid_time.max())) if len(chunk.valid_time) else (1, 0)
