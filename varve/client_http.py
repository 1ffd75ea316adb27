"""The client's line to the server: one request with retries, its errors as ours, pages followed to their end.

Before: varve/client.py asks. After: Arrow tables and JSON bodies. A write always carries an Idempotency-Key, so that a
retry never counts twice (I3).
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import httpx
import orjson

from varve.clock import new_id
from varve.errors import (
    BadRow,
    Conflict,
    Fault,
    Forbidden,
    Incorrect,
    NotFound,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedType,
    VarveError,
)
from varve.position import Token
from varve.series import DEFAULT_TENANT
from varve.settings import Settings

if TYPE_CHECKING:  # the loader uses this room, and does without Arrow while it waits
    import pyarrow as pa

ARROW, JSON = "application/vnd.apache.arrow.stream", "application/json"
EVENT_STREAM = "text/event-stream"
TRY_AGAIN = (502, 503, 504)
BACK_OFF_SECONDS_MAX = 10.0
SILENT_SECONDS_MAX = 60.0  # of a live tail, which says every 15 s that it is there
_CLASSES = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedType,
    502: Unavailable,
    503: Unavailable,
}
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Retries:
    """tries: how often a request is sent at the most; the pause doubles from first_seconds, up to 10 s."""

    tries: int = 7
    first_seconds: float = 0.2
    pause: Callable[[float], None] = time.sleep

    def wait(self, attempt: int) -> None:
        """After the attempt-th try, counted from 0."""
        self.pause(min(BACK_OFF_SECONDS_MAX, self.first_seconds * 2**attempt))


class Line:
    """One server, one tenant; `token` covers every write so far. Threads may share it."""

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout_seconds: float, retries: Retries, transport: httpx.BaseTransport | None
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=dict(headers), timeout=httpx.Timeout(timeout_seconds, connect=10.0), transport=transport
        )
        self._url, self.retries = url, retries
        self._lock = threading.Lock()
        self.token: str | None = None
        self.repeated = 0  # writes that the server had before they were sent: their key and body are known

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @cached_property
    def tenant(self) -> uuid.UUID:
        """The one that was named, else the key's, which the server tells."""
        named = self._http.headers.get("X-Tenant")
        if named is None and "X-API-Key" in self._http.headers:
            named = self.get("/api/v1/me")["tenant"]
        return DEFAULT_TENANT if named is None else uuid.UUID(named)

    def get(self, path: str, params: Params | None = None) -> Any:
        return self._send("GET", path, params, {"Accept": JSON}, None).json()

    def write(self, method: str, path: str, body: Any, params: Params | None = None, key: str | None = None) -> Any:
        """A JSON or Arrow body, or none; the same key with the same body counts once, now and on a later day."""
        import pyarrow as pa

        content, kind = (arrow_bytes(body), ARROW) if isinstance(body, pa.Table) else (b"" if body is None else orjson.dumps(body), JSON)
        headers = {"Content-Type": kind, "Accept": JSON, "Idempotency-Key": key or new_id().hex}
        return self._send(method, path, params, headers, content).json()

    def pages(self, path: str, params: Params | None = None) -> Iterator["pa.Table"]:
        """The Arrow tables of a read, page by page; all at the watermark of the first (I9)."""
        return (table for table, _ in self.placed_pages(path, params))

    def placed_pages(self, path: str, params: Params | None = None) -> Iterator[tuple["pa.Table", str]]:
        """Each with the watermark that it was read at, for watermark= of another read."""
        next_page: str | None = path
        while next_page is not None:
            answer = self._send("GET", next_page, params, {"Accept": ARROW, "Accept-Encoding": "identity"}, None)
            yield arrow_table(answer.content), answer.headers.get("Varve-Watermark", "")
            next_page, params = answer.links.get("next", {}).get("url"), None  # the link says everything

    def listed(self, path: str, name: str, params: Params) -> Iterator[Mapping[str, Any]]:
        """The rows of a list, following its cursor."""
        cursor: str | None = None
        while True:
            found = self.get(path, {**params, **({"cursor": cursor} if cursor else {})})
            yield from found[name]
            cursor = found.get("next")
            if cursor is None:
                return

    def lines(self, path: str, params: Params) -> Iterator[str]:
        """Of an answer without an end, as they come; Unavailable where the line breaks."""
        waits = httpx.Timeout(SILENT_SECONDS_MAX, connect=10.0)
        try:
            with self._http.stream("GET", path, params=_present(params), headers={"Accept": EVENT_STREAM}, timeout=waits) as answer:
                if answer.is_error:
                    answer.read()
                    raise error_of(answer)
                yield from answer.iter_lines()
        except httpx.TransportError as reason:
            raise self._unreachable(reason) from None

    def wait_for(self, token: str | None = None) -> None:
        """Returns when reads show what the token's write wrote; without one, every write so far."""
        self.get("/api/v1/series", {"limit": 1, "after": token or self.token})

    def _send(self, method: str, path: str, params: Params | None, headers: Mapping[str, str], content: bytes | None) -> httpx.Response:
        said: VarveError | None = None
        for attempt in range(self.retries.tries):
            if attempt:
                self.retries.wait(attempt - 1)
            try:
                answer = self._http.request(method, path, params=_present(params), headers=dict(headers), content=content)
            except httpx.TransportError as reason:
                said = self._unreachable(reason)
                continue
            self._remember(answer.headers.get("Varve-Token"))  # a write that gave up waiting is safe all the same
            if answer.is_success:
                self._count(attempt, answer)
                return answer
            said = error_of(answer)
            if answer.status_code not in TRY_AGAIN:
                break
        assert said is not None
        raise said

    def _remember(self, token: str | None) -> None:
        if token is None:
            return
        with self._lock:
            later = Token.parse(token)
            former = None if self.token is None else Token.parse(self.token)
            self.token = str(later if former is None or former.log_id != later.log_id else former.merged(later))

    def _count(self, attempt: int, answer: httpx.Response) -> None:
        """What is repeated after a retry may be this very request."""
        if attempt == 0 and "Idempotency-Replayed" in answer.headers:
            with self._lock:
                self.repeated += 1

    def _unreachable(self, reason: httpx.TransportError) -> Unavailable:
        words = str(reason) or type(reason).__name__
        repair = "start it with `varve up`, or correct the address (a command takes --url, or --data DIR)"
        return Unavailable("server-unreachable", f"no answer from {self._url} ({words}): {repair}")


def line_to(
    url: str,
    tenant: uuid.UUID | str | None = None,
    key: str | None = None,
    *,
    timeout_seconds: float = 120.0,
    retries: Retries | None = None,
    transport: httpx.BaseTransport | None = None,
) -> Line:
    headers = {"User-Agent": "varve-client"}
    headers |= {"X-Tenant": str(tenant)} if tenant else {}
    key = key or Settings().access.key
    headers |= {"X-API-Key": key} if key else {}
    return Line(url, headers, timeout_seconds, retries or Retries(), transport)


def error_of(answer: httpx.Response) -> VarveError:
    """The server's refusal as the class that it raised, with its code, message and bad rows."""
    try:
        told = answer.json()["error"]
        code, message = str(told["code"]), str(told["message"])
        rows = tuple(BadRow(int(row["row"]), str(row["column"]), str(row["reason"])) for row in told.get("rows", ()))
    except (ValueError, KeyError, TypeError):
        code, message, rows = "http", f"{answer.request.url} answered {answer.status_code}: {answer.text[:300]}", ()
    fallback = Fault if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else Incorrect
    return _CLASSES.get(answer.status_code, fallback)(code, message, rows)


def arrow_bytes(table: "pa.Table") -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue()).tobytes()


def arrow_table(content: bytes) -> "pa.Table":
    import pyarrow as pa

    return pa.ipc.open_stream(content).read_all() if content else pa.table({})


def _present(params: Params | None) -> httpx.QueryParams | None:
    """None is left out; a list becomes a repeated parameter. None in all: a link that has its own."""
    if params is None:
        return None
    rows: list[tuple[str, str | int | float | bool | None]] = []
    for name, given in params.items():
        listed: Sequence[Any] = given if isinstance(given, list | tuple) else [given]
        rows += [(name, str(one)) for one in listed if one is not None]
    return httpx.QueryParams(rows)
