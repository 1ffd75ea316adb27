"""Files that outlive a power cut: the bytes are synced before the name is theirs, and the directory after.

Before: uploads that were accepted, and what was said of them. After: the next process finds them whole or not at all.
"""

import os
from pathlib import Path
from typing import IO, Any

from varve.clock import new_id


def write_synced(path: Path, value: bytes) -> None:
    with path.open("wb") as file:
        file.write(value)
        sync(file)


def write_whole_synced(path: Path, value: bytes) -> None:
    """Whole or not at all, though several write at once."""
    draft = path.with_name(f"{path.name}.{new_id().hex}.new")
    write_synced(draft, value)
    draft.rename(path)
    sync_directory(path.parent)


def sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """A new name in it is durable from now on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
