"""Loading on a real server with its real loader under kill -9: the run ends as FAILURE and says why, another attempt loads the rest, and
every reading is there once. Readings are told newest first: before the end of what was loaded there are some that were not.
"""

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pyarrow as pa
import pytest

from streams.loading.known import ATTEMPTS_MAX
from tests.conftest import VarveUp, wait_until
from tests.integration.test_api_hydroserver import API, datastream_of, made, thing_of, told, vocabulary
from tests.integration.test_kill import kill, seed_of_this_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROWS = 150_000
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
ROUNDS = 30
ARROW = "application/vnd.apache.arrow.stream"
SETTINGS = {"VARVE_LOADING__ALLOW_PRIVATE": "1", "VARVE_LOADING__LEASE_SECONDS": "5"}


@dataclass
class Station:
    """Answers whole once it may; asked: how often it was."""

    url: str = ""
    body: bytes = b""
    asked: int = 0
    may: threading.Event = field(default_factory=threading.Event)


@contextmanager
def station(rows: int) -> Iterator[Station]:
    lines = [f"{BEGIN + timedelta(minutes=at):%Y-%m-%dT%H:%M:%SZ},{at},{-at}" for at in reversed(range(rows))]
    found = Station(body=("time,up,down\n" + "\n".join(lines) + "\n").encode())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked += 1
            found.may.wait(120)
            self.send_response(200)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/readings.csv"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.may.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Loading:
    """A task with two datastreams in a tenant of its own."""

    http: httpx.Client
    task: str
    streams: tuple[str, str]

    @classmethod
    def of(cls, varve: VarveUp, source: Station) -> "Loading":
        http = httpx.Client(base_url=varve.url, timeout=60, headers={"X-Tenant": str(uuid.uuid4())})
        workspace = str(made(http, "workspaces", {"name": "Rivers", "is_private": False})["id"])
        thing, named = str(made(http, "things", thing_of(workspace))["id"]), vocabulary(http, workspace)
        up, down = (str(made(http, "datastreams", datastream_of(thing, named, name=name))["id"]) for name in ("up", "down"))
        payload = {"type": "CSV", "timestampKey": "time", "headerRow": 1, "dataStartRow": 2, "delimiter": ","}
        connection = {"name": "c", "workspaceId": workspace, "sourceUrl": source.url, "payload": payload, "placeholderVariables": []}
        mappings = [{"sourceIdentifier": name, "targetDatastreamId": one} for name, one in (("up", up), ("down", down))]
        task = {"name": "t", "dataConnectionId": made(http, "etl/data-connections", connection)["id"], "mappings": mappings}
        return cls(http, str(made(http, "etl/tasks", task)["id"]), (up, down))

    def trigger(self) -> str:
        return str(told(self.http.post(f"{API}/etl/tasks/{self.task}/trigger"), 202)["id"])

    def runs(self) -> list[dict[str, Any]]:
        return list(told(self.http.get(f"{API}/etl/tasks/{self.task}/runs", params={"page_size": 1000})))

    def ended(self) -> list[dict[str, Any]]:
        """Its runs, oldest first, once none is under way and the last has gone well; one that was lost three times is asked for anew."""

        def well() -> list[dict[str, Any]]:
            found = self.runs()
            if not found or not all(run["finishedAt"] for run in found):
                return []
            if found[0]["status"] != "SUCCESS" and found[0]["attempt"] == ATTEMPTS_MAX:
                self.trigger()
            return found if found[0]["status"] == "SUCCESS" else []

        def answered() -> list[dict[str, Any]]:
            try:
                return well() if self.http.get("/readyz").is_success else []
            except (httpx.TransportError, AssertionError):  # a part is away
                return []

        return wait_until(answered, 240, f"task {self.task} goes well")[::-1]

    def seen(self) -> int:
        """Observations that are visible."""
        return sum(int(told(self.http.get(f"{API}/datastreams/{one}"))["valueCount"] or 0) for one in self.streams)

    def check(self, rows: int) -> None:
        """Each reading is there, once, as one layer."""
        for one, sign in zip(self.streams, (1, -1), strict=True):
            answer = self.http.get("/api/v1/values/history", params={"series_id": one}, headers={"Accept": ARROW})
            table = pa.ipc.open_stream(answer.content).read_all()
            values = table.column("value").to_pylist()
            assert len(values) == rows, f"{len(values)} layers of {rows} readings; {len(set(values))} differ"
            assert sorted(value * sign for value in values) == list(range(rows))


def kill_in_the_fetch(varve: VarveUp) -> None:
    with station(1000) as source:
        loading = Loading.of(varve, source)
        first = loading.trigger()
        wait_until(lambda: source.asked, 60, "the source is asked")
        with station(10) as quick:  # one that hangs holds nobody else
            quick.may.set()
            other = Loading.of(varve, quick)
            other.trigger()
            assert [run["status"] for run in other.ended()] == ["SUCCESS"]
        assert [run["status"] for run in loading.runs()] == ["STARTED"]
        kill(varve, "loader")
        source.may.set()
        lost, again = loading.ended()
        assert (lost["id"], lost["status"], lost["attempt"]) == (first, "FAILURE", 1)
        assert "was lost: killed" in lost["message"]
        assert (again["attempt"], again["message"]) == (2, "Loaded 2000 observation(s) into 2 datastream(s).")
        loading.check(1000)


def test_a_run_whose_loader_is_killed_fails_and_says_why_and_its_readings_are_loaded_once(varve_up: Callable[..., VarveUp]) -> None:
    varve = varve_up(environment=SETTINGS)
    kill_in_the_fetch(varve)
    with station(ROWS) as source:
        source.may.set()
        loading = Loading.of(varve, source)
        loading.trigger()
        wait_until(loading.seen, 120, "the first readings are there")
        kill(varve, "loader")
        runs = loading.ended()
        assert [run["status"] for run in runs] == ["FAILURE", "SUCCESS"], runs
        loading.check(ROWS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_loaders_and_all_others_are_killed_again_and_again(varve_up: Callable[..., VarveUp]) -> None:
    varve, dice = varve_up(environment=SETTINGS), random.Random(seed_of_this_run())
    for number in range(ROUNDS):
        with station(60_000) as source:
            source.may.set()
            loading = Loading.of(varve, source)
            loading.trigger()
            for _ in range(dice.randint(1, 3)):
                threading.Event().wait(dice.uniform(0, 3))  # the random moment, not a wait for something
                kill(varve, dice.choice(("loader", "loader", "server", "worker", "broker")))
            runs = loading.ended()
            print(number, [(run["status"], run["attempt"]) for run in runs])
            loading.check(60_000)
