"""`make demo`: starts Varve, loads a year of real temperatures, forecasts over it and a correction, shows every kind of read,
then keeps serving until Ctrl-C (DEMO_ONCE=1 stops after the showing).

Before: a newcomer. After: demo_load.py writes, demo_show.py reads; both only through varve.Client. It may be repeated.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from varve.client import Client
from varve.errors import VarveError
from varve.local import Local, start_local
from varve.running import found_running


class DemoSettings(BaseSettings):
    """From the environment, for `make`: DEMO_ONCE, DEMO_DATA, DEMO_PORT."""

    model_config = SettingsConfigDict(env_prefix="DEMO_", frozen=True)

    once: bool = False
    data: Path = Path("varve-data/demo")
    port: int = 0


def main() -> int:
    asked = _asked()
    console = Console()
    directory = asked.data.resolve()
    running = found_running(directory)
    local: Local | None = None
    try:
        if running is None:
            with console.status("starting Varve: broker, worker, store, server (the first start fetches 43 MB)"):
                local = start_local(directory, port=asked.port)
        url = running.url if running is not None else local.url if local is not None else ""
        console.print(f"Varve runs at [bold]{url}[/] on {directory}")
        with Client(url) as client:
            _play(client, console, directory)
        if asked.once or local is None:
            return 0
        console.print(f"\nVarve keeps serving at [bold]{url}[/]: try {url}/docs, or varve.Client('{url}') in Python. Ctrl-C stops it.")
        _until_stopped(local)
    except KeyboardInterrupt:
        console.print("stopping")
    except VarveError as refusal:
        console.print(f"[red]varve demo:[/] {refusal.message}")
        return 1
    finally:
        if local is not None:
            local.stop()
    return 0


def _play(client: Client, console: Console, directory: Path) -> None:
    from varve.demo_load import load
    from varve.demo_show import show

    load(client, console)
    show(client, console, directory / "demo.png")


def _asked() -> DemoSettings:
    settings = DemoSettings()
    parser = argparse.ArgumentParser(prog="python -m varve.demo", description="A year of real temperatures, forecasts and corrections.")
    parser.add_argument("--data", type=Path, default=settings.data, help="data directory (DEMO_DATA)")
    parser.add_argument("--port", type=int, default=settings.port, help="port of the server, 0 takes a free one (DEMO_PORT)")
    parser.add_argument("--once", action="store_true", default=settings.once, help="stop after the showing (DEMO_ONCE=1)")
    return DemoSettings(**vars(parser.parse_args()))


def _until_stopped(local: Local) -> None:
    """Ctrl-C, SIGTERM, or the end of Varve itself."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(0.5):
        if local.process.poll() is not None:
            return


if __name__ == "__main__":
    sys.exit(main())
