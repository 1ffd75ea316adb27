"""What the commands share: their options, the settings these lead to, and how a line is said.

Before: varve/cli.py and its rooms of subcommands. After: each command has a Settings with a broker, or a refusal in words.
"""

import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from varve.errors import Incorrect, Unavailable
from varve.running import found_running
from varve.settings import Settings

DataOption = Annotated[Path | None, typer.Option("--data", help="data directory (VARVE_DATA)")]
HostOption = Annotated[str | None, typer.Option(help="address to listen on (VARVE_HTTP__HOST)")]
PortOption = Annotated[int | None, typer.Option(help="port to listen on, 0 takes a free one (VARVE_HTTP__PORT)")]


def read_settings(data: Path | None = None, port: int | None = None, host: str | None = None) -> Settings:
    """The environment's settings, with what the command line says on top; refused in words where a value is wrong."""
    try:
        settings = Settings()
        changes = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
        http = settings.http.model_validate(settings.http.model_dump() | changes)
        return settings.model_copy(update={"data": data or settings.data, "http": http})
    except ValidationError as refusal:
        for row in refusal.errors():
            name = "VARVE_" + "__".join(str(word).upper() for word in row["loc"])
            sys.stderr.write(f"varve: {name}: {row['msg']} (docs/SETTINGS.md lists every setting)\n")
        raise SystemExit(78) from None


def connected(data: Path | None, port: int | None = None, host: str | None = None) -> Settings:
    """Settings with a broker: the one that is set, else the one that `varve up` runs on the data directory."""
    settings = read_settings(data, port, host)
    if settings.log.brokers:
        return settings
    note = found_running(settings.data)
    if note is None:
        raise Unavailable("broker-unknown", f"no broker: set VARVE_LOG__BROKERS, or start `varve up --data {settings.data}` first")
    return settings.model_copy(update={"log": settings.log.model_copy(update={"brokers": note.brokers})})


def url_of(settings: Settings, *, named: bool) -> str:
    """The running server; named: the person chose the data directory, so no other server is meant."""
    note = found_running(settings.data)
    if note is not None:
        return note.url
    if named or not settings.http.port:
        raise Unavailable("server-unknown", f"no server runs on {settings.data}: start `varve up`, or say --url")
    return f"http://{settings.http.host}:{settings.http.port}"


def named_series(text: str) -> str | uuid.UUID:
    """A key, or an id."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return text.removeprefix("key:")


def tenant_of(text: str | None) -> uuid.UUID | None:
    try:
        return None if text is None else uuid.UUID(text)
    except ValueError:
        raise Incorrect("tenant", f"--tenant: '{text}' is not a UUID: `varve users list` shows it beside the name") from None


def with_store(settings: Settings) -> Settings:
    if not settings.store.dsn:
        raise Incorrect(
            "store-unknown",
            "set VARVE_STORE__DSN to a ClickHouse server: chDB lives inside one process, so a separate sink "
            "or API cannot share it (`varve server` runs both in one)",
        )
    return settings


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
