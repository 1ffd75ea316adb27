"""DataReservoir's metadata: fields under a namespace and a key, set whole, found, deleted.

Before: routes.py. After: entries.py reads, api/append.py writes: that of many who set what is not there exactly one does, the fold decides.
assigned.py says whose it is.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response

from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir import assigned
from api.doors.datareservoir.entries import BODY_MB_MAX, KIND, Entry, entries, guid_of, json_of, search
from api.parts import Parts
from api.request import Caller, parse_json, read_body
from api.stamps import guarded
from varve.columns import no_points
from varve.errors import Conflict, Incorrect
from varve.events import EntityDeleted, EntityPut, Event
from varve.record import Record, single
from varve.series import entity_id

_PAIR_LENGTH_MAX = 512


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


async def find(parts: Parts, request: Request, who: Caller) -> list[dict[str, Any]]:
    """Of a namespace, with keys that begin so, and these fields."""
    said = parse_json(await read_body(request, BODY_MB_MAX))
    if not isinstance(said, dict) or not isinstance(said.get("Namespace"), str) or not isinstance(said.get("Value") or {}, dict):
        raise Incorrect("search-malformed", 'send {"Namespace": "...", "Key": "beginning of a key", "Value": {}}')
    fields = {str(name): text if isinstance(text, str) else json_of(text) for name, text in (said.get("Value") or {}).items()}
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


def _pair(text: str) -> tuple[str, str]:
    """A namespace has no '/', a key may."""
    namespace, slash, key = text.partition("/")
    if not slash or not key or len(text) > _PAIR_LENGTH_MAX:
        raise Incorrect("pair-incorrect", f"say namespace/key, of {_PAIR_LENGTH_MAX} characters together at most: '{text[:60]}' is none")
    return namespace, key


def _stamped(parts: Parts, who: Caller, raw: bytes) -> dict[str, Any]:
    return stamped(who.tenant, guarded(who.stamp(parts.clock, raw)))
