"""PostgreSQL beside the increments: `UPDATE ... SET v = v + 1` by pgbench's clients, each a transaction that is on disk when it is told.

Before: increments.py. After: a Floor, of figure 0 and with the reason where PostgreSQL is not on this machine. The server runs as
nobody where we are root, which initdb refuses.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.row import Floor, Wrong

PROGRAMS = ("initdb", "postgres", "pg_ctl", "pgbench", "psql")
DEBIAN = Path("/usr/lib/postgresql")
USER, DATABASE = "bench", "postgres"
SECONDS_MAX = 120.0
SCRIPT = "\\set id random(1, :rows)\nUPDATE counters SET v = v + 1 WHERE id = :id;\n"
TABLE = "CREATE TABLE counters (id int PRIMARY KEY, v bigint NOT NULL) WITH (fillfactor = 50)"
_DONE = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"tps = ([0-9.]+)")


@dataclass(frozen=True)
class Told:
    transactions: int
    per_second: float


@dataclass(frozen=True)
class Postgres:
    """Programs by name, the directory that holds server and socket, and as whom the server runs."""

    programs: dict[str, str]
    directory: Path
    owner: dict[str, Any] = field(default_factory=dict)

    def serve(self) -> None:
        self._own("initdb", "-D", self._files, "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C")
        options = f"-k {self.directory} -c listen_addresses='' -c synchronous_commit=on -c fsync=on -c max_connections=64"
        self._own("pg_ctl", "-D", self._files, "-w", "-l", str(self.directory / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._own("pg_ctl", "-D", self._files, "-w", "-m", "fast", "stop")

    def updates(self, clients: int, rows: int, seconds: int) -> Told:
        """Wrong where the sum is not the number of transactions."""
        values = f"INSERT INTO counters SELECT id, 0 FROM generate_series(1, {int(rows)}) AS id"
        self._ask(f"DROP TABLE IF EXISTS counters; {TABLE}; {values}; VACUUM ANALYZE counters")
        script = self.directory / "update.sql"
        script.write_text(SCRIPT)
        asked = ["-n", "-c", str(clients), "-j", "2", "-T", str(seconds), "-M", "prepared", "-D", f"rows={rows}", "-f", str(script)]
        told = told_by(_run([self.programs["pgbench"], *asked, *self._where]))
        found = int(self._ask("SELECT sum(v) FROM counters"))
        if found != told.transactions:
            raise Wrong(f"PostgreSQL counted {found} in {told.transactions} transactions")
        return told

    @property
    def _files(self) -> str:
        return str(self.directory / "files")

    @property
    def _where(self) -> list[str]:
        return ["-h", str(self.directory), "-U", USER, DATABASE]

    def _ask(self, sql: str) -> str:
        steps = [word for step in sql.split("; ") for word in ("-c", step)]
        return _run([self.programs["psql"], "-qAtX", "-v", "ON_ERROR_STOP=1", *steps, *self._where]).strip()

    def _own(self, program: str, *words: str) -> None:
        # postgres keeps the streams that it gets: a pipe would be waited for until it stops
        out = self.directory / "out"
        with out.open("wb") as told:
            done = subprocess.run(
                [self.programs[program], *words], stdout=told, stderr=told, cwd=self.directory, timeout=SECONDS_MAX, **self.owner
            )
        if done.returncode:
            raise Wrong(f"{program} failed: {out.read_text()[-600:]}")


def updates_per_second(clients: int, rows: int, seconds: int) -> Floor:
    """Of single-row updates, `rows` rows in all."""
    what = f"PostgreSQL, UPDATE v = v + 1 of {'one row' if rows == 1 else f'{rows:,} rows'}, {clients} clients"
    programs = programs_here()
    missing = [name for name in PROGRAMS if name not in programs]
    if missing:
        return Floor(f"{what}: not here, there is no {missing[0]} (apt-get install postgresql)", 0.0)
    with _served(programs) as server:
        return Floor(what, server.updates(clients, rows, seconds).per_second)


def programs_here(debian: Path = DEBIAN) -> dict[str, str]:
    """The newest of those that Debian keeps beside the path; else what the path has."""
    versions = sorted(debian.glob("*/bin"), key=lambda one: int(one.parent.name) if one.parent.name.isdigit() else 0)
    beside = os.pathsep.join(str(one) for one in reversed(versions))
    return {name: found for name in PROGRAMS if (found := shutil.which(name, path=beside or None) or shutil.which(name))}


def told_by(output: str) -> Told:
    """pgbench's summary."""
    done, rate = _DONE.search(output), _RATE.search(output)
    if done is None or rate is None:
        raise Wrong(f"pgbench told no rate: {output[-600:]}")
    return Told(int(done[1]), float(rate[1]))


@contextmanager
def _served(programs: dict[str, str]) -> Iterator[Postgres]:
    # beside the run's directory, into which nobody cannot look; short, since a socket's path has its length
    with tempfile.TemporaryDirectory(prefix="varve-peer-", ignore_cleanup_errors=True) as directory:
        owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)
            owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        server = Postgres(programs, Path(directory), owner)
        server.serve()
        try:
            yield server
        finally:
            server.stop()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    if done.returncode:
        raise Wrong(f"{Path(command[0]).name} failed: {done.stderr.strip()[-600:]}")
    return done.stdout
