"""The store: ClickHouse, on a server or in process (chDB), behind a handful of calls. The only file that opens it.

Before: the sink inserts, queries/ make Query. After: whoever asked gets Arrow, bytes or rows. A handle serves one call or
stream at a time, so each takes one from a pool; an outage is Unavailable, a batch that the store will not have is Refused.
"""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
import urllib3
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, ProgrammingError

from sink.migrations import Migration, migrations, pending, split_statements
from sink.queries.query import Query
from varve.errors import Conflict, Incorrect, Unavailable, VarveError
from varve.settings import Settings

CONNECT_SECONDS = 10
ANSWER_SECONDS_MAX = 300
# Codes that say "not now" rather than "not this": time-out, network, memory, read-only, disk full, too many queries, no Keeper …
_OUTAGE_CODES = frozenset(
    {3, 74, 75, 76, 159, 164, 173, 198, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 279, 319, 335, 394, 425, 999}
)
_TOO_MANY_PARTITIONS = "Too many partitions for single INSERT"
_SETTINGS: dict[str, Any] = {
    "max_partitions_per_insert_block": 0,  # a 20-year upload in one block is right
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_compression_method": "none",  # LZ4 took 10 of the 12 ms of 35,000 rows
    "output_format_parquet_string_as_string": 1,
    "join_use_nulls": 1,
    "optimize_move_to_prewhere_if_final": 0,
    "session_timezone": "UTC",
}


class Refused(Incorrect):
    """The store will not have this batch, however often it is offered."""


class Store:
    """Thread-safe; every call blocks its thread."""

    def __init__(self, target: dict[str, Any], database: str, where: str) -> None:
        self.database, self.where = database, where
        self.embedded = target.get("interface") == "chdb"
        self._target = target
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, settings: Settings, generation: int | str = 1) -> "Store":
        """Connects and makes the database; migrate() makes the tables."""
        target, where = _target(settings)
        database = database_of(settings, generation)
        store = cls(target, database, where)
        with _outages(where):
            client = store._connect("")
            client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
            client.close()
        store.ping()
        return store

    @classmethod
    def ready(cls, settings: Settings, generation: int | str) -> "Store":
        """Open, with every table."""
        store = cls.open(settings, generation)
        store.migrate()
        return store

    def migrate(self) -> list[str]:
        """Runs the migrations that this database lacks, in order; returns their names."""
        self._command("CREATE TABLE IF NOT EXISTS migrations (number UInt16, name String) ENGINE = MergeTree ORDER BY number")
        done = {int(row["number"]) for row in self.rows(Query("SELECT number FROM migrations"))}
        wanted = pending(migrations(), done)
        for migration in wanted:
            self._run(migration)
        return [migration.name for migration in wanted]

    def insert(self, table: str, rows: pa.Table) -> None:
        """Returns when the rows are kept. Columns that are left out take the table's defaults."""
        with self._handle() as client, _outages(self.where):
            client.insert_arrow(table, rows, database=self.database)

    def arrow(self, query: Query) -> pa.Table:
        with self._handle() as client, _outages(self.where):
            return client.query_arrow(query.sql, parameters=query.parameters, use_strings=True)

    def raw(self, query: Query, format: str) -> bytes:  # noqa: A002
        """The answer written by ClickHouse itself in one of its formats."""
        with self._handle() as client, _outages(self.where):
            return bytes(client.raw_query(query.sql, parameters=query.parameters, fmt=format))

    def stream(self, query: Query, format: str) -> Iterator[bytes]:  # noqa: A002
        """As raw, piece by piece. Close the iterator (or drain it): its handle is busy until then."""
        with self._handle() as client, _outages(self.where):
            source = client.raw_stream(query.sql, parameters=query.parameters, fmt=format)
            try:
                while piece := source.read(1 << 20):
                    yield piece
            finally:
                source.close()

    def rows(self, query: Query) -> list[dict[str, Any]]:
        """A small answer as dicts, instants as aware datetimes."""
        with self._handle() as client, _outages(self.where):
            return [
                {name: _aware(item) for name, item in row.items()}
                for row in client.query(query.sql, parameters=query.parameters).named_results()
            ]

    def change(self, query: Query) -> None:
        """INSERT SELECT or a mutation; returns when it is done."""
        with self._handle() as client, _outages(self.where):
            client.command(query.sql, parameters=query.parameters, settings={"mutations_sync": 1})

    def ping(self) -> None:
        """Unavailable where the store does not answer."""
        with self._handle() as client, _outages(self.where):
            client.command("SELECT 1")

    def drop(self) -> None:
        """Removes the database with all its tables; then only close() makes sense."""
        self._command(f"DROP DATABASE IF EXISTS `{self.database}` SYNC")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()

    def _run(self, migration: Migration) -> None:
        for statement in split_statements(migration.sql):
            self._command(statement)
            if self.embedded and statement.lstrip().upper().startswith("CREATE TABLE"):
                # a process that dies with the machine must not have told the log that these rows are kept (I12)
                name = statement.split("(", 1)[0].split()[-1]
                self._command(f"ALTER TABLE {name} MODIFY SETTING fsync_after_insert = 1")
        self.insert("migrations", pa.table({"number": pa.array([migration.number], pa.uint16()), "name": [migration.name]}))

    def _command(self, sql: str) -> None:
        with self._handle() as client, _outages(self.where):
            client.command(sql)

    @contextlib.contextmanager
    def _handle(self) -> Iterator[Any]:
        with self._lock:
            if self._closed:
                raise Unavailable("store-closed", f"the store {self.where} is closed: this process is stopping")
            client = self._idle.pop() if self._idle else None
        if client is None:
            with _outages(self.where):
                client = self._connect(self.database)
        try:
            yield client
        except (Unavailable, GeneratorExit):
            client.close()  # its connection may hold half an answer
            raise
        except BaseException:
            self._give_back(client)
            raise
        self._give_back(client)

    def _give_back(self, client: Any) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(client)
                return
        client.close()

    def _connect(self, database: str) -> Any:
        target = self._target | ({"database": database} if database else {}) | {"settings": _SETTINGS}
        return clickhouse_connect.get_client(**target)


def database_of(settings: Settings, generation: int | str) -> str:
    return "".join(c if c.isalnum() else "_" for c in settings.log.prefix) + f"_{generation}"


def _target(settings: Settings) -> tuple[dict[str, Any], str]:
    dsn = settings.store.dsn
    if not dsn or dsn.startswith("chdb://"):
        path = Path(dsn.removeprefix("chdb://")) if dsn else settings.data / "store"
        path.mkdir(parents=True, exist_ok=True)
        return {"interface": "chdb", "path": str(path)}, f"in {path}"
    server = dsn.rsplit("@", 1)[-1].split("?")[0]
    waits = {"connect_timeout": CONNECT_SECONDS, "send_receive_timeout": ANSWER_SECONDS_MAX, "autogenerate_session_id": False}
    return {"dsn": dsn, **waits}, f"at {server}"


@contextlib.contextmanager
def _outages(where: str) -> Iterator[None]:
    """The driver's errors as ours: not now, not this, or in another's hands."""
    try:
        yield
    except VarveError:
        raise
    except (OSError, urllib3.exceptions.HTTPError) as reason:
        raise _unavailable(where, reason) from reason
    except ClickHouseError as reason:
        raise _meant(where, reason) from reason
    except (pa.ArrowException, ValueError, TypeError) as reason:
        raise _refused(where, reason) from reason


def _meant(where: str, reason: ClickHouseError) -> VarveError:
    """Only the store's own code, or the driver's word about what it was given, is a refusal; a proxy's 502 has neither."""
    words, code = str(reason), getattr(reason, "code", None)
    if "Unable to open the chdb engine" in words:
        return _not_opened(where, words)
    if code is None:
        return _refused(where, reason) if isinstance(reason, DataError | ProgrammingError) else _unavailable(where, reason)
    outage = code in _OUTAGE_CODES and _TOO_MANY_PARTITIONS not in words
    return _unavailable(where, reason) if outage else _refused(where, reason)


def _unavailable(where: str, reason: Exception) -> Unavailable:
    return Unavailable(
        "store-unavailable", f"the store {where} does not answer ({_short(reason)}): is it running, and is there room on its disk?"
    )


def _refused(where: str, reason: Exception) -> Refused:
    return Refused("store-refused", f"the store {where} refused: {_short(reason)}")


def _not_opened(where: str, words: str) -> VarveError:
    if "different path" in words or "already" in words:
        return Conflict("store-other", f"the store {where} cannot be opened: this process has another one open")
    return Conflict(
        "store-in-use",
        f"the store {where} is held by another process, or cannot be written: stop the other `varve up` or use another --data directory",
    )


def _short(reason: Exception) -> str:
    return " ".join(str(reason).split())[:300]


def _aware(item: Any) -> Any:
    return item.replace(tzinfo=UTC) if isinstance(item, datetime) and item.tzinfo is None else item
