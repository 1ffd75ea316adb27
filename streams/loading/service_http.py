"""The service as its API tells it over HTTP: loading is a client like any other, with the operator's token and the tenant in each request.

Before: scheduler.py and runner.py. After: the API's native routes. Every put and append carries an Idempotency-Key that all its repetitions
share, so that an answer which was lost changes nothing (I3). Who gets no answer for `patience_seconds` is told ServiceAway.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from streams.loading.moments import read_time
from streams.loading.runner import ServiceAway
from streams.loading.service import Changes, Condition, Document
from varve.client_http import ARROW, JSON, TRY_AGAIN, error_of
from varve.clock import Clock, new_id
from varve.errors import NotFound
from varve.position import Token

IDS_MAX = 100  # named in one address
LIST_MAX = 1_000
REQUEST_SECONDS_MAX = 120.0
LOOK_SECONDS = 1.0  # for so long the service holds a look at changes where nothing comes
BACK_OFF_SECONDS_MAX = 5.0


class HttpService:
    """key: of the operator, asked for each request since it ends. opened: reads what the service has sealed."""

    def __init__(
        self, url: str, key: Callable[[], str | None], opened: Callable[[str], str], clock: Clock, patience_seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._url, self._key, self._opened, self._clock, self._patience_seconds = url, key, opened, clock, patience_seconds
        self._http = httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(REQUEST_SECONDS_MAX, connect=5.0), transport=transport)
        self._token: Token | None = None

    async def close(self) -> None:
        await self._http.aclose()

    async def changes(self, since: str | None) -> Changes:
        asked = {"seconds": str(LOOK_SECONDS)} | ({"since": since} if since else {})
        told = (await self._send("GET", "/api/v1/loading", None, asked)).json()
        return Changes(read_time(told["now"]), told["watermark"], [_document(uuid.UUID(row["tenant"]), row) for row in told["documents"]])

    async def read(self, tenant: uuid.UUID, kind: str, ident: str) -> Document | None:
        try:
            return _document(tenant, (await self._send("GET", _path(kind, ident), tenant, {})).json())
        except NotFound:
            return None

    async def under(self, tenant: uuid.UUID, kind: str, prefix: str) -> list[Document]:
        found, asked = [], {"prefix": prefix, "limit": str(LIST_MAX)}
        while True:
            told = (await self._send("GET", f"/api/v1/entities/{kind}", tenant, asked)).json()
            found += [_document(tenant, row) for row in told["entities"]]
            if told.get("next") is None:
                return found
            asked = {**asked, "cursor": told["next"]}

    async def put(self, tenant: uuid.UUID, kind: str, ident: str, body: Mapping[str, Any], condition: Condition) -> int | None:
        asked = {"if_absent": "true"} if condition.version is None else {"expected_version": str(condition.version)}
        answer = await self._send("PUT", _path(kind, ident), tenant, asked, orjson.dumps(body), JSON, new_id().hex, taken=(409,))
        return None if answer.status_code == httpx.codes.CONFLICT else int(answer.json()["version"])

    async def ends(self, tenant: uuid.UUID, series: Sequence[uuid.UUID]) -> dict[uuid.UUID, int | None]:
        found: dict[uuid.UUID, int | None] = dict.fromkeys(series)
        for at in range(0, len(series), IDS_MAX):
            asked = {"series_id": [str(one) for one in series[at : at + IDS_MAX]], "columns": "series_id,valid_time"}
            for row in (await self._send("GET", "/api/v1/latest", tenant, asked)).json()["data"]:
                found[uuid.UUID(row["series_id"])] = read_time(row["valid_time"])
        return found

    async def append(self, tenant: uuid.UUID, rows: bytes, key: str) -> None:
        answer = await self._send("POST", "/api/v1/points", tenant, {"wait": "log"}, rows, ARROW, key)
        written = Token.parse(answer.json()["token"])
        self._token = written if self._token is None or self._token.log_id != written.log_id else self._token.merged(written)

    async def settled(self) -> None:
        if self._token is not None:
            await self._send("GET", "/api/v1/series", None, {"limit": "1", "after": str(self._token)})

    def opened(self, sealed: str) -> str:
        return self._opened(sealed)

    async def _send(
        self, method: str, path: str, tenant: uuid.UUID | None, asked: Mapping[str, Any], content: bytes = b"", kind: str = JSON,
        key: str | None = None, taken: Sequence[int] = (),
    ) -> httpx.Response:  # fmt: skip
        """taken: statuses that the caller reads for himself."""
        headers = {"Accept": JSON, "Content-Type": kind} | ({} if key is None else {"Idempotency-Key": key})
        headers |= {} if tenant is None else {"X-Tenant": str(tenant)}
        began, pause = self._clock.monotonic(), 0.1
        while True:
            said = await self._once(method, path, headers, asked, content)
            if isinstance(said, httpx.Response):
                if said.is_success or said.status_code in taken:
                    return said
                error = error_of(said)
                if said.status_code not in TRY_AGAIN:
                    raise error
                words = error.message
            else:
                words = said
            if self._clock.monotonic() - began + pause > self._patience_seconds:
                raise ServiceAway("service-away", f"no answer from {self._url} for {self._patience_seconds:.0f} s: {words}")
            await asyncio.sleep(pause)
            pause = min(BACK_OFF_SECONDS_MAX, 2 * pause)

    async def _once(
        self, method: str, path: str, headers: dict[str, str], asked: Mapping[str, Any], content: bytes
    ) -> httpx.Response | str:
        key = self._key()
        try:
            more = {} if key is None else {"X-API-Key": key}
            return await self._http.request(method, path, headers=headers | more, params=dict(asked), content=content)
        except httpx.TransportError as reason:
            return str(reason) or type(reason).__name__


def _path(kind: str, ident: str) -> str:
    return f"/api/v1/entities/{kind}/{quote(ident)}"


def _document(tenant: uuid.UUID, row: Mapping[str, Any]) -> Document:
    return Document(tenant, row["kind"], row["id"], int(row["version"]), read_time(row["recorded_time"]), row["document"])
