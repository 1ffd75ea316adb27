"""The servers that tests run against: addresses from the environment, else containers where Docker answers, else embedded.

Before: pytest. After: every test folder. Nothing here sleeps: each wait has a condition and a deadline.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from varve.broker import EmbeddedBroker
from varve.ports import choose_free
from varve.process import end
from varve.running import Running, read_note
from varve.settings import cache_directory, java_home

UP_SECONDS_MAX = 180.0
T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds_max: float = 30.0, what: str = "") -> T:
    """Ask again and again until the answer is true; fail with `what` at the deadline."""
    deadline = time.monotonic() + seconds_max
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds_max:.0f} s: {what or condition}")
        time.sleep(0.02)


def free_port() -> int:
    return choose_free()


@pytest.fixture(scope="session")
def jar_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cache_directory(tmp_path_factory.getbasetemp()) / "kafka-jars"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, jar_cache: Path) -> Iterator[str]:
    """host:port of a broker that all tests share: choose topic prefixes of your own."""
    given = os.environ.get("VARVE_TEST_KAFKA", "")
    if given:
        yield given
    elif docker_answers():
        from testcontainers.kafka import RedpandaContainer

        with RedpandaContainer("redpandadata/redpanda:v25.2.7") as container:
            yield container.get_bootstrap_server()
    else:
        embedded = EmbeddedBroker(tmp_path_factory.mktemp("broker"), jar_cache, 256, java_home())
        yield embedded.start()
        embedded.stop()


@pytest.fixture(scope="session")
def store_dsn() -> Iterator[str]:
    """A ClickHouse server's DSN, or '' where the store is chDB inside the process."""
    given = os.environ.get("VARVE_TEST_CLICKHOUSE", "")
    if given or not docker_answers():
        yield given
        return
    from testcontainers.clickhouse import ClickHouseContainer

    with ClickHouseContainer(
        "clickhouse/clickhouse-server:25.8.4.13", port=8123, username="varve", password="varve", dbname="varve"
    ) as box:
        yield f"clickhouse://varve:varve@{box.get_container_host_ip()}:{box.get_exposed_port(8123)}/varve"


def docker_answers() -> bool:
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return False
    try:
        client = docker.from_env(timeout=3)
        client.close()
    except (DockerException, OSError):
        return False
    return True


@dataclass
class VarveUp:
    """A running `varve up`; `data` survives it, so that a test can start another on the same directory."""

    data: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def note(self) -> Running:
        note = read_note(self.data)
        assert note is not None, self.said()
        return note

    @property
    def url(self) -> str:
        return self.note.url

    def pid(self, part: str) -> int:
        return self.note.parts[part].pid

    def said(self) -> str:
        return (self.data.parent / "up.log").read_text()

    def stop(self) -> int:
        return end(self.process, 60.0)


def start_up(data: Path, environment: dict[str, str] | None = None) -> VarveUp:
    """Start `varve up --port 0` on `data` and wait for its line."""
    added = environment or {}
    data.parent.mkdir(parents=True, exist_ok=True)
    with (data.parent / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "varve.cli", "up", "--data", str(data), "--port", "0"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | added,
        )
    started = VarveUp(data, added, process)
    wait_until(lambda: "is ready" in started.said() or process.poll() is not None, UP_SECONDS_MAX, f"varve up on {data}")
    assert process.poll() is None, f"varve up stopped with {process.returncode}: {started.said()}"
    return started


@pytest.fixture
def varve_up(tmp_path: Path) -> Iterator[Callable[..., VarveUp]]:
    """varve_up(), varve_up(data=..., environment=...): whatever was started is stopped at the end."""
    started: list[VarveUp] = []

    def start(data: Path | None = None, environment: dict[str, str] | None = None) -> VarveUp:
        started.append(start_up(data or tmp_path / "varve-data", environment))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def running_varve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VarveUp]:
    """One `varve up` that all tests share, for those that neither stop nor count: use tenants or keys of your own."""
    started = start_up(tmp_path_factory.mktemp("running") / "varve-data")
    yield started
    started.stop()
