"""The service as loading sees it, in memory: documents with the fold's conditions, cells that count their layers, keys that count once.

Before: loading_world.py steps whoever asks, one effect at a time. After: loading_checker.py looks at what is left. Guards say what a
mutant takes out.
"""

import io
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from streams.loading.chunks import Chunk
from streams.loading.moments import read_time
from streams.loading.runner import Runner, ServiceAway
from streams.loading.service import RUN, TURN, Changes, Condition, Document
from streams.loading.specs import Source
from streams.loading.tasks import FINISHED
from varve.errors import NotFound

if TYPE_CHECKING:
    from tests.simulation.loading_world import Loader, LoadingWorld

SECOND = 10**9
CHUNK_ROWS = 4


class Turn:
    """Here somebody else may go on, or this one may be killed."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass(frozen=True)
class Guards:
    """Without one of them something must go wrong."""

    if_absent: bool = True
    expected_version: bool = True
    keys: bool = True
    runner: type[Runner] = Runner


@dataclass
class MemoryService:
    """versions: of every document, as they came. layers: by series and valid_time, the values that were set."""

    world: "LoadingWorld"
    guards: Guards
    versions: list[Document] = field(default_factory=list)
    newest: dict[tuple[uuid.UUID, str, str], Document] = field(default_factory=dict)
    layers: dict[uuid.UUID, dict[int, list[float]]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    async def changes(self, since: str | None) -> Changes:
        await self._effect()
        start = int(since or 0)
        self.world.looked.add(self.world.minute())
        found = self.versions[start:] if since else list(self._current())
        return Changes(self.world.clock.now(), str(len(self.versions)), found)

    def _current(self) -> Iterator[Document]:
        turns: dict[str, Document] = {}
        for (_, kind, ident), one in self.newest.items():
            if kind == TURN:
                turns[ident.partition("/")[0]] = max(turns.get(ident.partition("/")[0], one), one, key=lambda turn: turn.id)
            elif kind != RUN or (one.body or {})["status"] not in FINISHED:
                yield one
        yield from turns.values()

    async def read(self, tenant: uuid.UUID, kind: str, ident: str) -> Document | None:
        await self._effect()
        return self.newest.get((tenant, kind, ident))

    async def under(self, tenant: uuid.UUID, kind: str, prefix: str) -> Sequence[Document]:
        await self._effect()
        return [one for (_, its, ident), one in self.newest.items() if its == kind and ident.startswith(prefix)]

    async def put(self, tenant: uuid.UUID, kind: str, ident: str, body: Mapping[str, Any], condition: Condition) -> int | None:
        await self._effect()
        before = self.newest.get((tenant, kind, ident))
        absent = condition.version is None
        held = (before is None or not self.guards.if_absent) if absent else (before is not None and before.version == condition.version)
        version = self.set(tenant, kind, ident, body) if held or not (absent or self.guards.expected_version) else None
        await self._effect()
        return version

    def set(self, tenant: uuid.UUID, kind: str, ident: str, body: Mapping[str, Any]) -> int:
        version = len(self.versions) + 1
        put = Document(tenant, kind, ident, version, self.world.clock.now(), dict(body))
        self.versions.append(put)
        self.newest[tenant, kind, ident] = put
        return version

    async def ends(self, tenant: uuid.UUID, series: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, int | None]:
        await self._effect()
        missing = [one for one in series if one not in self.layers]
        if missing:
            raise NotFound("series-unknown", f"there is no series {missing[0]}")
        return {one: max(self.layers[one], default=None) for one in series}

    async def append(self, tenant: uuid.UUID, rows: bytes, key: str) -> None:
        await self._effect()
        if key not in self.keys or not self.guards.keys:
            table = pa.ipc.open_stream(io.BytesIO(rows)).read_all()
            times = table.column("valid_time").cast(pa.int64()).to_pylist()
            for series, time, value in zip(table.column("series_id").to_pylist(), times, table.column("value").to_pylist(), strict=True):
                self.layers[uuid.UUID(series)].setdefault(time, []).append(value)
        self.keys.add(key)
        await self._effect()

    def opened(self, sealed: str) -> str:
        return sealed

    async def settled(self) -> None:
        await self._effect()

    async def _effect(self) -> None:
        await Turn()
        if self.world.away():
            raise ServiceAway("service-away", "the service is away for a while")


class MemorySources:
    """A reading a minute, told newest first, in chunks; what it holds grows every so often only. It tells some rows that are old."""

    def __init__(self, world: "LoadingWorld", loader: "Loader") -> None:
        self._world, self._loader = world, loader

    async def chunks(self, source: Source, url: str, wanted: Sequence[str]) -> AsyncIterator[Chunk]:
        await Turn()
        published = self._world.published()
        for mine in self._loader.runner.active.values():
            self._world.fetched.setdefault(str(mine.body["base"]), set()).add(published)
        since = read_time(url.partition("since=")[2])
        first = max(self._world.began, since - 120 * SECOND)
        times = np.arange(first - first % (60 * SECOND), published + 1, 60 * SECOND, dtype=np.int64)[::-1]
        for at in range(0, len(times), CHUNK_ROWS):
            some = times[at : at + CHUNK_ROWS]
            values = {name: pa.array(reading(some)) for name in wanted}
            yield Chunk(some, values, np.arange(at, at + len(some)), len(some))
            await Turn()


def reading(times: Any) -> Any:
    return times / (60.0 * SECOND)
