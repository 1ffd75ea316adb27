"""File attachments of things and datastreams: what is told of them stands in the document of what they are attached to; the bytes are a
document of their own, on the log as everything is, which bounds their size.

Before: routes_attached.py. After: documents.py. The link is a route of this door, which asks for a key where everything does.
"""

import base64
import binascii
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from starlette.datastructures import FormData, UploadFile
from starlette.types import Message

from api.doors.datareservoir.words import base_of
from api.doors.hydroserver import documents
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.pages import Row, texts
from api.doors.hydroserver.words import PREFIX, bad
from api.parts import Parts
from api.request import Caller, read_body
from varve.clock import new_id
from varve.errors import Incorrect, NotFound

NOUN = "file-attachment"
FILE_MB_MAX = 4
PATHS = {"thing": "things", "datastream": "datastreams"}
_NAME_LENGTH_MAX, _TYPE_LENGTH_MAX = 255, 200


async def add(parts: Parts, request: Request, who: Caller, noun: str, ident: uuid.UUID) -> dict[str, Any]:
    """First the bytes, then the word of them."""
    entry, content = await _received(request)
    await documents.put_new(parts, who, NOUN, uuid.UUID(entry["id"]), content | {"of": str(ident)}, chosen=False)

    def alter(body: Body) -> Body:
        if any(one["name"] == entry["name"] for one in body["fileAttachments"]):
            raise bad("attachment-there", f"there is a file attachment {entry['name']!r} already: PUT replaces it")
        return body | {"fileAttachments": [*body["fileAttachments"], entry]}

    try:
        owner = await documents.change(parts, who, noun, ident, alter)
    except Incorrect:
        await documents.delete(parts, who, [(NOUN, entry["id"])])
        raise
    return _told(owner, entry["name"], noun, base_of(parts, request))


async def replace(parts: Parts, request: Request, who: Caller, noun: str, ident: uuid.UUID) -> Response:
    entry, content = await _received(request)
    before = _entry(await documents.one(parts, who, noun, ident), entry["name"])
    await documents.put_new(parts, who, NOUN, uuid.UUID(entry["id"]), content | {"of": str(ident)}, chosen=False)
    await documents.change(parts, who, noun, ident, lambda body: _without(body, entry["name"], entry))
    await documents.delete(parts, who, [(NOUN, before["id"])])
    return Response(status_code=204)


async def remove(parts: Parts, said: Mapping[str, Any], who: Caller, noun: str, owner: Document) -> Response:
    entry = _entry(owner, str(said.get("name", "")))
    await documents.change(parts, who, noun, owner.id, lambda body: _without(body, entry["name"]))
    await documents.delete(parts, who, [(NOUN, entry["id"])])
    return Response(status_code=204)


async def served(parts: Parts, who: Caller, owner: Document, name: str) -> Response:
    """The bytes, to be saved: a browser shows nothing of them here."""
    entry = _entry(owner, name)
    content = await documents.one(parts, who, NOUN, uuid.UUID(entry["id"]))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "X-Content-Type-Options": "nosniff"}
    try:
        raw = base64.b64decode(content.body["base64"], validate=True)
    except binascii.Error:
        raise NotFound("attachment-broken", f"the bytes of {name!r} are not there any more: attach the file again") from None
    return Response(raw, headers=headers, media_type=content.body["mediaType"])


def listed(parts: Parts, request: Request, noun: str, owner: Document) -> list[dict[str, Any]]:
    wanted = texts(request.query_params, "type") or texts(request.query_params, "file_attachment_type")
    found = linked({"id": str(owner.id), **owner.body}, noun, base_of(parts, request))["fileAttachments"]
    return [one for one in found if not wanted or one["fileAttachmentType"] in wanted]


def linked(row: Row, noun: str, base: str) -> dict[str, Any]:
    """The row with a link to each file. base: of this server, as the request found it."""
    path = f"{base}{PREFIX}/{PATHS[noun]}/{row['id']}/file-attachments"
    return {**row, "fileAttachments": [one | {"link": f"{path}/{quote(one['name'], safe='')}"} for one in row["fileAttachments"]]}


def _told(owner: Document, name: str, noun: str, base: str) -> dict[str, Any]:
    row = linked({"id": str(owner.id), **owner.body}, noun, base)
    return next(dict(one) for one in row["fileAttachments"] if one["name"] == name)


async def _received(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is told of a file, and the file. The whole form is bounded before it is taken apart."""
    raw = await read_body(request, FILE_MB_MAX)

    async def again() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    async with Request(request.scope, again).form(max_files=1, max_fields=10) as form:
        file, kind = form.get("file"), _text(form, "file_attachment_type", "fileAttachmentType")
        if not isinstance(file, UploadFile) or not kind:
            raise Incorrect("form-incorrect", "send multipart/form-data with file and file_attachment_type")
        name = (file.filename or "").replace("\\", "/").rpartition("/")[2]
        if name in ("", ".", "..") or len(name) > _NAME_LENGTH_MAX or len(kind) > _TYPE_LENGTH_MAX:
            words = f"file: a name of 1 to {_NAME_LENGTH_MAX} characters; file_attachment_type: {_TYPE_LENGTH_MAX} at most"
            raise Incorrect("attachment-name", words)
        content = base64.b64encode(await file.read()).decode()
        entry = {"id": str(new_id()), "name": name, "description": _text(form, "description") or None, "fileAttachmentType": kind}
        return entry, {"mediaType": file.content_type or "application/octet-stream", "base64": content}


def _text(form: FormData, *names: str) -> str:
    return next((value for name in names if isinstance(value := form.get(name), str)), "")


def _without(body: Body, name: str, *instead: Mapping[str, Any]) -> Body:
    return body | {"fileAttachments": [*(one for one in body["fileAttachments"] if one["name"] != name), *instead]}


def _entry(owner: Document, name: str) -> dict[str, Any]:
    found = next((dict(one) for one in owner.body["fileAttachments"] if one["name"] == name), None)
    if found is None:
        raise NotFound("attachment-unknown", f"there is no file attachment {name[:80]!r} here")
    return found
