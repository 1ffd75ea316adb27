"""ClickHouse's HTTP interface over chDB, in a process of its own: the real engine, and as much of the protocol as clickhouse-connect
speaks. For tests of several processes over one store, and of a store that goes away, where no ClickHouse server is at hand.

python -m tests.integration.chdb_server DIRECTORY PORT
"""

import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

_OF_THE_LINE = {
    "query",
    "database",
    "query_id",
    "session_id",
    "wait_end_of_query",
    "client_protocol_version",
    "compress",
    "decompress",
    "default_format",
    "send_progress_in_http_headers",
    "http_headers_progress_interval_ms",
    "enable_http_compression",
}
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s.*?\sFORMAT\s+(\w+)\s*\n", re.DOTALL | re.IGNORECASE)


class Connection(threading.local):
    """One of each thread: chDB serves one call at a time on each."""

    def __init__(self, directory: str) -> None:
        connect: Any = chdb.connect
        self._line = connect(directory)
        self._set: dict[str, str] = {}

    def answer(self, asked: dict[str, str], body: bytes) -> bytes:
        settings = {name: value for name, value in asked.items() if name not in _OF_THE_LINE and not name.startswith("param_")}
        for name, value in settings.items():
            if self._set.get(name) != value:
                self._line.query(f"SET {name} = '{value}'")
                self._set[name] = value
        self._line.query(f"USE `{asked.get('database', 'default')}`")
        parameters = {name.removeprefix("param_"): value for name, value in asked.items() if name.startswith("param_")}
        statement = f"{asked['query']}\n".encode() + body if "query" in asked else body
        insert = _INSERT.match(statement)
        if insert is None:
            return bytes(self._line.query(statement.decode(), "TabSeparated", params=parameters).bytes())
        return self._insert(insert[0].decode().rstrip(), insert[1].decode(), statement[insert.end() :])

    def _insert(self, head: str, form: str, rows: bytes) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            file.write(rows)
            file.flush()
            self._line.query(f"{head.removesuffix(form).rstrip().removesuffix('FORMAT')} FROM INFILE '{file.name}' FORMAT {form}")
        return b""


def handler(connection: Connection) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            try:
                if urlsplit(self.path).path == "/ping":
                    self._say(200, b"Ok.\n")
                else:
                    self._say(200, connection.answer(asked, body), {"X-ClickHouse-Summary": "{}"})
            except Exception as error:  # noqa: BLE001 - whatever the engine says is the client's
                code = re.search(r"Code: (\d+)", str(error))
                self._say(500, str(error).encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1002"})

        def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), "X-ClickHouse-Timezone": "UTC", **(headers or {})}.items():
                self.send_header(name, value)
            if body and status == 200:
                self.send_header("X-ClickHouse-Format", "TabSeparated")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None: ...

    return Answer


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that left is its own matter."""


def main(directory: Path, port: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    Server(("127.0.0.1", port), handler(Connection(str(directory)))).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
