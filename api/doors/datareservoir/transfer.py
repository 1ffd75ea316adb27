"""The upload of a file, step by step as the client takes them: an address, its lines, commit, status; then a series made of it, or added
to.

Before: routes.py. After: files.py keeps it, uploads.py validates and carries out. A call repeated is the same call: the series that a
file makes has an id that follows from the file's.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from api.access.forms import MB_MAX, read_form
from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir import series
from api.doors.datareservoir.apply import stamp_of
from api.doors.datareservoir.files import File, Order, Receiving, Verdict, too_large
from api.doors.datareservoir.words import PREFIX, base_of, ident_of
from api.parts import Parts
from api.request import Caller, parse_json, read_body
from varve.clock import new_id
from varve.columns import no_points
from varve.errors import Conflict, Incorrect, Unavailable, UnsupportedType
from varve.events import SeriesDefined
from varve.instants import format_instant
from varve.record import Record, single

PURPOSE = "upload"
ADDRESS_SECONDS = 3_600
STATUS_SECONDS = 10.0  # a client that is told "not yet" sleeps for five
UNVALIDATED_SECONDS = 1.0  # what is validated by then shows when create and add have answered
CARRIED_OUT_SECONDS = 100.0  # the client waits for 120


def address(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    parts.writer.refuse(Record((), no_points()))
    ident, addresses = new_id(), parts.uploads.addresses
    query = addresses.query(PURPOSE, who.tenant, {"file": str(ident)}, ADDRESS_SECONDS)
    path = f"{PREFIX}/files/{ident}"
    return {
        "FileId": str(ident), "Endpoint": f"{base_of(parts, request)}{path}?{query}", "Account": "", "SasKey": query, "Container": "files",
        "Path": str(ident), "ContentMd5": None, "SasKeyExpirationTime": format_instant(addresses.expires(ADDRESS_SECONDS)),
    }  # fmt: skip


async def receive(parts: Parts, request: Request, file_id: str) -> Response:
    tenant = parts.uploads.addresses.check(PURPOSE, request.query_params, {"file": file_id})
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedType("content-encoding", f"Content-Encoding {encoding[:40]} is not read here: put the lines as they are")
    bytes_max = parts.settings.http.file_mb_max << 20
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > bytes_max:
        raise too_large(bytes_max)
    file = parts.uploads.files.file(tenant, uuid.UUID(file_id))
    await Receiving(file, bytes_max).take(request.stream(), parts.uploads.off_loop)
    return Response(status_code=201)


async def commit(parts: Parts, request: Request, who: Caller) -> Response:
    said = parse_json(await read_body(request, MB_MAX))
    if not isinstance(said, dict) or not isinstance(said.get("FileId"), str):
        raise Incorrect("file-missing", 'send {"FileId": "..."}, as files/upload answered it')
    file = parts.uploads.files.known(who.tenant, ident_of(said["FileId"], "file"))
    await parts.uploads.kept(file.commit)
    parts.uploads.wake(file)
    return Response(status_code=204)


async def status(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    file = parts.uploads.files.known(who.tenant, ident)
    verdict = await parts.uploads.until(file.verdict, STATUS_SECONDS) if file.is_committed() else None
    state = "Processing" if file.is_committed() else "Uninitialized"
    if verdict is not None:
        state = "Failed" if verdict.refused else "Ready"
    message = "" if verdict is None else verdict.refused
    return {"FileId": str(ident), "State": state, "ProcessingState": state, "StateMessage": message}


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    file = await _file(parts, who, await read_form(request))
    ident = uuid.uuid5(file.ident, "time series")
    return await _ordered(parts, who, file, ident, new=True)


async def add(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    form = await read_form(request)
    file, ident = await _file(parts, who, form), ident_of(form.get("TimeSeriesId", ""), "time series")
    await series.refuse_unknown(parts, who.tenant, ident)
    return await _ordered(parts, who, file, ident, new=False)


async def _ordered(parts: Parts, who: Caller, file: File, ident: uuid.UUID, *, new: bool) -> dict[str, Any]:
    """Waits for what is validated already; what is not yet is told as it stands, and comes by itself."""
    uploads = parts.uploads
    order = await uploads.kept(file.order, Order(str(ident), new, parts.clock.now(), who.changed_by))
    uploads.wake(file)
    verdict = await uploads.until(file.verdict, UNVALIDATED_SECONDS)
    if verdict is None and new:
        define = SeriesDefined(series_id=ident, **stamped(who.tenant, stamp_of(file, order), 1 << 30))
        await append(parts, single(define), "view")
    if verdict is None:
        return await _told(parts, who, file, ident, None)
    done = await uploads.until(lambda: file.ended(str(ident)), CARRIED_OUT_SECONDS)
    if done is None:
        raise Unavailable("upload-late", "the file is accepted and will be written; repeat the call to learn more")
    if done.refused and not verdict.refused:
        raise Incorrect("file-refused", done.refused)
    return await _told(parts, who, file, ident, verdict)


async def _told(parts: Parts, who: Caller, file: File, ident: uuid.UUID, verdict: Verdict | None) -> dict[str, Any]:
    first, last = await series.extent(parts, who, ident)
    said = {"FileId": str(file.ident), "TimeSeriesId": str(ident), "TimeOfFirstSample": first, "TimeOfLastSample": last}
    if verdict is not None and verdict.refused:
        said |= {"State": "Failed", "StateMessage": verdict.refused}  # what does not pass is ignored, whenever that is found out
    return said


async def _file(parts: Parts, who: Caller, form: Mapping[str, str]) -> File:
    parts.writer.refuse(Record((), no_points()))
    file = parts.uploads.files.known(who.tenant, ident_of(form.get("FileId", ""), "file"))
    if not file.is_committed():
        raise Conflict("file-uncommitted", f"file {file.ident} is not committed: POST files/commit first")
    return file
