"""The numbered changes of the store's tables, forward only: sink/sql/NNN_name.sql. Pure but for reading those files.

Before: Store.migrate() asks. After: it runs what is pending, in order. A released file is never edited; a new one is added.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from importlib.resources import files

from varve.errors import Fault


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    found = [entry for entry in files("sink").joinpath("sql").iterdir() if entry.name.endswith(".sql")]
    return [
        Migration(int(entry.name.split("_", 1)[0]), entry.name.removesuffix(".sql"), entry.read_text())
        for entry in sorted(found, key=lambda entry: entry.name)
    ]


def pending(known: Sequence[Migration], done: AbstractSet[int]) -> list[Migration]:
    unknown = sorted(done - {migration.number for migration in known})
    if unknown:
        raise Fault("store-newer", f"the store has migration {unknown[-1]}, unknown to this version of Varve: use the newer one")
    return [migration for migration in known if migration.number not in done]


def split_statements(sql: str) -> list[str]:
    """The statements of a file, without their comment lines; none of ours has a semicolon inside."""
    lines = [line.split("--", 1)[0].rstrip() for line in sql.splitlines()]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]
