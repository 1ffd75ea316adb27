"""What loading asks of the service whose client it is: documents under conditions, what came since, ends of series, rows appended.

Before: scheduler.py and runner.py ask. After: service_http.py, which speaks HTTP to the API; in tests a service in memory. Unavailable
means that nobody knows whether it was done: asking again does it once.
"""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from streams.loading.chunks import Chunk
    from streams.loading.specs import Source

_NOUNS = ("data-connection", "ingestion-task", "task-run", "task-turn", "load-notice")
CONNECTION, TASK, RUN, TURN, NOTICE = (f"hydroserver-{noun}" for noun in _NOUNS)  # as their door calls them
KINDS = (CONNECTION, TASK, RUN, TURN)


@dataclass(frozen=True)
class Document:
    """body None: it was deleted. recorded: when this version was accepted, UTC ns."""

    tenant: uuid.UUID
    kind: str
    id: str
    version: int
    recorded: int
    body: Mapping[str, Any] | None


@dataclass(frozen=True)
class Changes:
    """now: the service's clock, by which `recorded` was told. watermark: where the next look begins."""

    now: int
    watermark: str
    documents: Sequence[Document] = ()


@dataclass(frozen=True)
class Condition:
    """version None: there must be none."""

    version: int | None = None


ABSENT = Condition()


@dataclass(frozen=True)
class Wake:
    """Says that a run has its turn. A copy does no harm."""

    tenant: uuid.UUID
    task: str
    run: str
    turn: int


class Service(Protocol):
    async def changes(self, since: str | None) -> Changes:
        """Of all tenants. since None: connections, tasks, runs that are not finished, the newest turn of each task."""

    async def read(self, tenant: uuid.UUID, kind: str, ident: str) -> Document | None: ...

    async def under(self, tenant: uuid.UUID, kind: str, prefix: str) -> Sequence[Document]:
        """Every document whose id begins so, as it is now."""

    async def put(self, tenant: uuid.UUID, kind: str, ident: str, body: Mapping[str, Any], condition: Condition) -> int | None:
        """Its new version; None where the condition does not hold."""

    async def ends(self, tenant: uuid.UUID, series: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, int | None]:
        """valid_time of each series' newest point; NotFound names those that are not there."""

    async def append(self, tenant: uuid.UUID, rows: bytes, key: str) -> None:
        """An Arrow stream of series_id, valid_time and value; once for a key."""

    def opened(self, sealed: str) -> str:
        """A secret of a document, which only the service's own processes can read."""

    async def settled(self) -> None:
        """Returns when reads show all that was appended."""


class Sources(Protocol):
    """Where rows come from: fetched whole, read piece by piece."""

    def chunks(self, source: "Source", url: str, wanted: Sequence[str]) -> AsyncIterator["Chunk"]: ...
