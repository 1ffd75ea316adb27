"""hydroserverpy as it is published, in environments of their own: the newest, and the one whose calls the guide shows."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Known
from tests.clients.hydroserver.source import TOKEN, Source, serving

VERSIONS = ("1.12.2", "1.10.0b2")
SESSION = Path(__file__).with_name("session.py")
Play = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session", params=VERSIONS)
def client_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter that has the client."""
    folder = tmp_path_factory.mktemp("hydroserverpy") / "env"
    made = subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(folder)], capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), f"hydroserverpy=={request.param}"]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if installed.returncode != 0:
        pytest.skip(f"hydroserverpy {request.param} cannot be installed here: {installed.stderr.strip()[:300]}")
    return python


@pytest.fixture
def source() -> Iterator[Source]:
    with serving() as found:
        yield found


@pytest.fixture
def play(client_python: Path, known: Known, source: Source, tmp_path: Path) -> Play:
    """play(scene): a scene of session.py, and what it told."""

    def played(scene: str) -> dict[str, Any]:
        command = [str(client_python), "-W", "ignore", str(SESSION), known.url, known.email, known.password, scene, source.url, TOKEN]
        done = subprocess.run(command, capture_output=True, text=True, env={"HOME": str(tmp_path)}, timeout=240)
        assert done.returncode == 0, f"{scene}: {done.stdout}{done.stderr}"
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    return played
