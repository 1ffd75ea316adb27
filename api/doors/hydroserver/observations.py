"""Observations of a datastream as HydroServer's client asks for them: pages as records, rows or columns; one by its id; added and deleted.

Before: observations_routes.py. After: sink/observations.py reads, observations_write.py writes. The store writes the bodies itself.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from fastapi import Request, Response

from api.answer import Form, streamed
from api.doors.hydroserver import documents, pages, permission, statistics
from api.doors.hydroserver.documents import Document
from api.doors.hydroserver.observations_body import TIME, Observations, read_observation, read_observations
from api.doors.hydroserver.observations_write import MODES, Addition, Mode, Turns, add, remove
from api.doors.hydroserver.words import BODY_MB_MAX, bad
from api.parts import Parts
from api.request import INLINE_BYTES_MAX, JSON, Caller, parse_json, read_body
from api.writer import Written
from sink.extents import extents
from sink.observations import after, count, page
from sink.queries.observations import FIELDS, Format, Observed, observation_id, valid_time_of
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.store import Store
from varve.errors import Incorrect, NotFound
from varve.instants import parse_instant

FORMS: dict[Format, str] = {"record": "JSONEachRow", "row": "JSONCompactEachRow", "column": "JSONColumns"}
_NOTHING: dict[Format, Any] = {"record": [], "row": {"fields": FIELDS, "data": []}, "column": {name: [] for name in FIELDS}}
_AROUND: dict[Format, tuple[bytes, bytes]] = {"record": (b"", b""), "row": (b'{"fields":' + orjson.dumps(FIELDS) + b',"data":', b"}")}


async def listed(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """A page, with the place of it in the headers."""
    datastream = await permission.datastream(parts, who, ident, "view")
    query, form = request.query_params, _form(request)
    asked = pages.asked_of(query, (TIME,))
    codes = tuple(code for code in pages.texts(query, "result_qualifier_code") if code is not None)
    last = pages.instant(query, "phenomenon_time_max")
    selection = _selection(parts, who, ident, pages.instant(query, "phenomenon_time_min"), None if last is None else after(last))
    wanted = Observed(selection, dict(asked.order).get(TIME, False), codes)
    workspace = str(datastream.uuid("workspaceId"))
    sought = replace(selection, limit=max(1, asked.size), offset=(asked.page - 1) * asked.size)

    whole = not codes and selection.from_ is None and selection.until is None
    known = (await statistics.of(parts, who, (ident,)))[ident].count if whole else None

    def ask(store: Store) -> tuple[int, Query]:
        total = known if known is not None else count(store, wanted) if codes else extents(store, selection)[ident].count
        return total, page(store, replace(wanted, selection=sought), form, workspace)

    total, rows = await parts.reads.ask(ask)
    headers = pages.place(total, asked)
    if sought.offset >= total or not asked.size:
        return Response(orjson.dumps(_NOTHING[form]), headers=headers, media_type=JSON)
    around = _AROUND.get(form)
    frame = None if around is None else (around[0], lambda _count: around[1])
    return await streamed(request, parts.reads.stream(rows, Form(JSON, FORMS[form], {})), JSON, headers, frame)


async def one(parts: Parts, who: Caller, ident: uuid.UUID, observation: uuid.UUID) -> Response:
    datastream = await permission.datastream(parts, who, ident, "view")
    return Response(await _record(parts, who, datastream, observation), media_type=JSON)


async def create(parts: Parts, turns: Turns, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """One observation, as in mode insert."""
    datastream = await permission.datastream(parts, who, ident, "load")
    raw = await read_body(request, BODY_MB_MAX)
    given = read_observation(raw)
    written = await _add(parts, turns, who, datastream, given, "insert", raw)
    made = observation_id(ident, int(given.valid_time[0]))
    return _acknowledged(written, 201, await _record(parts, who, datastream, made))


async def bulk_create(parts: Parts, turns: Turns, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    mode = _mode(request)
    datastream = await permission.datastream(parts, who, ident, "edit" if mode == "replace" else "load")
    raw = await read_body(request, parts.settings.http.body_mb_max)
    given = read_observations(raw) if len(raw) <= INLINE_BYTES_MAX else await asyncio.to_thread(read_observations, raw)
    if not len(given):
        return Response(status_code=201)
    return _acknowledged(await _add(parts, turns, who, datastream, given, mode, raw), 201)


async def bulk_delete(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """From phenomenonTimeStart to phenomenonTimeEnd, both included, either of which may be absent."""
    await permission.datastream(parts, who, ident, "edit")
    raw = await read_body(request, BODY_MB_MAX)
    said = parse_json(raw) if raw.strip() else {}
    if not isinstance(said, dict):
        raise Incorrect("body-incorrect", 'the body is one JSON object: {"phenomenonTimeStart": "...", "phenomenonTimeEnd": "..."}')
    span = _bound(said, "phenomenonTimeStart"), _bound(said, "phenomenonTimeEnd")
    return _acknowledged(await remove(parts, who.tenant, ident, span, who.stamp(parts.clock, raw)), 204)


async def delete(parts: Parts, who: Caller, ident: uuid.UUID, observation: uuid.UUID) -> Response:
    datastream = await permission.datastream(parts, who, ident, "edit")
    await _record(parts, who, datastream, observation)
    at = valid_time_of(ident, observation)
    return _acknowledged(await remove(parts, who.tenant, ident, (at, at), who.stamp(parts.clock, b"")), 204)


async def _add(
    parts: Parts, turns: Turns, who: Caller, datastream: Document, given: Observations, mode: Mode, raw: bytes
) -> Written:  # fmt: skip
    await _refuse_codes(parts, who, datastream, given.every_code())
    whole = given.without_gaps(float(datastream.body["noDataValue"]))
    return await add(parts, turns, Addition(who.tenant, datastream.id, whole, mode, who.stamp(parts.clock, raw)))


async def _refuse_codes(parts: Parts, who: Caller, datastream: Document, said: set[str]) -> None:
    """Result qualifiers are the workspace's, or everybody's."""
    if not said:
        return
    known = await documents.all_of(parts, who, "result-qualifier")
    own = {one.body["code"] for one in known if one.body.get("workspaceId") in (None, datastream.body["workspaceId"])}
    if strange := sorted(said - own):
        raise bad("codes-unknown", f"Invalid result qualifier codes: {', '.join(strange)}")


async def _record(parts: Parts, who: Caller, datastream: Document, observation: uuid.UUID) -> bytes:
    at = valid_time_of(datastream.id, observation)
    if at is not None:
        selection = replace(_selection(parts, who, datastream.id, at, after(at)), limit=1)
        workspace = str(datastream.uuid("workspaceId"))
        rows = await parts.reads.lines(await parts.reads.ask(lambda store: page(store, Observed(selection), "record", workspace)))
        if rows:
            return rows[0]
    raise NotFound("observation-unknown", f"there is no observation {observation} in this datastream")


def _selection(parts: Parts, who: Caller, ident: uuid.UUID, from_: int | None, until: int | None) -> Selection:
    return Selection(who.tenant, parts.reads.watermark(parts.views.vector()), (ident,), from_, until)


def _form(request: Request) -> Format:
    said = request.query_params.get("format", pages.NULL)
    for form in FORMS:
        if said in (form, pages.NULL):
            return form
    raise Incorrect("format-incorrect", f"format: '{said[:40]}' is none of {', '.join(FORMS)}")


def _mode(request: Request) -> Mode:
    said = request.query_params.get("mode", pages.NULL)
    if said == pages.NULL:
        return "append"
    for mode in MODES:
        if said == mode:
            return mode
    raise Incorrect("mode-incorrect", f"mode: '{said[:40]}' is none of {', '.join(MODES)}")


def _bound(said: Mapping[str, Any], name: str) -> int | None:
    text = said.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise Incorrect("time-incorrect", f"{name}: {text!r} is no text such as 2026-01-01T00:00:00Z")
    return parse_instant(text, naive_is_utc=True, where=name)


def _acknowledged(written: Written | None, status: int, body: bytes | None = None) -> Response:
    headers = {} if written is None else {"Varve-Token": str(written.token)}
    if written is not None and written.repeated:
        headers["Idempotency-Replayed"] = "true"
    return Response(body, status, headers, None if body is None else JSON)
