"""GET /load, POST /load: a CSV file from a browser into series, by the same reader and in the same words as `varve load`.

Before: a person. After: streams/loading reads the file, api/append.py writes it, chunk by chunk. Where access is on, the form has a
field for the key; a form that another site sent is refused. The same file, read in the same way, counts once (I3).
"""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pyarrow as pa
from fastapi import APIRouter, Request, Response

from api.access.access import refuse_below, refuse_confined
from api.access.credentials import Shown, credential_of
from api.access.identity import remember
from api.append import append
from api.bodies.points import point_record
from api.bodies.tables import Body
from api.load.form import Form, read_form
from api.load.page import Told, form_page
from api.parts import Parts
from api.request import Caller, caller_of
from api.stamps import make_stamp
from api.writer import Written
from streams.loading.by_hand import Loaded
from streams.loading.by_hand_words import DECIMALS, in_form, series_of, zone_of
from streams.loading.chunks import Chunk, points_of
from streams.loading.reading import read
from streams.loading.specs import DELIMITERS, Source, source_of
from varve.access import Role
from varve.errors import Forbidden, Incorrect, Unauthorized, VarveError
from varve.record import Record
from varve.series_files import digest_of

_READING = {"time", "format", "timezone", "delimiter", "header_row", "data_row", "decimal", "no_data", "encoding", "values"}
FIELDS = _READING | {"key", "check", "do"}
Series = Mapping[str, str | uuid.UUID]


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["loading"])

    @routes.get("/load")
    async def load_form() -> Response:
        """A page with a form: a CSV file into series."""
        return form_page({}, parts.access.on)

    @routes.post("/load")
    async def load_file(request: Request) -> Response:
        """Its file, loaded; with `check`, in the address or the form, only looked at."""
        form = Form()
        try:
            _refuse_other_sites(request)
            with TemporaryDirectory(prefix="load-", dir=parts.settings.data) as directory:
                path = Path(directory) / "file"
                form = await read_form(request, path, parts.settings.http.file_mb_max, lambda fields: _look(parts, request, fields))
                if form.refusal is not None:
                    raise form.refusal
                told = await _load(parts, request, form, path)
        except VarveError as refusal:
            return form_page(form.fields, parts.access.on, in_form(refusal.message), refusal.status)
        return form_page(form.fields, parts.access.on, told=told)

    return routes


def _refuse_other_sites(request: Request) -> None:
    """A browser says where a form came from; a page of another site could send this one."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
        raise Forbidden("origin-foreign", f"this form was sent by {origin}: open /load on this server and send it from there")


def _look(parts: Parts, request: Request, fields: Mapping[str, str]) -> None:
    """Before the file is taken: who sends it, and whether the form can be right."""
    if parts.access.on:
        shown = credential_of(request.headers.raw)
        secret = shown.secret if isinstance(shown, Shown) else fields.get("key", "")
        if not secret:
            raise Unauthorized("key-missing", "no key: write the API key of a user who may write into the form")
        identity = parts.access.identity_of(secret)
        refuse_below(Role.WRITE, identity)
        refuse_confined("POST /load", identity)
        remember(request.scope, identity)
    strange = sorted(set(fields) - FIELDS)
    if strange:
        raise Incorrect(
            "field-unknown", f"the form has a field '{strange[0][:60]}', which means nothing here: {', '.join(sorted(FIELDS))} do"
        )
    _asked(fields)


def _asked(fields: Mapping[str, str]) -> tuple[Source, Series]:
    delimiter = fields.get("delimiter") or "comma"
    said = {
        "url": "upload", "timestamp_key": fields.get("time", ""), "timestamp_format": fields.get("format") or None,
        "delimiter": DELIMITERS.get(delimiter, delimiter), **zone_of(fields.get("timezone") or None),
        "header_row": _row(fields, "header_row"), "data_start_row": _row(fields, "data_row"),
        "decimal_point": DECIMALS.get(fields.get("decimal") or "point", fields.get("decimal")),
        "no_data": fields.get("no_data", "").split(), "encoding": fields.get("encoding") or None,
    }  # fmt: skip
    if not said["timestamp_key"]:
        raise Incorrect("time-missing", "say which column holds the times")
    return source_of(said), series_of([line.strip() for line in fields.get("values", "").splitlines() if line.strip()])


def _row(fields: Mapping[str, str], name: str) -> int | None:
    word = fields.get(name, "")
    if word and not word.isdigit():
        raise Incorrect("row-malformed", f"{name} is '{word[:20]}': a row is a number from 1")
    return int(word) if word else None


async def _load(parts: Parts, request: Request, form: Form, path: Path) -> Told:
    if not form.name:
        raise Incorrect("file-missing", "the form has no file")
    source, series = _asked(form.fields)
    check = "check" in request.query_params or "check" in form.fields or form.fields.get("do") == "check"
    who = await caller_of(request)
    done, chunks = Loaded(), iter(read(path, source, list(series)))
    digest, token = await asyncio.to_thread(_digest, path, source, series), None
    number = 0
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        for table in () if check else await asyncio.to_thread(points_of, chunk, series):
            written = await _written(parts, who, table, f"{digest}-{number}", chunk)
            token = written.token if token is None else token.merged(written.token)
            done.requests, done.repeated = done.requests + 1, done.repeated + written.repeated
            number += 1
        done.add(chunk)
    if token is not None:
        await parts.views.reached(token)
    return Told(form.name, series, done, check)


async def _written(parts: Parts, who: Caller, table: pa.Table, key: str, chunk: Chunk) -> Written:
    stamp = make_stamp(parts.clock, who.tenant, "load page", key, (), who.changed_by)

    def record() -> Record:
        return point_record("points_written", Body({}, {name: table.column(name) for name in table.column_names}), who.tenant, stamp)

    try:
        return await append(parts, await asyncio.to_thread(record), "log")
    except VarveError as refusal:
        words = (
            f"{refusal.message}\nLines {chunk.lines[0]} to {chunk.lines[-1]} were refused; those before are loaded, those after are not."
        )
        raise refusal.reworded(words) from None


def _digest(path: Path, source: Source, series: Series) -> str:
    said = source.model_dump_json(), sorted((name, str(one)) for name, one in series.items())
    return hashlib.sha256(repr((digest_of(path), said)).encode()).hexdigest()[:40]
