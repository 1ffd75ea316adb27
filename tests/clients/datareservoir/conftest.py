"""DataReservoir's client as it is published, in an environment of its own beside the one that tests run in: it needs another pandas."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import VarveUp

NEEDS = ("datareservoirio==1.12.48", "pandas<3")  # on pandas 3 the client sends other instants than it is given
SESSION = Path(__file__).with_name("session.py")
Play = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def client_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter that has the client."""
    folder = tmp_path_factory.mktemp("datareservoirio") / "env"
    made = subprocess.run([sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(folder)], capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *NEEDS]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if installed.returncode != 0:
        pytest.skip(f"datareservoirio cannot be installed here: {installed.stderr.strip()[:300]}")
    return python


@pytest.fixture
def play(client_python: Path, running_varve: VarveUp, tmp_path: Path) -> Play:
    """play(scene, ...): a scene of session.py, and what it told."""
    tenant = str(uuid.uuid4())

    def played(scene: str, *more: str) -> dict[str, Any]:
        command = [str(client_python), "-W", "ignore::FutureWarning", str(SESSION), running_varve.url, tenant, scene, *more]
        home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "share")}
        done = subprocess.run(command, capture_output=True, text=True, env=home, timeout=240)
        assert done.returncode == 0, f"{scene}: {done.stdout}{done.stderr}"
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    return played
