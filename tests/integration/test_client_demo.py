"""`make demo` as a newcomer runs it, twice on one data directory; and the notebook's calls on `td` with their data directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import varve as td
from tests.conftest import free_port
from varve.errors import Conflict

pytestmark = pytest.mark.slow


def test_the_demo_shows_every_read_and_may_be_repeated(tmp_path: Path) -> None:
    environment = os.environ | {"DEMO_ONCE": "1", "DEMO_DATA": str(tmp_path / "demo"), "COLUMNS": "120"}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "varve.demo"], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout[done.stdout.index("flat") :])
    for part in ("overlapping", "as_of", "quality control", "relative", "forecast error by lead", "72.90", "71.40"):
        assert part in said[0]
    assert said[0] == said[1], "the second demo adds nothing"
    assert (tmp_path / "demo" / "demo.png").stat().st_size > 10_000


def test_create_start_check_and_delete_as_the_notebook_calls_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory, port = tmp_path / "notebook", free_port()
    assert td.check_api(port=port) is False
    td.create(directory)
    assert td.start_api_background(port=port, data=directory) is True
    assert td.check_api(port=port) is True
    td.delete(directory)
    assert not directory.exists() and td.check_api(port=port) is False
    said = capsys.readouterr().out
    for words in ("✓ Schema created successfully", "✓ API is running", "read_values: GET /values", "❌ API is not running!"):
        assert words in said


def test_delete_removes_nothing_where_something_else_lives(tmp_path: Path) -> None:
    (tmp_path / "varve.lock").touch()
    (tmp_path / "store").mkdir()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(Conflict, match=r"thesis\.txt"):
        td.delete(tmp_path)
    assert (tmp_path / "thesis.txt").exists() and (tmp_path / "store").exists()


def test_delete_leaves_a_directory_alone_that_varve_never_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    td.delete(tmp_path)
    assert (tmp_path / "logs").exists() and "Nothing to delete" in capsys.readouterr().out
