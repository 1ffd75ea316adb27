"""Who asks, and how: tenant, idempotency key, wait; and the body, read and inflated within its bound.

Before: the client. After: routes parse the bytes. Over the bound the reading stops at once (413).
"""

import asyncio
import uuid
import zlib
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_origin

import orjson
import zstandard
from fastapi import Header, Query, Request
from pydantic import BaseModel, ConfigDict, ValidationError

from api.access.identity import Identity, identity_in
from api.errors import from_validation
from api.stamps import KEY_LENGTH_MAX, Stamp, make_stamp
from api.views import Wait
from varve.access import ACCESS_TENANT, Role
from varve.clock import Clock
from varve.errors import Forbidden, Incorrect, TooLarge, UnsupportedType
from varve.series import DEFAULT_TENANT

JSON, NDJSON, CSV, ARROW = "application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"
OF_THE_ANSWER = ("", "wait", "return")  # parameters that a repeated request may say otherwise
INLINE_BYTES_MAX = 1 << 16  # larger bodies are inflated and parsed in a thread
Model = TypeVar("Model", bound=BaseModel)
_LISTS: set[str] = set()  # parameters that may be repeated


class Asked(BaseModel):
    """Base of the query models: an unknown parameter is an error, and so is one that is said twice but is no list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        for name, field in cls.model_fields.items():
            if get_origin(field.annotation) is list:
                _LISTS.add(field.alias or name)


class WriteAsked(Asked):
    wait: Annotated[Wait, Query(description="view: answer when the write shows in every read; log: when it is safe on the log")] = "view"


@dataclass(frozen=True)
class Caller:
    tenant: uuid.UUID
    key: str | None
    scope: str
    query: str  # what it says, in one order; how the answer is given is left out
    identity: Identity | None = None  # None while access is off

    def stamp(self, clock: Clock, body: bytes, tenant: uuid.UUID | None = None) -> Stamp:
        return make_stamp(clock, tenant or self.tenant, self.scope, self.key, (body, self.query.encode()), self.changed_by)

    @property
    def changed_by(self) -> str | None:
        """Who asks, where that is known."""
        return None if self.identity is None else self.identity.name


async def caller(
    request: Request,
    x_tenant: Annotated[str | None, Header(description="UUID of the tenant; without access, the zero UUID where absent")] = None,
    idempotency_key: Annotated[str | None, Header(description="repeat it with the same body and the request is applied once")] = None,
) -> Caller:
    """A dependency of every route; async, else FastAPI runs it in a thread."""
    if idempotency_key is not None and not 1 <= len(idempotency_key) <= KEY_LENGTH_MAX:
        raise Incorrect("idempotency-key", f"Idempotency-Key has {len(idempotency_key)} characters; 1 to {KEY_LENGTH_MAX} are allowed")
    query = request.url.query.split("&")
    if len(query) > 1 and _is_native(request):  # a door passes what its system passes
        _refuse_repeated([part.partition("=")[0] for part in query])
    said = sorted(part for part in query if part.partition("=")[0] not in OF_THE_ANSWER)
    identity = identity_in(request.scope)
    scope = f"{request.method} {request.url.path.rstrip('/')}"
    return Caller(tenant_of(x_tenant, identity), idempotency_key, scope, "&".join(said), identity)


def _is_native(request: Request) -> bool:
    """Also under /generations/NAME."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", "")).startswith("/api/v1/")


def _refuse_repeated(names: list[str]) -> None:
    """Else the last one would win, and nobody would know."""
    repeated = sorted({name for name in names if name and name not in _LISTS and names.count(name) > 1})
    if repeated:
        raise Incorrect("parameter-repeated", f"{repeated[0]}: stands in the address {names.count(repeated[0])} times; say it once")


async def caller_of(request: Request) -> Caller:
    """The same, read by hand on hot paths."""
    return await caller(request, request.headers.get("x-tenant"), request.headers.get("idempotency-key"))


def tenant_of(text: str | None, identity: Identity | None) -> uuid.UUID:
    """The caller's own, which X-Tenant may repeat; what X-Tenant says where nobody is asked who calls, or the operator calls."""
    own = DEFAULT_TENANT if identity is None else identity.tenant
    if text is None:
        return own
    try:
        found = uuid.UUID(text)
    except ValueError:
        raise Incorrect("tenant", f"X-Tenant: '{text[:80]}' is not a UUID") from None
    return chosen_tenant(found, own, identity)


def chosen_tenant(found: uuid.UUID, own: uuid.UUID, identity: Identity | None) -> uuid.UUID:
    """One that a request names."""
    if found == ACCESS_TENANT or (found != own and identity is not None and identity.role < Role.OPERATOR):
        raise Forbidden("tenant-foreign", f"tenant {found} is not yours: leave it out, or send a key of that tenant")
    return found


def content_type(request: Request, *served: str) -> str:
    """The body's type, one of those served; a body without a type is taken as the first."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower() or served[0]
    if given not in served:
        raise UnsupportedType("content-type", f"Content-Type {given} is not read here: send {', '.join(served)}")
    return given


async def read_body(request: Request, mb_max: int) -> bytes:
    bound = mb_max << 20
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > bound:
        raise _too_large(mb_max)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bound:
            raise _too_large(mb_max)
        chunks.append(chunk)
    body = b"".join(chunks)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return body
    if len(body) <= INLINE_BYTES_MAX // 16:
        return inflate(body, encoding, mb_max)
    return await asyncio.to_thread(inflate, body, encoding, mb_max)


def inflate(body: bytes, encoding: str, mb_max: int) -> bytes:
    """Never more than the bound is held, however small the body was."""
    bound = mb_max << 20
    try:
        match encoding:
            case "gzip" | "x-gzip" | "deflate":
                machine = zlib.decompressobj(wbits=47)
                plain = machine.decompress(body, bound + 1)
                complete = machine.eof or len(plain) > bound
            case "zstd":
                with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body, read_across_frames=True) as reader:
                    plain = reader.read(bound + 1)
                complete = True
            case _:
                raise UnsupportedType("content-encoding", f"Content-Encoding {encoding} is not read here: send gzip, zstd or identity")
    except (zlib.error, zstandard.ZstdError) as error:
        raise Incorrect("body-not-inflated", f"the body is not {encoding}: {error}") from None
    if not complete:
        raise Incorrect("body-not-inflated", f"the {encoding} body ends too early")
    if len(plain) > bound:
        raise _too_large(mb_max)
    return plain


async def read_json(request: Request, mb_max: int) -> tuple[bytes, Any]:
    content_type(request, JSON)
    body = await read_body(request, mb_max)
    return body, parse_json(body) if len(body) <= INLINE_BYTES_MAX else await asyncio.to_thread(parse_json, body)


def parse_json(body: bytes) -> Any:
    """Bounded in depth; NaN, Infinity and numbers beyond float64 are not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = "; JSON has no NaN and no Infinity: send null where a value is missing" if b"NaN" in body or b"Infinity" in body else ""
        raise Incorrect("json-malformed", f"the body is not JSON: {error}{hint}") from None


def parsed(model: type[Model], found: Any) -> Model:
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise from_validation(error.errors(include_url=False, include_input=False)) from None


def _too_large(mb_max: int) -> TooLarge:
    return TooLarge("body-too-large", f"the body is over {mb_max} MiB (VARVE_HTTP__BODY_MB_MAX): send it in parts")
