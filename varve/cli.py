"""The command `varve`. Each command imports what it needs inside itself, so that `varve --help` is fast.

Before: people, the supervisor, containers. After: streams, sink and api do the work. A VarveError becomes one message on
stderr; exit 78 = refused (starting again would fail again), 1 = failed (it may work later).
"""

import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from varve.cli_files import export_series, import_series
from varve.cli_letters import letters
from varve.cli_load import load_file
from varve.cli_options import DataOption, HostOption, PortOption, connected, read_settings, say, url_of, with_store
from varve.cli_purge import purge
from varve.cli_users import tenants, users
from varve.errors import Incorrect, Unavailable, VarveError
from varve.own_key import own_key
from varve.process import without_pandas

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Varve: nothing is ever overwritten.")
app.add_typer(letters, name="dead-letters")
app.add_typer(users, name="users")
app.add_typer(tenants, name="tenants")


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

    raise typer.Exit(run_up(read_settings(data, port, host), say))


@app.command()
def worker(data: DataOption = None) -> None:
    """Run one worker: the route and fold agents."""
    without_pandas()
    from streams.app import run_worker

    settings = connected(data)
    name = settings.worker.name or socket.gethostname()  # containers of one service differ in nothing else
    run_worker(settings.model_copy(update={"worker": settings.worker.model_copy(update={"name": name})}))


@app.command()
def loader(data: DataOption = None, port: PortOption = None) -> None:
    """Run one loader: schedules, and runs of tasks that load other people's sources."""
    without_pandas()
    from streams.loading.app import run_loader

    run_loader(connected(data, port))


@app.command()
def server(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Run the HTTP server and the sink in one process (over chDB, or a ClickHouse server where a DSN is set)."""
    from api.server import run_server

    run_server(connected(data, port, host), with_sink=True)


@app.command()
def api(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """Run the HTTP server alone; sinks run elsewhere (needs VARVE_STORE__DSN)."""
    settings = with_store(connected(data, port, host))
    from api.server import run_server

    run_server(settings, with_sink=False)


@app.command()
def sink(data: DataOption = None) -> None:
    """Run one sink: log to ClickHouse (needs VARVE_STORE__DSN)."""
    settings = with_store(connected(data))
    from sink.consumer import run_sink

    run_sink(settings)


@app.command()
def topics(data: DataOption = None) -> None:
    """Make the topics that are missing and list them all."""
    from varve.up import topics_made

    for topic in topics_made(connected(data)).all():
        wording = ", ".join(f"{name}={value}" for name, value in topic.config.items())
        say(f"{topic.name}  {topic.partitions} partition(s)  {wording}")


@app.command()
def migrate(data: DataOption = None) -> None:
    """Make the topics and the store's tables that are missing (needs VARVE_STORE__DSN)."""
    settings = with_store(connected(data))
    from sink.store import Store
    from varve.up import topics_made

    store = Store.open(settings, topics_made(settings).generation)
    try:
        done = store.migrate()
    finally:
        store.close()
    say(f"store: {', '.join(done)}" if done else "store: nothing to change")


@app.command()
def doctor(data: DataOption = None, port: PortOption = None, host: HostOption = None) -> None:
    """What is wrong with this set-up, in words; exit code 1 where anything is."""
    from varve.doctor import examine, situation

    settings = read_settings(data, port, host)
    for line in situation(settings):
        say(line)
    complaints = examine(settings)
    for complaint in complaints:
        say(f"{complaint.what}\n    {complaint.remedy}")
    say(f"{len(complaints)} thing(s) to mend" if complaints else "Everything looks well")
    raise typer.Exit(1 if complaints else 0)


@app.command()
def rebuild(data: DataOption = None, yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Throw every view away (fold state, points, store); the next start rebuilds them from varve.events."""
    from varve.rebuild import run_rebuild

    if not run_rebuild(read_settings(data), say, lambda question: yes or typer.confirm(question)):
        raise typer.Exit(1)


@app.command()
def backup(
    directory: Annotated[Path, typer.Argument(help="where the files go; what is new is added")],
    check: Annotated[bool, typer.Option("--check", help="write nothing: is every file there, and as it was written?")] = False,
    data: DataOption = None,
) -> None:
    """Write the log to files (Parquet, with checksums); everything else is built from it."""
    from varve.backup import run_backup, run_check

    if check:
        raise typer.Exit(0 if run_check(directory, say) else 1)
    run_backup(read_settings(data), directory, say)


@app.command()
def restore(directory: Annotated[Path, typer.Argument(help="a directory that `varve backup` wrote")], data: DataOption = None) -> None:
    """Make a new log of a backup, in a data directory that has none."""
    from varve.backup import run_restore

    run_restore(read_settings(data), directory, say)


@app.command()
def replay(
    data: DataOption = None,
    url: Annotated[str | None, typer.Option(help="the server, else that of --data; broker: VARVE_LOG__BROKERS, else --data's")] = None,
    check: Annotated[bool, typer.Option("--check", help="build and compare, then remove what was built")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="serve what was built although it differs; do not ask")] = False,
    until: Annotated[str | None, typer.Option(help="end there: a token that a read gave, or a time; needs --name")] = None,
    name: Annotated[str | None, typer.Option(help="keep what was built until there as /generations/NAME/... of the server")] = None,
    into_log: Annotated[str | None, typer.Option(help="fill a new log on the broker: its VARVE_LOG__PREFIX; needs --partitions")] = None,
    partitions: Annotated[int | None, typer.Option(min=1, max=1024, help="how many the new log has")] = None,
    state: Annotated[bool, typer.Option("--state", help="fold the workers' state alone anew, while nothing runs")] = False,
) -> None:
    """Build every view anew from varve.events beside the running system, compare, and serve it; or keep a past one under a name."""
    if into_log is not None:
        if url or check or yes or until or name or state or not partitions:
            raise Incorrect("options-incorrect", "--into-log and --partitions go together, with --data alone")
        from varve.replay_into import run_into

        run_into(read_settings(data), into_log, partitions, say)
        return
    if state:
        if url or check or yes or until or name:
            raise Incorrect("options-incorrect", "--state goes with --data alone")
        from varve.replay_state import run_state

        run_state(read_settings(data), say)
        return
    where = url or url_of(read_settings(data), named=data is not None)
    if until is not None or name is not None:
        if until is None or name is None or check or yes:
            raise Incorrect("options-incorrect", "--until and --name go together, without --check and --yes")
        from varve.replay_named import run_named

        run_named(connected(data), where, name, until, say)
        return
    from varve.replay import Wanted, run_replay

    key = own_key(read_settings(data), where)
    wanted = Wanted(where, check, lambda question: yes or (sys.stdin.isatty() and typer.confirm(question)), key)
    if not run_replay(connected(data), wanted, say):
        raise typer.Exit(1)


@app.command()
def generations(
    data: DataOption = None,
    url: Annotated[str | None, typer.Option(help="the server; the one that runs on the data directory where absent")] = None,
    remove: Annotated[str | None, typer.Option(help="the name of one that is not needed any more")] = None,
) -> None:
    """Which generation of the views is served, and which are kept under a name (`varve replay --until`)."""
    from varve.replay_named import list_named, remove_named

    where = url or url_of(read_settings(data), named=data is not None)
    if remove is None:
        list_named(read_settings(data), where, say)
    else:
        remove_named(connected(data), where, remove, say)


app.command("export")(export_series)
app.command("import")(import_series)
app.command("load")(load_file)
app.command()(purge)


@app.command()
def version() -> None:
    """The version of Varve."""
    from importlib.metadata import version as version_of

    say(version_of("varvedb"))


def _leave(refusal: VarveError) -> NoReturn:
    sys.stderr.write(f"varve: {refusal.message}\n")
    for row in refusal.rows:
        sys.stderr.write(f"  row {row.row}, {row.column}: {row.reason}\n")
    raise SystemExit(1 if isinstance(refusal, Unavailable) else 78)


if __name__ == "__main__":
    main()
