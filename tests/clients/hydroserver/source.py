"""A web service of other people's, as data connections read one: CSV and JSON by station and time, some of it broken."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

START = datetime(2024, 1, 15, 8, tzinfo=UTC)
HOURS = 6
TOKEN = "Bearer a-secret-of-the-source"


@dataclass
class Source:
    """hours: how many readings there are by now. asked: the paths, in order."""

    url: str = ""
    hours: int = HOURS
    asked: list[str] = field(default_factory=list)

    def readings(self, since: datetime) -> Iterator[tuple[datetime, float, float]]:
        for hour in range(self.hours):
            if (at := START + timedelta(hours=hour)) >= since:
                yield at, 20.0 + hour / 2, 60.0 - hour

    def answer(self, path: str, query: dict[str, list[str]], token: str | None) -> tuple[int, str, str]:
        """Status, type and body."""
        since = datetime.fromisoformat(query["start"][0]).replace(tzinfo=UTC) if "start" in query else START
        rows = list(self.readings(since))
        match path:
            case "/readings.csv":
                lines = ["Timestamp,Temperature,Humidity", *(f"{at:%Y-%m-%d %H:%M:%S},{warm},{damp}" for at, warm, damp in rows)]
                return 200, "text/csv", "\n".join(lines) + "\n"
            case "/broken.csv":
                lines = ["Timestamp,Temperature", f"{START:%Y-%m-%d %H:%M:%S},1.5", "no time at all,2.5", "2024-01-15 10:00:00,warm", ""]
                return 200, "text/csv", "\n".join(lines)
            case "/mountain.csv":
                return 200, "text/csv", "Time;Temperature\n2024-01-15 08:30:00;1.5\n2024-07-15 08:30:00;2.5\n"
            case "/readings.json":
                found = [{"datetime": f"{at:%Y-%m-%dT%H:%M:%S}Z", "temperature": warm} for at, warm, _ in rows]
                return 200, "application/json", json.dumps({"data": found})
            case "/station-42" | "/station-99":
                found = [{"timestamp": f"{at:%Y-%m-%dT%H:%M:%S}Z", "Temperature": warm} for at, warm, _ in rows]
                return 200, "application/json", json.dumps({"observations": found})
            case "/guarded.csv" if token != TOKEN:
                return 401, "text/plain", "who are you?"
            case "/guarded.csv":
                return 200, "text/csv", "Timestamp,Temperature\n2024-01-15T08:00:00Z,7.5\n"
            case _:
                return 404, "text/plain", "there is nothing"


@contextmanager
def serving() -> Iterator[Source]:
    source = Source()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            source.asked.append(self.path)
            status, kind, body = source.answer(parts.path, parse_qs(parts.query), self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    source.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
