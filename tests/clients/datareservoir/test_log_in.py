"""DataReservoir's client logs in to a server with access on, in each of its ways."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Known

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("log_in.py")


def test_the_client_logs_in_by_a_pasted_code_a_stored_token_and_as_a_program(client_python: Path, known: Known, tmp_path: Path) -> None:
    command = [str(client_python), "-W", "ignore::FutureWarning", str(SCRIPT), known.url, known.email, known.password, known.key]
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share"), "OAUTHLIB_INSECURE_TRANSPORT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=home, timeout=240)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    told = json.loads(done.stdout.splitlines()[-1])
    used = ["pong", [1.0, 2.5], known.email]
    assert {name: told[name] for name in ("page", "refresh", "program")} == {"page": used, "refresh": used, "program": used}
    assert "invalid_client" in told["wrong"]
