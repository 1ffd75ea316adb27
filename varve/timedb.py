"""What TimeDB's notebook calls on `td`, for `import varve as td`: create, delete, start the API, check it; over `varve up`.

Before: a notebook or a script. After: the supervisor, a process of its own that ends with the one that started it.
Only what `varve up` made in its data directory is ever removed, and never under a running server.
"""

import atexit
import http.client
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from varve.errors import Conflict
from varve.local import STARTED_BY, STOP_SECONDS_MAX, local_settings, start_local, started_here
from varve.process import end_left_over
from varve.running import directory_held, found_running
from varve.settings import Settings
from varve.tokens import FILE as SECRET

MARK = "varve.lock"  # made by `varve up` in every data directory of its own
MADE_BY_US = (
    "broker", "store", "spool", "files", "faust", "logs", "cache", "demo.png", "server.json", STARTED_BY, "varve.json", "alive", SECRET,
    "replay.lock", MARK,
)  # fmt: skip


def create(data: Path | str | None = None) -> None:
    """Make data directory, topics and tables, by starting Varve once; nothing happens where they are."""
    directory = _directory(data)
    _say("Creating database schema...")
    if (directory / MARK).exists():
        _say(f"✓ Schema is there already ({directory}); Varve brings it up to date when it starts")
        return
    start_local(directory, "127.0.0.1", 0).stop()
    _say("✓ Schema created successfully")


def create_with_users(data: Path | str | None = None) -> None:
    """As create(). Keys are asked for once the server starts with VARVE_ACCESS__ENABLED=1."""
    create(data)
    _say("  `varve users create --email ...` makes users; keys are checked where the server starts with VARVE_ACCESS__ENABLED=1")


def delete(data: Path | str | None = None) -> None:
    """Remove what Varve keeps in its data directory; refused while a server runs there that this program did not start."""
    directory = _directory(data)
    _say("Deleting database schema...")
    if not (directory / MARK).exists():
        _say(f"✓ Nothing to delete: {directory} is not a data directory of Varve")
        return
    foreign = sorted(entry.name for entry in directory.iterdir() if entry.name not in MADE_BY_US)
    if foreign:
        raise Conflict("not-ours-alone", f"{directory} also holds {', '.join(foreign[:5])}, which Varve did not make: nothing is removed")
    _end_own(directory)
    with directory_held(directory):
        for name in MADE_BY_US:
            _remove(directory / name)
    directory.rmdir()
    _say("✓ Schema deleted successfully")


def start_api(host: str = "127.0.0.1", port: int = 8000, data: Path | str | None = None) -> None:
    """Run Varve here until Ctrl-C."""
    from varve.up import run_up

    if _answer(host, port) is not None:
        _say(f"✓ An API runs at http://{host}:{port} already: it is used")
        return
    _say(f"Starting API server on http://{host}:{port}\nAPI docs available at http://{host}:{port}/docs\nPress Ctrl+C to stop the server")
    run_up(local_settings(_directory(data), host, port), _say)


def start_api_background(host: str = "127.0.0.1", port: int = 8000, data: Path | str | None = None) -> bool:
    """Run Varve beside this program, until that ends; an API that answers there already is used as it is."""
    if _answer(host, port) is None:
        _say(f"Starting API server in background on http://{host}:{port}...")
        atexit.register(start_local(_directory(data), host, port).stop)
    if not check_api(host, port):
        return False
    _say(f"✓ API server started successfully\n  Server running at http://{host}:{port}\n  API docs available at http://{host}:{port}/docs")
    return True


def check_api(host: str = "127.0.0.1", port: int = 8000) -> bool:
    """Whether an API answers there; what it says of itself is printed."""
    told = _answer(host, port)
    if told is None:
        _say("❌ API is not running!\n   Please start it by running: td.start_api_background()\n   Or in a terminal: varve up")
        return False
    _say(f"✓ API is running\n  Name: {told.get('name')}\n  Version: {told.get('version')}\n\n  Available endpoints:")
    for name, words in dict(told.get("endpoints") or {}).items():
        _say(f"    - {name}: {words}")
    return True


def _end_own(directory: Path) -> None:
    note = found_running(directory)
    if note is None:
        return
    if not started_here(directory):
        raise Conflict("still-running", f"Varve runs on {directory} at {note.url} (pid {note.supervisor.pid}): stop it with Ctrl-C first")
    end_left_over(note.supervisor, STOP_SECONDS_MAX)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def _answer(host: str, port: int) -> dict[str, Any] | None:
    """What GET / tells; None where nobody answers, or not in JSON."""
    line = http.client.HTTPConnection(host, port, timeout=3)
    try:
        line.request("GET", "/", headers={"Accept": "application/json"})
        answer = line.getresponse()
        told = json.loads(answer.read())
        return told if answer.status == http.client.OK and isinstance(told, dict) else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        line.close()


def _directory(data: Path | str | None) -> Path:
    return Path(data or Settings().data).resolve()


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
