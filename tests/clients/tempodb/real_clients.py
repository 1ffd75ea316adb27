"""TempoDB's own clients, as their index has them: downloaded, checked, and run where they run. They are written for Python 2:
there they run unchanged where one is installed; on Python 3 after fissix and the two or three changes that it cannot make.

Before: a test with a server's URL. After: bridge.py calls the client in a process of its own. Nothing of theirs is kept here.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from varve.process import end

GENERATIONS = ("0.5.0", "1.0.1")
SHA256 = {
    "0.5.0": "34b8c0963195152bec2dc54b5c683144b05bba139083d2938522234438424138",
    "1.0.1": "83904bfccd09db067fe12f2b64ee6a12938738cc699dcc22b8120e6fa0cc969e",
}
PYTHON_2_NEEDS = ("requests==2.27.1", "simplejson", "python-dateutil", "pytz")
UTF8 = '.encode("UTF-8")'  # of an address: bytes in Python 3
# PEP 479: a generator ends by returning
CURSOR = (
    "                self._fetch_next()\n",
    "                try:\n                    self._fetch_next()\n                except StopIteration:\n                    return\n",
)
BY_HAND: dict[str, dict[str, tuple[str, str]]] = {
    "0.5.0": {"tempodb/client.py": (UTF8, "")},
    "1.0.1": {"tempodb/endpoint.py": (UTF8, ""), "tempodb/protocol/cursor.py": CURSOR},
}
BRIDGE = Path(__file__).with_name("bridge.py")


@dataclass
class Client:
    """call("read_key", ...) as the client's own method; what it raises is raised as ClientError."""

    process: subprocess.Popen[bytes]

    def call(self, method: str, *args: Any, **named: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": method, "args": args, "named": named}, default=marked).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the client's process ended with {self.process.wait(10)}"
        found = json.loads(line)
        if "raised" in found:
            raise ClientError(found["raised"], found["message"], found["response"])
        return found["answer"]

    def stop(self) -> None:
        end(self.process, 10.0)


class ClientError(Exception):
    """The exception of the real client: its name and words, and the status and error text of its response."""

    def __init__(self, name: str, message: str, response: dict[str, Any]) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message, self.response = name, message, response


def point(*parts: Any) -> dict[str, Any]:
    return {"$point": parts}


def keyed(time: datetime, value: float, **named: str) -> dict[str, Any]:
    """A 1.0.1 DataPoint of a multi-write."""
    return {"$keyed": [time, value, named]}


def series(fields: dict[str, Any]) -> dict[str, Any]:
    return {"$series": fields}


def marked(item: Any) -> Any:
    if isinstance(item, datetime):
        assert item.tzinfo is None, "the clients take naive times"
        return {"$datetime": [item.year, item.month, item.day, item.hour, item.minute, item.second, item.microsecond]}
    if isinstance(item, date):
        return {"$date": [item.year, item.month, item.day]}
    raise TypeError(f"{item!r} cannot be handed to a client")


def python_2() -> str | None:
    """The command of a Python 2.7 that starts, on the path or kept by pyenv."""
    candidates = [shutil.which("python2.7"), shutil.which("python2")]
    if pyenv := shutil.which("pyenv"):
        root = Path(subprocess.run([pyenv, "root"], capture_output=True, text=True).stdout.strip())
        candidates += [str(one) for one in sorted(root.glob("versions/2.7*/bin/python2.7"))]
    return next((one for one in candidates if one and subprocess.run([one, "-c", ""], capture_output=True).returncode == 0), None)


def unchanged(generation: str, folder: Path) -> Path:
    """The client as it was published, and what it needs from Python 2's side of the index."""
    source = _unpacked(generation, folder)
    python = python_2()
    assert python is not None
    _run([python, "-m", "pip", "install", "--quiet", "--target", str(source), *PYTHON_2_NEEDS])
    return source


def ported(generation: str, folder: Path) -> Path:
    source = _unpacked(generation, folder)
    _run([sys.executable, "-m", "fissix", "--write", "--nobackups", "--no-diffs", str(source / "tempodb")])
    for name, (before, after) in BY_HAND[generation].items():
        text = (source / name).read_text()
        assert before in text, f"{name} is not the file that is known"
        (source / name).write_text(text.replace(before, after))
    return source


def start(python: str, source: Path, generation: str, url: str, secret: str = "secret") -> Client:
    command = [python, "-W", "ignore", str(BRIDGE), generation, url, secret]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"PYTHONPATH": str(source)})
    return Client(process)


def _unpacked(generation: str, folder: Path) -> Path:
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            "--dest",
            str(folder),
            f"tempodb=={generation}",
        ]
    )
    archive = folder / f"tempodb-{generation}.tar.gz"
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256[generation], f"{archive.name} is not the file that is known"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / f"tempodb-{generation}"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
