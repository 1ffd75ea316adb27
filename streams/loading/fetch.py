"""A source's answer as a file, or in words why not. Nothing that the other side does takes more time, disk or memory than allowed.

Before: placeholders.py has the address. After: reading.py. Each redirect is judged anew (addresses.py), and an authentication header does
not follow to another host. What may work later (no connection, 5xx, 429, an answer cut short) is tried again after a pause.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from streams.loading.addresses import Resolve, allowed, resolved
from streams.loading.bodies import too_large, written
from varve.errors import Forbidden, Incorrect, NotFound, Unavailable, VarveError
from varve.settings import LoadingSettings

REDIRECTS_MAX = 5
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 1.0, 30.0
_REDIRECTS = (301, 302, 303, 307, 308)
_AGAIN = (408, 425, 429)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONE_USE = httpx.Limits(max_keepalive_connections=0)  # a connection was judged, and its certificate held to, for one host
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Limits:
    """connect_seconds: to reach the host; silent_seconds: between two pieces of the answer; total_seconds: all tries together."""

    allow_private: bool = False
    connect_seconds: float = 10.0
    silent_seconds: float = 60.0
    total_seconds: float = 900.0
    bytes_max: int = 2 << 30
    tries: int = 3


def limits_of(settings: LoadingSettings) -> Limits:
    return Limits(
        settings.allow_private,
        settings.connect_seconds,
        settings.silent_seconds,
        settings.total_seconds,
        settings.size_mb_max << 20,
        settings.tries,
    )


class Fetched(NamedTuple):
    """bytes: of the file. url: where it came from, after redirects, without secrets."""

    bytes: int
    url: str


class _Again(Exception):
    """May work later."""

    def __init__(self, refusal: VarveError, seconds: float = 0.0) -> None:
        super().__init__(refusal.message)
        self.refusal, self.seconds = refusal, seconds


async def fetch(
    url: str, header: tuple[str, str] | None, into: Path, limits: Limits, pause: Pause = asyncio.sleep, resolve: Resolve = resolved
) -> Fetched:
    """header: name and value, for the source's own host alone."""
    _refuse_header(header)
    try:
        async with asyncio.timeout(limits.total_seconds), _client(limits) as client:
            for attempt in range(1, limits.tries + 1):
                try:
                    return await _followed(client, url, header, into, limits, resolve)
                except _Again as again:
                    if attempt == limits.tries:
                        raise _after(again.refusal, attempt) from None
                    await pause(min(PAUSE_SECONDS_MAX, max(again.seconds, PAUSE_SECONDS * 2 ** (attempt - 1))))
    except TimeoutError:
        words = f"{shown(url)} did not answer whole within {limits.total_seconds:g} s: ask it for a shorter span"
        raise Unavailable("source-slow", words) from None
    raise AssertionError("unreachable")


def shown(url: str) -> str:
    """Without what may be secret: a name, a password, a query."""
    try:
        plain = httpx.URL(url)
    except httpx.InvalidURL:
        return url.partition("?")[0]
    return str(plain.copy_with(username=None, password=None, query=None, fragment=None)) + ("?…" if plain.query else "")


def _client(limits: Limits) -> httpx.AsyncClient:
    """No proxy and no cookie of this machine's."""
    times = httpx.Timeout(limits.silent_seconds, connect=limits.connect_seconds)
    agent = {"User-Agent": "varve-loader", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    return httpx.AsyncClient(timeout=times, trust_env=False, follow_redirects=False, headers=agent, limits=_ONE_USE)


async def _followed(
    client: httpx.AsyncClient, url: str, header: tuple[str, str] | None, into: Path, limits: Limits, resolve: Resolve
) -> Fetched:
    here = _address(url)
    home = _origin(here)
    for _ in range(REDIRECTS_MAX + 1):
        addresses = await _addresses(here, limits, resolve)
        answer = await _asked(client, here, header if _origin(here) == home else None, addresses)
        try:
            if answer.status_code not in _REDIRECTS:
                _refuse_status(answer, here)
                size = await _stored(answer, here, into, limits)
                return Fetched(size, shown(str(here)))
            here = _next(here, answer)
        finally:
            await answer.aclose()
            client.cookies.clear()
    raise Incorrect("source-redirects", f"{shown(url)} sends on to another address more than {REDIRECTS_MAX} times")


async def _addresses(url: httpx.URL, limits: Limits, resolve: Resolve) -> Sequence[str]:
    try:
        return await allowed(url.host, url.port or (443 if url.scheme == "https" else 80), resolve, limits.allow_private)
    except Unavailable as refusal:
        raise _Again(refusal) from None


async def _asked(client: httpx.AsyncClient, url: httpx.URL, header: tuple[str, str] | None, addresses: Sequence[str]) -> httpx.Response:
    """By the first address that answers; the name goes into Host and into TLS, so that certificates are held to it."""
    refusal: _Again | None = None
    for address in addresses:
        request = client.build_request("GET", url.copy_with(host=address), headers=dict([header] if header else []))
        request.headers["Host"] = url.netloc.decode("ascii")
        request.extensions["sni_hostname"] = url.host
        try:
            return await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as reason:
            refusal = _Again(Unavailable("source-unreachable", f"no connection to {shown(str(url))}: {str(reason) or 'it timed out'}"))
        except httpx.TimeoutException:
            raise _Again(Unavailable("source-slow", f"{shown(str(url))} is silent")) from None
        except (httpx.TransportError, httpx.InvalidURL) as reason:
            raise _Again(Unavailable("source-broken", f"{shown(str(url))} does not speak HTTP rightly: {reason}")) from None
    raise refusal or Unavailable("source-unknown", f"{shown(str(url))}: its host has no address")


async def _stored(answer: httpx.Response, url: httpx.URL, into: Path, limits: Limits) -> int:
    said = answer.headers.get("Content-Length", "")
    if said.isdigit() and int(said) > limits.bytes_max:
        raise too_large(shown(str(url)), limits.bytes_max)
    try:
        size = await written(answer.aiter_raw(), answer.headers.get("Content-Encoding", ""), into, limits.bytes_max, shown(str(url)))
    except httpx.TimeoutException:
        raise _Again(Unavailable("source-slow", f"{shown(str(url))} fell silent in the middle of its answer")) from None
    except httpx.TransportError as reason:
        raise _Again(Unavailable("source-cut", f"the answer of {shown(str(url))} ends before its end: {reason}")) from None
    if not size:
        words = f"{shown(str(url))} answered without a body: it may have nothing for this span; look at the address and its parameters"
        raise Incorrect("source-empty", words)
    return size


def _refuse_status(answer: httpx.Response, url: httpx.URL) -> None:
    status, where = answer.status_code, shown(str(url))
    said = f"{status} {answer.reason_phrase}".strip()
    if status in (401, 403):
        raise Forbidden("source-unauthorized", f"{where} refused the log-in ({said}): look at the connection's authentication header")
    if status == 404:
        raise NotFound("source-missing", f"{where} is not there ({said}): look at the address and its placeholders")
    if status in _AGAIN or status >= 500:
        again = answer.headers.get("Retry-After", "")
        raise _Again(Unavailable("source-failing", f"{where} failed ({said})"), float(again) if again.isdigit() else 0.0)
    if status >= 400:
        raise Incorrect("source-refused", f"{where} refused the request ({said}): look at the address and its parameters")
    if status == 204:
        raise Incorrect("source-empty", f"{where} answered that it has nothing ({said})")
    if status != 200:
        raise Incorrect("source-refused", f"{where} answered {said}, where 200 was expected")


def _next(here: httpx.URL, answer: httpx.Response) -> httpx.URL:
    where = answer.headers.get("Location", "")
    if not where:
        raise Incorrect("source-redirects", f"{shown(str(here))} sends on to another address ({answer.status_code}) and does not say which")
    try:
        return _address(str(here.join(where)))
    except httpx.InvalidURL:
        raise Incorrect("source-redirects", f"{shown(str(here))} sends on to what is no address") from None


def _address(url: str) -> httpx.URL:
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as reason:
        raise Incorrect("address-malformed", f"the address {shown(url)} is malformed: {reason}") from None
    if found.scheme not in ("http", "https") or not found.host:
        raise Incorrect("address-malformed", f"the address {shown(url)} must begin with http:// or https:// and name a host")
    return found


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _refuse_header(header: tuple[str, str] | None) -> None:
    if header is None:
        return
    name, value = header
    if not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
        words = f"the authentication header '{name}' cannot be sent: its name is letters, digits and -, its value one line of ASCII"
        raise Incorrect("header-malformed", words)
    if name.lower() in ("host", "content-length", "transfer-encoding", "connection"):
        raise Incorrect("header-malformed", f"the header '{name}' is not for authentication: it is set by the connection itself")


def _after(refusal: VarveError, tries: int) -> VarveError:
    return type(refusal)(refusal.code, f"{refusal.message} ({tries} tries)" if tries > 1 else refusal.message)
