"""Following a server: the live tail as an iterator that comes back by itself, and the log page by page.

Before: varve/client.py. After: client_http.py. Each position is where to go on, so that nothing is missed when a line breaks.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from varve.client_http import Line, Params
from varve.errors import Unavailable

ROWS_A_PAGE = 500


@dataclass(frozen=True)
class Told:
    """layers, deletions: rows as they became visible. position: all before it is told; its token is where to go on."""

    event: Literal["layers", "deletions", "position"]
    rows: list[dict[str, Any]]
    token: str | None = None


@dataclass(frozen=True)
class EventsPage:
    """token: of what comes after it."""

    events: list[dict[str, Any]]
    token: str


def live(line: Line, params: Params, after: str | None) -> Generator[Told]:
    """Without an end. A line that breaks, or a server that stops, is asked again for what comes after the last position."""
    silent = 0
    while True:
        try:
            for told in _told(line, {**params, "after": after}):
                silent, after = 0, told.token or after
                yield told
        except Unavailable:
            if silent + 1 >= line.retries.tries:
                raise
        line.retries.wait(silent)
        silent += 1


def events(line: Line, after: str | None) -> Iterator[EventsPage]:
    """Up to the log's end of the last page."""
    more = True
    while more:
        page = line.get("/api/v1/events", {"after": after, "limit": ROWS_A_PAGE})
        after, more = page["token"], page["more"]
        yield EventsPage(page["events"], page["token"])


def _told(line: Line, params: Params) -> Iterator[Told]:
    held: dict[str, str] = {}
    for text in line.lines("/api/v1/live", params):
        name, _, rest = text.partition(": ")
        if text and name:  # a comment has no name
            held[name] = rest
        elif held and not text:
            body = orjson.loads(held["data"])
            yield Told("position", [], held["id"]) if held["event"] == "position" else Told(_kind(held["event"]), body)
            held = {}


def _kind(event: str) -> Literal["layers", "deletions"]:
    return "deletions" if event == "deletions" else "layers"
