"""Which metadata is on which series: for each such pair two documents, one by series and one by metadata, so that either is found by the
beginning of an id. And the search for series by their metadata.

Before: routes.py, metadata.py and series.py. After: api/append.py: both documents are one record.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fastapi import Request

from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir.entries import BODY_MB_MAX, IDS_MAX, Entry, entries, guid_of, json_of, search
from api.parts import Parts
from api.request import Caller, parse_json, read_body
from api.stamps import Stamp
from varve.columns import no_points
from varve.errors import Incorrect
from varve.events import EntityDeleted, EntityPut, Event
from varve.record import Record

BY_SERIES, BY_METADATA = "metadata-of-series", "series-of-metadata"
AT_ONCE_MAX = 1_000
Pair = tuple[uuid.UUID, uuid.UUID]  # series, metadata


async def assign(parts: Parts, request: Request, who: Caller, series: uuid.UUID) -> None:
    """Again is as well."""
    raw, idents = await _idents(request)
    await entries(parts, who, idents)
    stamp = who.stamp(parts.clock, raw)
    events: list[Event] = []
    for ident in idents:
        document = {"TimeSeriesId": str(series), "MetadataId": str(ident)}
        for kind, name in _documents((series, ident)):
            events.append(EntityPut(kind=kind, id=name, document=document, **stamped(who.tenant, stamp, len(events))))
    if events:
        await append(parts, Record(tuple(events), no_points()), "view")


async def remove(parts: Parts, request: Request, who: Caller, series: uuid.UUID) -> None:
    """The metadata stays."""
    raw, idents = await _idents(request)
    there = set(await metadata_of(parts, who, series))
    events = taken_off([(series, ident) for ident in idents if ident in there], who, who.stamp(parts.clock, raw), 0)
    if events:
        await append(parts, Record(tuple(events), no_points()), "view")


def taken_off(pairs: Iterable[Pair], who: Caller, stamp: Stamp, first: int) -> list[Event]:
    """first: how many events of the request come before."""
    named = [each for pair in pairs for each in _documents(pair)]
    return [EntityDeleted(kind=kind, id=name, **stamped(who.tenant, stamp, first + at)) for at, (kind, name) in enumerate(named)]


async def metadata_of(parts: Parts, who: Caller, series: uuid.UUID) -> list[uuid.UUID]:
    rows = await parts.reads.entities(search(parts, who, BY_SERIES, prefix=f"{series}/"))
    return [ident for _, ident in _pairs(rows)]


async def entries_of(parts: Parts, who: Caller, series: uuid.UUID) -> list[Entry]:
    """Those that are still there."""
    idents = tuple(await metadata_of(parts, who, series))
    rows = await parts.reads.entities(search(parts, who, entity_ids=idents)) if idents else []
    return [Entry.of(who.tenant, row) for row in rows]


async def series_of(parts: Parts, who: Caller, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Of each metadata, those that are still there."""
    found: dict[uuid.UUID, list[uuid.UUID]] = {ident: [] for ident in idents}
    if not found:
        return found
    narrowed: dict[str, Any] = {"heads": tuple(str(ident) for ident in found)} if len(found) <= IDS_MAX else {}
    if len(found) == 1:
        narrowed["prefix"] = f"{idents[0]}/"  # the table's own order
    rows = await parts.reads.entities(search(parts, who, BY_METADATA, **narrowed))
    pairs = _pairs(rows)
    there = await parts.catalog.learn_ids(who.tenant, [series for _, series in pairs])
    for ident, series in pairs:
        if ident in found and series in there:
            found[ident].append(series)
    return found


async def find(parts: Parts, who: Caller, words: Sequence[str]) -> dict[str, list[str]] | list[str]:
    """words: a namespace; the beginning of a key; the name of a field; its value (patterns_of). With a value the series' ids; else what was
    found on each: the field's value, or the keys."""
    namespace, key, name, value = (*words, *("",) * 4)[:4]
    if not words or not namespace:
        raise Incorrect("namespace-missing", "say which namespace: timeseries/search/NAMESPACE[/KEY[/NAME[/VALUE]]]")
    narrowed: dict[str, Any] = {"prefix": f"{namespace}/{key}"}
    if name:
        narrowed |= {"like": {name: patterns_of(value)}} if value else {"has": (name,)}
    rows = await parts.reads.entities(search(parts, who, **narrowed))
    found = [Entry.of(who.tenant, row) for row in rows]
    series = await series_of(parts, who, tuple(entry.ident for entry in found))
    told: dict[str, list[str]] = {}
    for entry in found:
        said = entry.key if not name else _text(entry.value.get(name))
        for one in series[entry.ident]:
            told.setdefault(str(one), []).append(said)
    return list(told) if value else told


def patterns_of(value: str) -> tuple[str, ...]:
    """Of LIKE: x* begins so, *x ends so, *x* holds it; x alone begins or ends so."""
    inner = value.strip("*").replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    begins, ends = value.endswith("*"), value.startswith("*")
    if begins or ends:
        return (("%" if ends else "") + inner + ("%" if begins else ""),)
    return (f"{inner}%", f"%{inner}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_of(value)


def _documents(pair: Pair) -> tuple[tuple[str, str], tuple[str, str]]:
    series, ident = pair
    return (BY_SERIES, f"{series}/{ident}"), (BY_METADATA, f"{ident}/{series}")


def _pairs(rows: Iterable[Mapping[str, Any]]) -> list[Pair]:
    """As their documents are called, in that order. What another door put there under another name is none."""
    found = []
    for first, _, second in (str(row["id"]).partition("/") for row in rows):
        with suppress(ValueError):
            found.append((uuid.UUID(first), uuid.UUID(second)))
    return found


async def _idents(request: Request) -> tuple[bytes, list[uuid.UUID]]:
    raw = await read_body(request, BODY_MB_MAX)
    said = parse_json(raw)
    if not isinstance(said, list) or len(said) > AT_ONCE_MAX:
        raise Incorrect("ids-malformed", f'send the metadata\'s ids: ["..."], {AT_ONCE_MAX} at most')
    idents = [guid_of(one) if isinstance(one, str) else None for one in said]
    if None in idents:
        raise Incorrect("ids-malformed", "the metadata's ids are GUIDs, as metadata answered them in Id")
    return raw, [ident for ident in dict.fromkeys(idents) if ident is not None]
