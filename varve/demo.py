"""`make demo`: starts Varve, loads a year of real temperatures, forecasts over it and a correction, shows every kind of read,
then keeps serving until Ctrl-C (DEMO_ONCE=1 stops after the show).

Before: a newcomer. After: demo_load.py writes, demo_show.py reads; both only through varve.Client. It may be repeated.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from varve.cli_options import read_settings
from varve.client import Client
from varve.errors import Unavailable, VarveError
from varve.local import Local, start_local
from varve.running import found_running

DIRECTORY = Path("varve-data/demo")
DataOption = Annotated[Path, typer.Option("--data", help="data directory")]
PortOption = Annotated[int, typer.Option("--port", envvar="VARVE_HTTP__PORT", help="port of the server; 0 takes a free one")]
OnceOption = Annotated[bool, typer.Option("--once", envvar="DEMO_ONCE", help="stop after the show")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(data: DataOption = DIRECTORY, port: PortOption = 0, once: OnceOption = False) -> None:
    """Start Varve, load a year of real temperatures with forecasts and corrections, show what was known when, keep serving."""
    console = Console(highlight=False)
    try:
        _interruptible()
        with _served(console, data.resolve(), port) as (url, local):
            _play(console, url, data.resolve())
            if not once:
                _keep_serving(console, url, local)
        console.print(f"The data stay in {data.resolve()}: run the demo again, or `varve up --data {data}`.", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("\nStopped.")
    except ModuleNotFoundError as reason:
        _fail(console, f"the package {reason.name} is missing: `make setup` installs all that the demo needs")
    except BrokenPipeError:
        raise  # nobody reads on: typer knows what to do
    except OSError as reason:
        _fail(
            console, f"cannot write to {data.resolve()} ({reason.strerror}): free some space there, or choose another directory with --data"
        )
    except VarveError as refusal:
        _fail(console, f"{refusal.message}\nWhat is wrong with the set-up: varve doctor --data {data}")


@contextmanager
def _served(console: Console, directory: Path, port: int) -> Iterator[tuple[str, Local | None]]:
    """Varve on the directory: ours, stopped at the end, or the one that runs there already."""
    running = found_running(directory)
    if running is not None:
        console.print(f"Varve runs already at [bold]{running.url}[/] on {directory}: that one is used.", soft_wrap=True)
        yield running.url, None
        return
    words = "Starting Varve: broker, worker, store, server (the first start ever fetches the broker, 43 MB) ..."
    with _waiting(console, words):
        local = start_local(directory, port=port, settings=read_settings(directory))
    try:
        console.print(f"Varve runs at [bold]{local.url}[/] on {directory}", soft_wrap=True)
        yield local.url, local
    finally:
        with _waiting(console, "Stopping Varve ..."):
            local.stop()


@contextmanager
def _waiting(console: Console, words: str) -> Iterator[None]:
    """Something that moves where a person looks on, else a line."""
    if console.is_terminal:
        with console.status(words):
            yield
    else:
        console.print(words, soft_wrap=True)
        yield


def _play(console: Console, url: str, directory: Path) -> None:
    from varve.demo_load import load
    from varve.demo_show import show

    with Client(url) as client:
        load(client, console)
        show(client, console, directory / "demo.png")


def _keep_serving(console: Console, url: str, local: Local | None) -> None:
    from varve.demo_show import what_next

    what_next(console, url)
    if local is None:
        return
    console.print(f"\nVarve keeps serving at [bold]{url}[/] until Ctrl-C.", soft_wrap=True)
    while local.process.poll() is None:
        time.sleep(0.2)
    raise Unavailable("stopped", "Varve stopped by itself; run the demo again: what was written is kept")


def _interruptible() -> None:
    """SIGTERM ends us as Ctrl-C does, and a shell that started us in the background has not switched Ctrl-C off."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _fail(console: Console, words: str) -> None:
    console.print(f"varve demo: {words}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
