"""The command `varve`. Each command imports what it needs inside itself, so that `varve --help` is fast.

Before: people, the supervisor, containers. After: streams, sink and api do the work. A VarveError becomes one message on
stderr; exit 78 = refused (starting again would fail again), 1 = failed (it may work later).
"""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from varve.errors import Unavailable, VarveError
from varve.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Varve: nothing is ever overwritten.")
letters = typer.Typer(no_args_is_help=True, help="Records that were refused: look at them, correct them, send them again.")
app.add_typer(letters, name="dead-letters")

DataOption = Annotated[Path | None, typer.Option("--data", help="data directory (VARVE_DATA)")]
HostOption = Annotated[str | None, typer.Option(help="address to listen on (VARVE_HTTP__HOST)")]
PortOption = Annotated[int | None, typer.Option(help="port to listen on, 0 takes a free one (VARVE_HTTP__PORT)")]


def main() -> None:
    """The entry point: commands raise, people read."""
    try:
        app()
    except VarveError as refusal:
        _leave(refusal)


@app.command()
def up(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Run everything on this machine: broker, worker, store and HTTP server, in one data directory."""
    from varve.up import run_up

    raise typer.Exit(run_up(read_settings(data, port, host), _say))


@app.command()
def worker(data: DataOption = None) -> None:
    """Run one worker: the route and fold agents."""
    from streams.app import run_worker

    run_worker(_connected(data))


@app.command()
def server(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Run the HTTP server and the sink in one process (over chDB, or a ClickHouse server where a DSN is set)."""
    from api.server import run_server

    run_server(_connected(data, port, host), with_sink=True)


@app.command()
def api(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Run the HTTP server alone; sinks run elsewhere (needs VARVE_STORE__DSN)."""
    from api.server import run_server

    run_server(_with_store(_connected(data, port, host)), with_sink=False)


@app.command()
def sink(data: DataOption = None) -> None:
    """Run one sink: log to ClickHouse (needs VARVE_STORE__DSN)."""
    from sink.consumer import run_sink

    run_sink(_with_store(_connected(data)))


@app.command()
def topics(data: DataOption = None) -> None:
    """Make the topics that are missing and list them all."""
    from streams.topics import Topics
    from varve.up import topics_made

    settings = _connected(data)
    topics_made(settings)
    for topic in Topics(settings.log.prefix, settings.log.partitions).all():
        wording = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        _say(f"{topic.name}  {topic.partitions} partition(s)  {wording}")


@app.command()
def doctor(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """What is wrong with this set-up, in words; exit code 1 where anything is."""
    from varve.doctor import examine

    complaints = examine(read_settings(data, port, host))
    for complaint in complaints:
        _say(f"{complaint.what}\n    {complaint.remedy}")
    _say(f"{len(complaints)} thing(s) to mend" if complaints else "Everything looks well")
    raise typer.Exit(1 if complaints else 0)


@app.command()
def version() -> None:
    """The version of Varve."""
    from importlib.metadata import version as version_of

    _say(version_of("varvedb"))


def read_settings(data: Path | None = None, port: int | None = None, host: str | None = None) -> Settings:
    """The environment's settings, with what the command line says on top; refused in words where a value is wrong."""
    from pydantic import ValidationError

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


def _connected(data: Path | None, port: int | None = None, host: str | None = None) -> Settings:
    """Settings with a broker: the one that is set, else the one that `varve up` runs on the data directory."""
    from varve.running import found_running

    settings = read_settings(data, port, host)
    if settings.log.brokers:
        return settings
    note = found_running(settings.data)
    if note is None:
        raise Unavailable("broker-unknown", f"no broker: set VARVE_LOG__BROKERS, or start `varve up --data {settings.data}` first")
    return settings.model_copy(update={"log": settings.log.model_copy(update={"brokers": note.brokers})})


def _with_store(settings: Settings) -> Settings:
    from varve.errors import Incorrect

    if not settings.store.dsn:
        raise Incorrect("store-unknown", "set VARVE_STORE__DSN to a ClickHouse server: chDB lives inside one process, so a separate sink "
                        "or API cannot share it (`varve server` runs both in one)")
    return settings


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _leave(refusal: VarveError) -> NoReturn:
    sys.stderr.write(f"varve: {refusal.message}\n")
    for row in refusal.rows:
        sys.stderr.write(f"  row {row.row}, {row.column}: {row.reason}\n")
    raise SystemExit(1 if isinstance(refusal, Unavailable) else 78)


if __name__ == "__main__":
    main()
