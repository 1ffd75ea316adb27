"""Timetric's words: plain text, which its client shows as it is."""

from typing import Any

from api.errors import StillWaiting, Wording
from varve.errors import VarveError


def _body(error: VarveError) -> dict[str, Any]:
    said: dict[str, Any] = {"error": error.message}
    if error.rows:
        said["rows"] = [{"row": bad.row, "column": bad.column, "reason": bad.reason} for bad in error.rows]
    if isinstance(error, StillWaiting):
        said["token"] = str(error.token)
    return said


def _owns(path: str) -> bool:
    path = path.removeprefix("/timetric")
    return path == "/create/" or (path.startswith("/series/") and path.endswith("/"))


WORDING = Wording(owns=_owns, body=_body)
