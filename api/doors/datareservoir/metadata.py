"""DataReservoir's metadata: fields under a namespace and a key, set whole, found, deleted. A document of kind `metadata` whose id is
namespace/key; its GUID is the one that the log knows the document by, so that whoever makes it first, it is the same.

Before: routes.py. After: api/append.py; that of many who set what is not there exactly one does, the fold decides. assigned.py says whose
it is.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir import assigned
from api.parts import Parts
from api.request import Caller, parse_json, read_body
from api.stamps import guarded
from sink.queries.entities import EntitySearch
from varve.columns import no_points
from varve.errors import Conflict, Incorrect, NotFound
from varve.events import EntityDeleted, EntityPut, Event
from varve.record import Record, single
from varve.series import entity_id

KIND = "metadata"
BODY_MB_MAX = 1
IDS_MAX = 2_000  # bound into one query
_PAIR_LENGTH_MAX = 512


@dataclass(frozen=True)
class Entry:
    """value: the fields."""

    ident: uuid.UUID
    namespace: str
    key: str
    value: Mapping[str, Any]
    modified: str
    modified_by: str

    @classmethod
    def of(cls, tenant: uuid.UUID, row: Mapping[str, Any]) -> "Entry":
        namespace, _, key = str(row["id"]).partition("/")
        return cls(entity_id(tenant, KIND, row["id"]), namespace, key, row["document"], row["recorded_time"], row["changed_by"])

    def told(self, series: Sequence[str]) -> dict[str, Any]:
        return {
            "Id": str(self.ident), "Namespace": self.namespace, "Key": self.key, "Value": dict(self.value), "TimeSeries": list(series),
            "LastModified": self.modified, "LastModifiedByEmail": self.modified_by or None,
        }  # fmt: skip


async def put(parts: Parts, request: Request, who: Caller, pair: str) -> dict[str, Any]:
    """Conflict where it is there and shall not be overwritten."""
    raw = await read_body(request, BODY_MB_MAX)
    said = parse_json(raw)
    if not isinstance(said, dict) or not isinstance(said.get("Value"), dict):
        raise Incorrect("value-missing", 'send {"Value": {"name": "value", ...}}')
    overwrite = request.query_params.get("overwrite", "false").lower() == "true"
    namespace, key = _pair(pair)
    event = EntityPut(kind=KIND, id=f"{namespace}/{key}", document=said["Value"], if_absent=not overwrite, **_stamped(parts, who, raw))
    try:
        await append(parts, single(event), "view")
    except Conflict as refused:
        if refused.message.startswith("entity-there"):
            raise Conflict("metadata-there", f"there is metadata {namespace} {key} already: say overwrite=true to replace it") from None
        raise
    return await one(parts, who, entity_id(who.tenant, KIND, f"{namespace}/{key}"))


async def read(parts: Parts, who: Caller, asked: str) -> Any:
    """By GUID or namespace/key; the keys of a namespace; or, of nothing, all namespaces."""
    if "/" in asked.strip("/") or asked.startswith("/"):
        namespace, key = _pair(asked)
        return await one(parts, who, entity_id(who.tenant, KIND, f"{namespace}/{key}"))
    name = asked.strip("/")
    if not name:
        return await parts.reads.entity_heads(search(parts, who))
    if (ident := guid_of(name)) is not None:
        return await one(parts, who, ident)
    rows = await parts.reads.entities(search(parts, who, prefix=f"{name}/"))
    return [str(row["id"]).partition("/")[2] for row in rows]


async def one(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    return (await told(parts, who, await entries(parts, who, (ident,))))[0]


async def entries(parts: Parts, who: Caller, idents: Sequence[uuid.UUID]) -> list[Entry]:
    """In their order; NotFound names the first that is not there."""
    found: dict[uuid.UUID, Entry] = {}
    for at in range(0, len(idents), IDS_MAX):
        rows = await parts.reads.entities(search(parts, who, entity_ids=tuple(idents[at : at + IDS_MAX])))
        found |= {(entry := Entry.of(who.tenant, row)).ident: entry for row in rows}
    missing = next((ident for ident in idents if ident not in found), None)
    if missing is not None:
        raise NotFound("metadata-unknown", f"there is no metadata {missing} in this tenant")
    return [found[ident] for ident in idents]


async def find(parts: Parts, request: Request, who: Caller) -> list[dict[str, Any]]:
    """Of a namespace, with keys that begin so, and these fields."""
    said = parse_json(await read_body(request, BODY_MB_MAX))
    if not isinstance(said, dict) or not isinstance(said.get("Namespace"), str) or not isinstance(said.get("Value") or {}, dict):
        raise Incorrect("search-malformed", 'send {"Namespace": "...", "Key": "beginning of a key", "Value": {}}')
    fields = {str(name): text if isinstance(text, str) else assigned.json_of(text) for name, text in (said.get("Value") or {}).items()}
    rows = await parts.reads.entities(search(parts, who, prefix=f"{said['Namespace']}/{said.get('Key') or ''}", fields=fields))
    return await told(parts, who, [Entry.of(who.tenant, row) for row in rows])


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    """And take it off its series."""
    (entry,) = await entries(parts, who, (ident,))
    pairs = [(series, ident) for series in (await assigned.series_of(parts, who, (ident,)))[ident]]
    stamp = who.stamp(parts.clock, b"")
    gone: Event = EntityDeleted(kind=KIND, id=f"{entry.namespace}/{entry.key}", **stamped(who.tenant, stamp))
    await append(parts, Record((gone, *assigned.taken_off(pairs, who, stamp, 1)), no_points()), "view")
    return Response(status_code=204)


async def told(parts: Parts, who: Caller, found: Sequence[Entry]) -> list[dict[str, Any]]:
    series = await assigned.series_of(parts, who, tuple(entry.ident for entry in found))
    return [entry.told([str(one) for one in series[entry.ident]]) for entry in found]


def search(parts: Parts, who: Caller, kind: str = KIND, **narrowed: Any) -> EntitySearch:
    return EntitySearch(who.tenant, parts.reads.watermark(parts.views.vector()), kind, **narrowed)


def guid_of(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _pair(text: str) -> tuple[str, str]:
    """A namespace has no '/', a key may."""
    namespace, slash, key = text.partition("/")
    if not slash or not key or len(text) > _PAIR_LENGTH_MAX:
        raise Incorrect("pair-incorrect", f"say namespace/key, of {_PAIR_LENGTH_MAX} characters together at most: '{text[:60]}' is none")
    return namespace, key


def _stamped(parts: Parts, who: Caller, raw: bytes) -> dict[str, Any]:
    return stamped(who.tenant, guarded(who.stamp(parts.clock, raw)))
