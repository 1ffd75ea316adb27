"""Starts tests/integration/memory_server.py in a process of its own (chDB allows one store a process) and finds its port.

Before: fixtures of the API's tests. After: they ask its URL. No sleeps: the port file is waited for with a deadline.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import wait_until
from varve.process import end

START_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Served:
    url: str
    data: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> int:
        return end(self.process, 20.0)


def start_server(directory: Path, *arguments: str) -> Served:
    data, said = directory / "data", directory / "server.log"
    with said.open("wb") as log:
        command = [sys.executable, "-m", "tests.integration.memory_server", str(data), *arguments]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    note = data / "server.json"
    wait_until(lambda: note.exists() or process.poll() is not None, START_SECONDS_MAX, f"the server in {directory}")
    assert process.poll() is None, said.read_text()
    told = json.loads(note.read_text())
    return Served(f"http://{told['host']}:{told['port']}", data, process)
