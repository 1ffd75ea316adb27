"""The notebook's calls, `import varve as td`: make, start beside a program, ask, delete; and what they refuse."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

import varve as td
from tests.conftest import VarveUp, free_port, wait_until
from varve.cli import app
from varve.errors import Conflict
from varve.process import running
from varve.running import Running, read_note

pytestmark = pytest.mark.slow
BESIDE = """
import sys
import varve as td
data, port = sys.argv[1], int(sys.argv[2])
td.create(data)
assert not td.check_api(port=port), "create leaves nothing running"
assert td.start_api_background(port=port, data=data)
with td.Client(f"http://127.0.0.1:{port}") as client:
    client.create("kept", unit="kW")
sys.stdout.write("started\\n")
sys.stdout.flush()
sys.stdin.read()
"""
AGAIN = """
import sys
import varve as td
data, port = sys.argv[1], int(sys.argv[2])
td.create(data)
assert td.start_api_background(port=port, data=data)
with td.Client(f"http://127.0.0.1:{port}") as client:
    assert client.series("kept")["unit"] == "kW"
td.delete(data)
assert not td.check_api(port=port)
"""


def ended(note: Running) -> bool:
    return not any(running(part) for part in (note.supervisor, *note.parts.values()))


def test_nothing_answers_until_something_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    assert not td.check_api(port=free_port())
    assert "start_api_background" in capsys.readouterr().out


def test_a_server_that_answers_is_told_with_name_version_and_endpoints(running_varve: VarveUp, capsys: pytest.CaptureFixture[str]) -> None:
    url = httpx.URL(running_varve.url)
    assert td.check_api(url.host, url.port or 0)
    said = capsys.readouterr().out
    told = httpx.get(url, headers={"Accept": "application/json"}).json()
    assert f"Name: {told['name']}" in said and f"Version: {told['version']}" in said
    assert told["endpoints"] and all(f"- {name}: {words}" in said for name, words in told["endpoints"].items())


def test_a_server_that_answers_already_is_used_and_not_started_again(running_varve: VarveUp, tmp_path: Path) -> None:
    url = httpx.URL(running_varve.url)
    assert td.start_api_background(url.host, url.port or 0, tmp_path / "unused")
    assert not (tmp_path / "unused").exists()


def test_delete_is_refused_under_a_server_that_others_started(running_varve: VarveUp) -> None:
    with pytest.raises(Conflict, match="Ctrl-C") as refused:
        td.delete(running_varve.data)
    assert str(running_varve.note.supervisor.pid) in refused.value.message
    assert httpx.get(f"{running_varve.url}/readyz").status_code == 200


def test_a_second_server_on_a_data_directory_is_refused_and_leaves_the_firsts_logs(running_varve: VarveUp) -> None:
    log = running_varve.data / "logs" / "up.log"
    log.write_text("said by the first\n")
    with pytest.raises(Conflict, match="already runs") as refused:
        td.start_api_background(port=free_port(), data=running_varve.data)
    assert running_varve.url in refused.value.message
    assert log.read_text() == "said by the first\n"


def test_delete_leaves_what_is_not_varves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letters").mkdir()
    td.delete(tmp_path)
    assert "Nothing to delete" in capsys.readouterr().out
    (tmp_path / "varve.lock").touch()
    (tmp_path / "store").mkdir()
    with pytest.raises(Conflict, match="letters"):
        td.delete(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["letters", "store", "varve.lock"]
    (tmp_path / "letters").rmdir()
    td.delete(tmp_path)
    assert not tmp_path.exists()


def test_what_was_started_beside_a_program_ends_with_it_even_when_it_is_killed_and_its_values_stay(tmp_path: Path) -> None:
    data, port = tmp_path / "notebook", str(free_port())
    with (tmp_path / "said").open("w") as out:
        command = [sys.executable, "-c", BESIDE, str(data), port]
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT)
    wait_until(lambda: "started" in said(tmp_path).splitlines() or program.poll() is not None, 200, "the program's start")
    assert program.poll() is None, said(tmp_path)
    note = read_note(data)
    assert note is not None and not ended(note) and httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    wait_until(lambda: ended(note), 60, "the supervisor and its parts end with the program")
    again = subprocess.run([sys.executable, "-c", AGAIN, str(data), port], capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "is there already" in again.stdout and "deleted successfully" in again.stdout
    assert not data.exists()


def said(directory: Path) -> str:
    return (directory / "said").read_text()


def test_the_command_api_takes_host_and_port_and_says_what_it_needs(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["api", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert "--host" in told and "--port" in told and "VARVE_STORE__DSN" in told
    command = [sys.executable, "-m", "varve.cli", "api", "--host", "127.0.0.1", "--port", str(free_port()), "--data", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and refused.stderr.startswith("varve: ") and "Traceback" not in refused.stderr
    assert "varve up" in refused.stderr, refused.stderr
