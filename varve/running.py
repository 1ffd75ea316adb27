"""What runs on a data directory: one lock for the supervisor, and the note DATA/varve.json by which other commands find it.

Before: varve/up.py takes the lock and keeps the note. After: doctor, dead-letters, td helpers and tests read the note.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from varve.errors import Conflict, Unavailable
from varve.process import Remembered, running


@dataclass(frozen=True)
class Running:
    brokers: str
    url: str
    supervisor: Remembered
    parts: Mapping[str, Remembered] = field(default_factory=dict)


def note_of(directory: Path) -> Path:
    return directory / "varve.json"


def write_note(directory: Path, note: Running) -> None:
    write_whole(note_of(directory), json.dumps(asdict(note), indent=1) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half of it, and a full disk leaves what was there."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(text)
    draft.replace(file)


def read_note(directory: Path) -> Running | None:
    """The note as it was left; whether its processes still live is another question (see found_running)."""
    try:
        row = json.loads(note_of(directory).read_text())
        parts = {name: Remembered(**part) for name, part in row["parts"].items()}
        return Running(row["brokers"], row["url"], Remembered(**row["supervisor"]), parts)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def found_running(directory: Path) -> Running | None:
    """The note of a `varve up` that is running on this directory now."""
    note = read_note(directory)
    return note if note is not None and running(note.supervisor) else None


@contextmanager
def directory_held(directory: Path) -> Iterator[None]:
    """Hold the data directory alone; refused in words where another supervisor has it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "varve.lock").open("w")
    except OSError as reason:
        raise Unavailable(
            "directory-not-writable",
            f"cannot write to the data directory {directory}: {reason.strerror}; give --data a directory that you may write to",
        ) from None
    with lock:
        if not _locked(lock):
            note = read_note(directory)
            where = f" at {note.url} (pid {note.supervisor.pid})" if note else ""
            words = f"`varve up` already runs on {directory}{where}: use that one, stop it with Ctrl-C, or give --data another directory"
            raise Conflict("already-running", words)
        yield


@contextmanager
def one_replay(directory: Path) -> Iterator[None]:
    """Two would make the same generation, and one would remove what the other has half built. Where there is no data directory, as
    beside a broker elsewhere, nobody is asked."""
    if not os.access(directory, os.W_OK):
        yield
        return
    with (directory / "replay.lock").open("w") as lock:
        if not _locked(lock):
            words = f"another `varve replay` runs on {directory}: wait until it ends; one that was killed goes on when it is run again"
            raise Conflict("already-replaying", words)
        yield


def _locked(lock: IO[str]) -> bool:
    """Until it is closed, or its process has died."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    os.set_inheritable(lock.fileno(), False)
    return True
