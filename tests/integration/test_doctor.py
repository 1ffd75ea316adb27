"""`varve doctor` finds what is wrong, and only that; it exits with 1 when anything is."""

import asyncio
import http.server
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port
from varve.clock import SystemClock
from varve.doctor import Complaint, Surroundings, examine
from varve.errors import Unavailable
from varve.settings import AccessSettings, HttpSettings, LogSettings, Settings, StoreSettings

SOUND = Surroundings(SystemClock(), java=lambda home: Path("/usr/bin/true"))


class FastClock(SystemClock):
    def now(self) -> int:
        return super().now() + 60 * 10**9


def settings(data: Path, brokers: str = "", dsn: str = "", port: int = 0, prefix: str = "varve") -> Settings:
    return Settings(data=data, log=LogSettings(brokers=brokers, prefix=prefix), store=StoreSettings(dsn=dsn), http=HttpSettings(port=port))


def only(complaints: list[Complaint]) -> Complaint:
    assert len(complaints) == 1, complaints
    return complaints[0]


@pytest.fixture
def clickhouse() -> Iterator[tuple[str, dict[str, int]]]:
    """Something that answers on HTTP as ClickHouse would, with the status that the test sets."""
    answer = {"status": 200}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer["status"])
            self.end_headers()
            self.wfile.write(b"1\n" if answer["status"] == 200 else b"Code: 516. Authentication failed")

        def log_message(self, *words: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"clickhouse://me:secret@127.0.0.1:{server.server_port}", answer
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_sound_machine_has_no_complaints(tmp_path: Path) -> None:
    assert examine(settings(tmp_path / "not-yet" / "there"), SOUND) == []


def test_a_taken_port_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = only(examine(settings(tmp_path, port=port), SOUND))
    assert f"port {port} on 127.0.0.1 is taken" in found.what
    assert "--port" in found.remedy


def test_a_data_directory_without_write_permission_is_found(tmp_path: Path) -> None:
    place = Path("/proc/self") if os.geteuid() == 0 else tmp_path / "closed"  # root may write to any real directory
    if os.geteuid() != 0:
        place.mkdir(mode=0o500)
    found = only(examine(settings(place / "varve"), SOUND))
    assert "cannot be written" in found.what
    assert "VARVE_DATA" in found.remedy


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    found = only(examine(settings(tmp_path), replace(SOUND, free_bytes=lambda _: 100 * 1024**2)))
    assert "only 0.1 GiB are free" in found.what


def test_an_old_python_is_found(tmp_path: Path) -> None:
    assert "Python 3.10" in only(examine(settings(tmp_path), replace(SOUND, python=(3, 10)))).what


def test_a_missing_java_is_found_only_where_the_broker_is_embedded(tmp_path: Path) -> None:
    def none(home: str) -> Path:
        raise Unavailable("java-missing", "no Java 17")

    without = replace(SOUND, java=none)
    assert "no Java to run on" in only(examine(settings(tmp_path), without)).what
    assert "no Kafka answers" in only(examine(settings(tmp_path, brokers=f"127.0.0.1:{free_port()}"), without)).what


@pytest.mark.parametrize("listening", [False, True])
def test_a_broker_that_does_not_answer_is_found_even_when_something_listens_there(tmp_path: Path, listening: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if listening else free_port()
        found = only(examine(settings(tmp_path, brokers=f"127.0.0.1:{port}"), SOUND))
    assert f"no Kafka answers at 127.0.0.1:{port}" in found.what
    assert "VARVE_LOG__BROKERS" in found.remedy


def test_a_clickhouse_that_does_not_answer_is_found(tmp_path: Path) -> None:
    port = free_port()
    found = only(examine(settings(tmp_path, dsn=f"clickhouse://me:secret@127.0.0.1:{port}"), SOUND))
    assert f"no ClickHouse answers at 127.0.0.1:{port}" in found.what
    assert "secret" not in found.what + found.remedy


def test_a_clickhouse_that_refuses_the_user_is_found(tmp_path: Path, clickhouse: tuple[str, dict[str, int]]) -> None:
    dsn, answer = clickhouse
    assert examine(settings(tmp_path, dsn=dsn), SOUND) == []
    answer["status"] = 403
    assert "Authentication failed" in only(examine(settings(tmp_path, dsn=dsn), SOUND)).what


def test_access_without_a_secret_of_all_machines_is_found(tmp_path: Path, clickhouse: tuple[str, dict[str, int]]) -> None:
    on = settings(tmp_path, "", clickhouse[0]).model_copy(update={"access": AccessSettings(enabled=True)})
    assert "VARVE_ACCESS__SECRET" in only(examine(on, SOUND)).remedy
    shared = AccessSettings(enabled=True, secret="x" * 40)
    assert examine(on.model_copy(update={"access": shared}), SOUND) == []


def test_a_dsn_that_is_no_address_is_found(tmp_path: Path) -> None:
    assert "VARVE_STORE__DSN is not an address" in only(examine(settings(tmp_path, dsn="clickhouse://host:port"), SOUND)).what


@pytest.mark.slow
def test_a_clock_far_from_the_brokers_is_found(tmp_path: Path, broker: str) -> None:
    from streams.log_kafka import make_topics
    from streams.topics import Topics

    prefix = f"doctor-{uuid.uuid4().hex[:8]}"
    asyncio.run(make_topics(broker, Topics(prefix, 1).all(), 1))
    sound = settings(tmp_path, brokers=broker, prefix=prefix)
    assert examine(sound, SOUND) == []
    assert "clock is 60 s ahead of the broker's" in only(examine(sound, replace(SOUND, clock=FastClock()))).what


@pytest.mark.slow
def test_the_command_prints_each_complaint_with_its_remedy_and_exits_with_1(tmp_path: Path) -> None:
    port = free_port()
    sick = {"VARVE_LOG__BROKERS": f"127.0.0.1:{port}", "VARVE_DATA": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "varve.cli", "doctor", "--port", "0"], env=os.environ | sick, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert f"no Kafka answers at 127.0.0.1:{port}\n    start the broker" in run.stdout
    assert run.stderr == ""


@pytest.mark.slow
def test_a_setting_with_a_wrong_value_is_named_and_refused() -> None:
    wrong = os.environ | {"VARVE_HTTP__PORT": "many", "VARVE_LOG__PARTITIONS": "0"}
    run = subprocess.run([sys.executable, "-m", "varve.cli", "doctor"], env=wrong, capture_output=True, text=True)
    assert run.returncode == 78
    assert "VARVE_HTTP__PORT" in run.stderr
    assert "VARVE_LOG__PARTITIONS" in run.stderr
    assert "Traceback" not in run.stderr
