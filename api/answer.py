"""Answers of reads: the form by Accept, written by ClickHouse itself and streamed, compressed by Accept-Encoding.

Before: reads.py made the query. After: the client. The first bytes are awaited before the status is sent, so that a query
that fails is an error and not a short answer.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import zstandard
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from api.request import ARROW, CSV, JSON, NDJSON
from varve.errors import Incorrect

PARQUET = "application/vnd.apache.parquet"
NOT_ACCEPTABLE = 406
COMPRESS_BYTES_MIN = 1_000
INLINE_BYTES_MAX = 1 << 16  # larger pieces are compressed in a thread
ZSTD_LEVEL, GZIP_LEVEL = 1, 1


@dataclass(frozen=True)
class Form:
    """format: ClickHouse's name of it. JSON is rows as an array, framed by the route."""

    media: str
    format: str
    settings: Mapping[str, str | int]


FORMS = {
    JSON: Form(JSON, "JSONEachRow", {}),
    NDJSON: Form(NDJSON, "JSONEachRow", {}),
    CSV: Form(CSV, "CSVWithNames", {"format_csv_null_representation": ""}),
    ARROW: Form(ARROW, "ArrowStream", {}),  # compressed outside, where the client accepts it
    PARQUET: Form(PARQUET, "Parquet", {}),
}
_SYNONYMS = {"*/*": JSON, "application/*": JSON, "application/parquet": PARQUET, "application/ndjson": NDJSON, "text/*": CSV}


def form_of(request: Request) -> Form:
    """The served form that the client likes best; JSON where it does not say."""
    for media in _by_quality(request.headers.get("accept", "*/*")):
        if (form := FORMS.get(_SYNONYMS.get(media, media))) is not None:
            return form
    refused = Incorrect(
        "not-acceptable", f"Accept: {request.headers['accept'][:80]} is not written here: ask for one of {', '.join(FORMS)}"
    )
    refused.status = NOT_ACCEPTABLE
    raise refused


async def streamed(
    request: Request,
    chunks: AsyncIterator[bytes],
    media: str,
    headers: Mapping[str, str],
    frame: tuple[bytes, Callable[[int], bytes]] | None,
) -> Response:
    """frame: what goes before a JSON array of rows, and what goes after it given their number."""
    framed = chunks if frame is None else _framed(chunks, *frame)
    first = await anext(framed, b"")
    encoding = _encoding(request, media)
    body = _chained(first, framed)
    if encoding == "zstd":
        body = _compressed(body, zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj())
    elif encoding == "gzip":
        body = _compressed(body, zlib.compressobj(GZIP_LEVEL, wbits=31))
    sent = dict(headers) | {"Vary": "Accept, Accept-Encoding"} | ({"Content-Encoding": encoding} if encoding else {})
    return StreamingResponse(body, headers=sent, media_type=media)


def _by_quality(accept: str) -> list[str]:
    found = []
    for at, part in enumerate(accept.split(",")):
        media, *words = (word.strip().lower() for word in part.split(";"))
        quality = next((word[2:] for word in words if word.startswith("q=")), "1")
        try:
            found.append((-float(quality), at, media))
        except ValueError:
            found.append((0.0, at, media))
    return [media for quality, _, media in sorted(found) if quality < 0]


def _encoding(request: Request, media: str) -> str:
    if media == PARQUET:
        return ""  # compressed inside
    accepted = _by_quality(request.headers.get("accept-encoding", "identity"))
    return next((one for one in accepted if one in ("zstd", "gzip", "identity")), "").replace("identity", "")


async def _framed(chunks: AsyncIterator[bytes], before: bytes, after: Callable[[int], bytes]) -> AsyncIterator[bytes]:
    """An array of ClickHouse's rows, one a line: commas are put between them here, since chDB starts an array of its own with
    every block that it streams. Rows are counted by their line ends, which are escaped inside rows.
    """
    count, held = 0, before + b"[\n"
    async for chunk in chunks:
        count += chunk.count(b"\n")
        rows = chunk.replace(b"\n", b",\n")
        ended = rows.endswith(b",\n")
        yield held + (rows[:-2] if ended else rows)
        held = b",\n" if ended else b""
    yield (b"\n" if count else held) + b"]" + after(count)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


class _Machine(Protocol):
    """What both compressors are."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


async def _compressed(chunks: AsyncIterator[bytes], machine: _Machine) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        packed = machine.compress(chunk) if len(chunk) < INLINE_BYTES_MAX else await asyncio.to_thread(machine.compress, chunk)
        if packed:
            yield packed
    yield machine.flush()
