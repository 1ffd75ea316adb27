"""HTTP as light as it gets, so that the client takes little of the machine that it measures: one kept connection, bytes in, bytes out.

Before: made.py made the bodies. After: the lines take the time. Line is for threads, AsyncLine for one loop with many connections.
"""

import asyncio
import http.client
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import orjson

from bench.row import Wrong
from varve.clock import SystemClock

ARROW, JSON = "application/vnd.apache.arrow.stream", "application/json"
VISIBLE_SECONDS_MAX = 600.0
_CLOCK = SystemClock()
_NEXT = 'rel="next"'


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    following: str  # path of the next page, "" on the last

    def token(self) -> str:
        return str(orjson.loads(self.body)["token"])


class Line:
    """One connection, used by one thread."""

    def __init__(self, url: str, tenant: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)
        self._tenant = tenant

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = JSON, accept: str = JSON) -> Answer:
        """Any status."""
        self._connection.request(method, path, body, {"X-Tenant": self._tenant, "Content-Type": kind, "Accept": accept})
        answer = self._connection.getresponse()
        link = answer.headers.get("Link", "")
        return Answer(answer.status, answer.read(), _path_of(link) if _NEXT in link else "")

    def post(self, path: str, body: bytes, kind: str = JSON) -> Answer:
        return _good(self.ask("POST", path, body, kind), path)

    def get(self, path: str, accept: str = JSON) -> Answer:
        return _good(self.ask("GET", path, accept=accept), path)

    def pages(self, path: str, accept: str = ARROW) -> list[bytes]:
        """Every page's body."""
        bodies = []
        while path:
            answer = self.get(path, accept)
            bodies.append(answer.body)
            path = answer.following
        return bodies

    def visible(self, key: str, tokens: Iterable[str], seconds_max: float = VISIBLE_SECONDS_MAX) -> None:
        """Back when reads show what the tokens' writes wrote; Wrong when that takes too long."""
        deadline = _CLOCK.monotonic() + seconds_max
        for token in tokens:
            path = read_path("flat", [key], after=token, limit="1", columns="value")
            while (answer := self.ask("GET", path)).status != 200:
                if answer.status != 503 or _CLOCK.monotonic() > deadline:
                    raise Wrong(f"not visible: {answer.status} {answer.body[:300]!r}")

    def close(self) -> None:
        self._connection.close()


class AsyncLine:
    """One kept connection of a loop; requests are bytes made before."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> "AsyncLine":
        where = urlsplit(url)
        return cls(*await asyncio.open_connection(where.hostname, where.port))

    async def send(self, request: bytes) -> bytes:
        """The answer's body; its length is told by the server."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await self._reader.readexactly(int(length))
        if not head.startswith(b"HTTP/1.1 200"):
            raise Wrong(f"{head.splitlines()[0]!r}: {body[:300]!r}")
        return body

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def send_all(url: str, requests: Sequence[bytes], clients: int) -> list[tuple[float, bytes]]:
    """Milliseconds and answer of each, client by client; each client awaits an answer before its next request."""

    async def send(part: Sequence[bytes]) -> list[tuple[float, bytes]]:
        line, found = await AsyncLine.open(url), []
        for request in part:
            start = _CLOCK.monotonic()
            body = await line.send(request)
            found.append((1000 * (_CLOCK.monotonic() - start), body))
        await line.close()
        return found

    shares = [requests[number::clients] for number in range(clients)]
    return [one for part in await asyncio.gather(*(send(part) for part in shares if part)) for one in part]


def request_bytes(path: str, body: bytes, tenant: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-Tenant: {tenant}\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def post_all(url: str, tenant: str, path: str, bodies: Sequence[bytes], kind: str, senders: int) -> list[Answer]:
    """`senders` connections, a thread each; the order of answers is that of bodies."""
    lines = [Line(url, tenant) for _ in range(senders)]

    def send(number: int) -> list[tuple[int, Answer]]:
        return [(at, lines[number].post(path, bodies[at], kind)) for at in range(number, len(bodies), senders)]

    with ThreadPoolExecutor(senders) as threads:
        found = dict(pair for pairs in threads.map(send, range(senders)) for pair in pairs)
    for line in lines:
        line.close()
    return [found[at] for at in range(len(bodies))]


def read_path(shape: str, keys: Sequence[str], **asked: str) -> str:
    words = [("key", key) for key in keys] + [(name.rstrip("_"), said) for name, said in asked.items()]
    return f"/api/v1/values/{shape}?{urlencode(words)}"


def _path_of(link: str) -> str:
    """Of `<http://host/path?query>; rel="next"`."""
    where = urlsplit(link.partition("<")[2].partition(">")[0])
    return f"{where.path}?{where.query}"


def _good(answer: Answer, path: str) -> Answer:
    if answer.status not in (200, 201):
        raise Wrong(f"{path}: {answer.status} {answer.body[:300]!r}")
    return answer
