"""Removes one generation's tables: the embedded store's directory where they are alone in it, else their database.

Before: `varve rebuild`, when nothing runs. After: the next start makes empty ones, and the sink fills them from the log (I1).
A directory that is not a store of ours is left alone and said so.
"""

import fcntl
import shutil
from dataclasses import dataclass
from pathlib import Path

from sink.store import Store, database_of
from varve.errors import Conflict
from varve.settings import Settings

_OF_THE_ENGINE = {"data", "metadata", "metadata_dropped", "status", "store", "tmp", "uuid", "user_defined", "preprocessed_configs", "flags"}
_SYSTEM = {"default", "system", "information_schema", "INFORMATION_SCHEMA"}


@dataclass(frozen=True)
class Removal:
    """directory: removed whole; None where the database is dropped by the engine. words: what goes, for a person to read."""

    words: str
    directory: Path | None


def plan_removal(settings: Settings, generation: int) -> Removal:
    database = database_of(settings, generation)
    if settings.store.dsn:
        return Removal(f"the database {database} {_where(settings.store.dsn)}", None)
    directory = settings.data / "store"
    if not directory.exists():
        return Removal(f"{directory}: there is no store yet", directory)
    strange = sorted({entry.name for entry in directory.iterdir()} - _OF_THE_ENGINE)
    if strange:
        words = f"{directory} holds {', '.join(strange[:3])}, which no store of Varve has: nothing is removed. Move what is not ours away"
        raise Conflict("not-a-store", words)
    _refuse_held(directory)
    databases = {entry.stem for entry in (directory / "metadata").glob("*.sql")} - _SYSTEM
    linked = directory.resolve() != settings.data.resolve() / "store"
    if linked or databases - {database}:
        return Removal(f"the database {database} in {directory}, which holds more or lies elsewhere and stays itself", None)
    return Removal(f"the store's directory {directory}", directory)


def carry_out_removal(settings: Settings, generation: int, removal: Removal) -> None:
    if removal.directory is None:
        store = Store.open(settings, generation)
        try:
            store.drop()
        finally:
            store.close()
    elif removal.directory.exists():
        shutil.rmtree(removal.directory)


def _where(dsn: str) -> str:
    return f"at {dsn.rsplit('@', 1)[-1].split('?', maxsplit=1)[0]}"


def _refuse_held(directory: Path) -> None:
    """The engine holds its status file locked while it runs."""
    status = directory / "status"
    if not status.exists():
        return
    with status.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            words = f"the store in {directory} is held by another process: stop the server that runs on it first"
            raise Conflict("store-in-use", words) from None
