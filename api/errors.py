"""How errors leave the building: one handler turns each VarveError into its class's status and a JSON body; a door that
words its own (TimeDB's {"detail"}) is asked by path. Nothing of our inside is told where the fault is ours.

Before: everything that raises. After: the client. I12: a held write that gave up waiting carries its token.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from varve.errors import BadRow, Conflict, Fault, Incorrect, NotFound, TooOften, Unauthorized, Unavailable, VarveError
from varve.position import Token

log = logging.getLogger(__name__)


class StillWaiting(Unavailable):
    """The write is safe on the log; only the wait for its view was given up."""

    def __init__(self, code: str, message: str, token: Token) -> None:
        super().__init__(code, message)
        self.token = token


class ConditionFailed(Conflict):
    """event_id: by which the outcome can be read."""

    def __init__(self, code: str, message: str, event_id: str) -> None:
        super().__init__(code, message)
        self.event_id = event_id


@dataclass(frozen=True)
class Wording:
    """Which paths a door owns and how it says an error. words: its own of some codes; unknown: the status of a caller whom nobody knows."""

    owns: Callable[[str], bool]
    body: Callable[[VarveError], dict[str, Any]]
    words: Mapping[str, str] = field(default_factory=dict)
    unknown: int = Unauthorized.status
    challenge: str = 'Bearer realm="varve"'


def native_body(error: VarveError) -> dict[str, Any]:
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(error, StillWaiting):
        said["token"] = str(error.token)
    said["rows"] = [{"row": bad.row, "column": bad.column, "reason": bad.reason} for bad in error.rows]
    return {"error": said}


def body_under(name: str) -> Callable[[VarveError], dict[str, Any]]:
    """Of a door that says an error as one text of this name."""

    def body(error: VarveError) -> dict[str, Any]:
        said: dict[str, Any] = {name: error.message}
        if error.rows:
            said["rows"] = [{"row": bad.row, "column": bad.column, "reason": bad.reason} for bad in error.rows]
        if isinstance(error, StillWaiting):
            said["token"] = str(error.token)
        return said

    return body


NATIVE = Wording(lambda _: True, native_body)


def answer(error: VarveError, path: str, wordings: Sequence[Wording]) -> Response:
    wording = next((one for one in wordings if one.owns(path)), NATIVE)
    error.message = wording.words.get(error.code, error.message)
    body, status = wording.body(error), error.status
    headers = {"Retry-After": "1"} if error.status == Unavailable.status else {}
    if isinstance(error, Unauthorized):
        status = wording.unknown
        headers["WWW-Authenticate"] = wording.challenge
    if isinstance(error, TooOften):
        headers["Retry-After"] = str(math.ceil(error.seconds))
    if isinstance(error, StillWaiting):
        headers["Varve-Token"] = str(error.token)
    if isinstance(error, ConditionFailed):
        headers["Varve-Event"] = error.event_id
    return Response(orjson.dumps(body), status, headers, "application/json")


def install(app: FastAPI, wordings: Sequence[Wording]) -> None:
    async def refused(asked: Any, error: Exception) -> Any:
        """A WebSocket's handshake is answered as any other request."""
        said = answer(_as_varve(error), _path_of(asked), wordings)
        return await asked.send_denial_response(said) if isinstance(asked, WebSocket) else said

    async def broken(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        fault = Fault("internal", "a defect of Varve: the server's log has the details")
        return answer(fault, _path_of(request), wordings)

    for kind in (VarveError, RequestValidationError, WebSocketRequestValidationError, HTTPException):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(Exception, broken)


def _path_of(request: HTTPConnection) -> str:
    """As its door knows it, also under /generations/NAME."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


def _as_varve(error: Exception) -> VarveError:
    match error:
        case VarveError():
            return error
        case RequestValidationError() | WebSocketRequestValidationError():
            return from_validation(error.errors())
        case HTTPException():
            if error.status_code == NotFound.status:
                return NotFound("no-such-route", "there is nothing at this path: GET /openapi.json lists the routes")
            other = Incorrect("method-not-allowed" if error.status_code == 405 else "http", str(error.detail))
            other.status = error.status_code
            return other
        case _:
            return Fault("internal", "a defect of Varve")


def from_validation(found: Sequence[Any]) -> Incorrect:
    """pydantic's list of complaints in our words: one bad row each."""
    rows = tuple(BadRow(_row_of(one["loc"]), _column_of(one["loc"]), _reason(one)) for one in found)
    strange = next((at for at, one in enumerate(found) if one["type"] == "extra_forbidden"), 0)
    first = rows[strange]  # a misspelt word explains what is missing
    return Incorrect("field-incorrect", f"{first.column}: {first.reason}", rows)


def _reason(one: Any) -> str:
    return "is not a field of this request" if one["type"] == "extra_forbidden" else str(one["msg"])


def _row_of(place: Sequence[Any]) -> int:
    return next((part for part in place if isinstance(part, int)), 0)


def _column_of(place: Sequence[Any]) -> str:
    words = [str(part) for part in place if not isinstance(part, int) and part not in ("query", "body", "header", "path")]
    return ".".join(words) or "the request"
