"""Every part as a process of its own, as on several machines: workers, sinks and APIs over one broker and one ClickHouse (chDB behind
HTTP where there is none). Before: tests of several of each, and of a store that goes away.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.conftest import free_port, wait_until
from varve.process import end
from varve.settings import AccessSettings, HttpSettings, LogSettings, Settings, StoreSettings, WorkerSettings, environment_of

READY_SECONDS_MAX = 180.0
WAIT_SECONDS_MAX = 6.0
PARTITIONS = 4


@dataclass
class Parts:
    directory: Path
    brokers: str
    prefix: str
    access: AccessSettings = field(default_factory=AccessSettings)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """The kind is the first word of the name: store, worker-1, sink-1, api-1."""
        kind, port = name.split("-", maxsplit=1)[0], self.ports.setdefault(name, free_port())
        command = ["tests.integration.chdb_server", str(self.directory / "store"), str(port)] if kind == "store" else ["varve.cli", kind]
        settings = Settings(
            data=self.directory / name,
            log=LogSettings(brokers=self.brokers, prefix=self.prefix, partitions=PARTITIONS),
            store=StoreSettings(dsn=f"clickhouse://default:@127.0.0.1:{self.ports['store']}/default"),
            worker=WorkerSettings(name=name, session_seconds=6, stall_seconds=3),
            http=HttpSettings(port=port, wait_seconds_max=WAIT_SECONDS_MAX),
            access=self.access,
        )
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command], env=environment_of(settings), stdout=log, stderr=subprocess.STDOUT
            )
        if kind == "store":
            wait_until(self.store_answers, 30, "the store")

    def store_answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports['store']}/ping", timeout=2).is_success
        except httpx.TransportError:
            return False

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def missing(self, name: str) -> list[str]:
        """What /readyz of an API says is missing; nothing when it is ready."""
        try:
            answer = httpx.get(f"{self.url(name)}/readyz", timeout=10)
        except httpx.TransportError as reason:
            return [f"no answer: {reason}"]
        found: list[str] = answer.json()["missing"]
        assert (answer.status_code == 503) == bool(found)
        return found

    def until_started(self, name: str) -> None:
        wait_until(lambda: not self.missing(name)[0].startswith("no answer"), READY_SECONDS_MAX, f"{name} answers: {name}")

    def until_ready(self, *names: str) -> None:
        for name in names:
            self._until(name)

    def _until(self, name: str) -> None:
        wait_until(lambda: not self.missing(name), READY_SECONDS_MAX, f"{name} is ready, which says {self.missing(name)}")

    def said(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        os.kill(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait()

    def leave(self, name: str) -> int:
        return end(self.processes.pop(name), 30.0)

    def stop(self) -> None:
        """The store last: whoever uses it may still have something to say."""
        for process in reversed(list(self.processes.values())):
            process.kill()
            process.wait()
