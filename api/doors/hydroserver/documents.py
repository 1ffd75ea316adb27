"""HydroServer's resources as documents of the log: one kind each, its id is the resource's UUID, and it says what the wire says.

Before: the rooms of this door. After: sink/queries/entities.py reads, api/append.py writes; that of many who change one document none
undoes another's change, the fold decides. Kinds are this door's own: what others put under such names breaks nothing here.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from api.append import append
from api.bodies.points import stamped
from api.errors import ConditionFailed
from api.parts import Parts
from api.request import Caller
from api.stamps import Stamp, guarded
from sink.queries.entities import EntitySearch
from varve.columns import no_points
from varve.errors import Conflict, NotFound
from varve.events import EntityDeleted, EntityPut, Event
from varve.record import Record, single

IDS_MAX = 2_000  # bound into one query
EVENTS_MAX = 500  # of one record
TRIES_MAX = 32  # each time somebody else's change came first
Body = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """body: the fields that are kept, as the wire has them; the id is not among them. version: what a change of it is conditioned on;
    0 of one that was just put."""

    id: uuid.UUID
    version: int
    body: Body

    def uuid(self, name: str) -> uuid.UUID:
        """Of another document, which this one names."""
        return uuid.UUID(self.body[name])


def kind_of(noun: str) -> str:
    """As the log calls them; noun: thing, observed-property."""
    return f"hydroserver-{noun}"


async def found(parts: Parts, who: Caller, noun: str, ident: uuid.UUID) -> Document | None:
    rows = await parts.reads.entities(replace(_search(parts, who, noun), id=str(ident)))
    return next(_documents(rows), None)


async def one(parts: Parts, who: Caller, noun: str, ident: uuid.UUID) -> Document:
    document = await found(parts, who, noun, ident)
    if document is None:
        raise unknown(noun, ident)
    return document


async def some(parts: Parts, who: Caller, noun: str, idents: Iterable[uuid.UUID]) -> dict[uuid.UUID, Document]:
    """Of these, those that are there."""
    return {ident: one for (_, ident), one in (await these(parts, who, [(noun, ident) for ident in idents])).items()}


async def these(parts: Parts, who: Caller, wanted: Iterable[tuple[str, uuid.UUID]]) -> dict[tuple[str, uuid.UUID], Document]:
    """Of several kinds in one question: those that are there, by noun and id."""
    asked = list(dict.fromkeys(wanted))
    there: dict[tuple[str, uuid.UUID], Document] = {}
    for at in range(0, len(asked), IDS_MAX):
        part = asked[at : at + IDS_MAX]
        nouns = {kind_of(noun): noun for noun, _ in part}
        search = replace(_search(parts, who, ""), kinds=tuple(nouns), ids=tuple(str(ident) for _, ident in part))
        for row in await parts.reads.entities(search):
            there |= {(nouns[row["kind"]], one.id): one for one in _documents([row])}
    return {name: there[name] for name in asked if name in there}


async def all_of(parts: Parts, who: Caller, noun: str, **fields: str) -> list[Document]:
    """Of the tenant, by id; fields: texts that they say at the top."""
    return list(_documents(await parts.reads.entities(replace(_search(parts, who, noun), fields=fields))))


async def put_new(parts: Parts, who: Caller, noun: str, ident: uuid.UUID, body: Body, *more: Event, chosen: bool = True) -> Document:
    """chosen: the id is the client's choice, so that there may be one already: Conflict. more: events of the same record, which is then of
    several partitions, where no condition is told of."""
    stamp = _stamp(parts, who) if chosen else _unguarded(parts, who)
    put: Event = EntityPut(kind=kind_of(noun), id=str(ident), document=body, if_absent=chosen, **stamped(who.tenant, stamp))
    try:
        written = await append(parts, _record(who, stamp, put, more), "view")
    except ConditionFailed:
        raise _there(noun, ident) from None
    if not (more and chosen):
        return Document(ident, written.series_version, body)
    document = await one(parts, who, noun, ident)
    if document.body != body:
        raise _there(noun, ident)
    return document


async def change(parts: Parts, who: Caller, noun: str, ident: uuid.UUID, alter: Callable[[Body], Body]) -> Document:
    """alter: from what it says to what it shall say; asked again where somebody else changed it meanwhile, and may refuse."""
    for _ in range(TRIES_MAX):
        before = await one(parts, who, noun, ident)
        body = alter(before.body)
        if body == before.body:
            return before
        stamp = _stamp(parts, who)
        put = EntityPut(kind=kind_of(noun), id=str(ident), document=body, expected_version=before.version, **stamped(who.tenant, stamp))
        with suppress(ConditionFailed):
            written = await append(parts, single(put), "view")
            return Document(ident, written.series_version, body)
    raise Conflict("document-busy", f"{noun} {ident}: others changed it at the same time, {TRIES_MAX} times over: try again")


async def delete(parts: Parts, who: Caller, gone: Sequence[tuple[str, str]]) -> None:
    """gone: noun and id of each; what is not there any more is as well."""
    await write(parts, who, deletions(who, gone))


def deletions(who: Caller, gone: Iterable[tuple[str, str]]) -> list[Event]:
    return [EntityDeleted(kind=kind_of(noun), id=ident, tenant=who.tenant) for noun, ident in gone]


async def write(parts: Parts, who: Caller, events: Sequence[Event]) -> None:
    """In this order, which counts where they do not fit into one record."""
    for at in range(0, len(events), EVENTS_MAX):
        await append(parts, _record(who, _unguarded(parts, who), None, events[at : at + EVENTS_MAX]), "view")


def unknown(noun: str, ident: object) -> NotFound:
    return NotFound(f"{noun}-unknown", f"there is no {noun.replace('-', ' ')} {str(ident)[:60]}")


def _there(noun: str, ident: uuid.UUID) -> Conflict:
    return Conflict(f"{noun}-there", f"there is a {noun.replace('-', ' ')} {ident} already")


def _search(parts: Parts, who: Caller, noun: str) -> EntitySearch:
    return EntitySearch(who.tenant, parts.reads.watermark(parts.views.vector()), kind_of(noun))


def _documents(rows: Iterable[Mapping[str, Any]]) -> Iterator[Document]:
    for row in rows:
        with suppress(ValueError):  # not put by this door
            yield Document(uuid.UUID(row["id"]), int(row["version"]), row["document"])


def _stamp(parts: Parts, who: Caller) -> Stamp:
    """Of one append: who asks again asks anew, since a change is read, made and conditioned."""
    return guarded(_unguarded(parts, who))


def _unguarded(parts: Parts, who: Caller) -> Stamp:
    """Where nothing can be refused, no outcome need be looked for."""
    return replace(who, key=None).stamp(parts.clock, b"")


def _record(who: Caller, stamp: Stamp, first: Event | None, more: Sequence[Event]) -> Record:
    events = [] if first is None else [first]
    for event in more:
        events.append(event.model_copy(update=stamped(who.tenant, stamp, len(events))))
    return Record(tuple(events), no_points())
