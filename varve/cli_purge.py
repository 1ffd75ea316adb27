"""`varve purge`: erases a series' rows from the tables, after it has said how many and a person has agreed.

Before: varve/cli.py. After: the running server, which alone may touch the store (the log keeps its bytes, I1).
"""

import sys
from typing import Annotated

import typer

from varve.cli_options import DataOption, named_series, read_settings, say, tenant_of, url_of
from varve.errors import Incorrect
from varve.own_key import own_key


def purge(
    series: Annotated[str, typer.Argument(help="the series' key or id")],
    from_: Annotated[str | None, typer.Option("--from", help="first valid_time, included; without it, from the first")] = None,
    until: Annotated[str | None, typer.Option("--until", help="last valid_time, excluded; without it, to the last")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say how many rows, erase nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    tenant: Annotated[str | None, typer.Option(help="UUID of the tenant; the default one where absent")] = None,
    url: Annotated[str | None, typer.Option(help="the server; the one that runs on the data directory where absent")] = None,
    data: DataOption = None,
) -> None:
    """Erase a series' rows from the tables, for ever; the server must be running."""
    from varve.client import Client

    name = named_series(series)
    settings = read_settings(data)
    where = url or url_of(settings, named=data is not None)
    with Client(where, tenant_of(tenant), own_key(settings, where)) as client:
        rows = client.purge(name, from_, until, dry_run=True)
        if dry_run or not rows:
            say(f"{rows} row(s) would be erased" if dry_run else "0 rows: nothing to erase")
            return
        if not (yes or _agreed(f"Erase {rows} row(s) of {series} for ever?")):
            raise typer.Exit(1)
        say(f"{client.purge(name, from_, until)} row(s) erased; the log keeps their events")


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Incorrect("purge-unconfirmed", "what is erased cannot be had back, and nobody is here to be asked: say --yes")
    return typer.confirm(question)
