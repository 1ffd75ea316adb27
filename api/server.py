"""The shell of the HTTP server: opens log and store, starts what runs beside the app, serves, stops in order.

Before: `varve server` and `varve api`. After: uvicorn. A part that dies takes the process with it: the supervisor starts it
again (I6). The port that was taken is told on stdout and in DATA/server.json.
"""

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

import uvicorn

from api.app import WORDINGS, create_app
from api.assembly import Assembly, assemble
from api.stopping import Stopping
from varve.access import refuse_unguarded
from varve.clock import SystemClock
from varve.errors import Fault, Unavailable
from varve.settings import Settings

log = logging.getLogger(__name__)
GRACE_SECONDS = 10
WORK_THREADS = 3
WS_BYTES_MAX = 1 << 12  # of what a reader says: nothing is asked of it


def run_server(settings: Settings, *, with_sink: bool) -> None:
    """Until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if find_spec("uvloop") is not None:
        import uvloop

        uvloop.run(serve(settings, with_sink=with_sink))
    else:
        asyncio.run(serve(settings, with_sink=with_sink))


async def serve(settings: Settings, *, with_sink: bool) -> None:
    # as many large bodies are decoded at once as are worth their memory
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WORK_THREADS, "work"))
    listening = listen(settings)
    async with assemble(settings, SystemClock(), with_sink=with_sink) as assembly:
        await serve_assembly(settings, assembly, listening)


async def serve_assembly(settings: Settings, assembly: Assembly, listening: socket.socket) -> None:
    """Until a signal comes or a part stops."""
    server = _uvicorn(assembly, settings)
    async with _beside(assembly.tasks, server):
        await assembly.started()
        _tell_port(settings, listening)
        gc.collect()
        gc.freeze()  # what lives from the start need not be looked at again
        await server.serve(sockets=[listening])
        await assembly.parts.writer.settle()


def _uvicorn(assembly: Assembly, settings: Settings) -> uvicorn.Server:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _noted)  # uvicorn raises what it caught once more at its end
    http = "httptools" if find_spec("httptools") else "h11"
    config = uvicorn.Config(
        Stopping(create_app(assembly.parts), assembly.parts.views.closing, WORDINGS),
        http=http, loop="none", log_level="warning", access_log=False, lifespan="off",
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS, timeout_keep_alive=75, limit_concurrency=settings.http.held_requests_max * 4,
        ws="websockets-sansio", ws_max_size=WS_BYTES_MAX, ws_per_message_deflate=False,
    )  # fmt: skip
    return _Server(config, assembly)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, assembly: Assembly) -> None:
        super().__init__(config)
        self._assembly = assembly

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Else an open tail would hold it for all of GRACE_SECONDS."""
        self._assembly.parts.views.closing.set()
        await super().shutdown(sockets)


@asynccontextmanager
async def _beside(running: dict[str, Coroutine[Any, Any, None]], server: uvicorn.Server) -> AsyncIterator[None]:
    """Runs the tasks while the server serves; one that ends or fails stops the server and is told."""
    failed: list[BaseException] = []

    def ended(name: str, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            failed.append(task.exception() or Fault("part-ended", f"{name} ended by itself"))
            log.error("%s stopped: %s", name, failed[-1], exc_info=task.exception())
            server.should_exit = True

    tasks = []
    for name, work in running.items():
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(partial(ended, name))
        tasks.append(task)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        raise failed[0]


def listen(settings: Settings) -> socket.socket:
    refuse_unguarded(settings)
    family = socket.AF_INET6 if ":" in settings.http.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio asks it before it switches Nagle off
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.http.host, settings.http.port))
    except OSError as reason:
        listening.close()
        where = f"{settings.http.host}:{settings.http.port}"
        raise Unavailable(
            "port-taken", f"cannot listen on {where} ({reason.strerror}): stop what has it, or set VARVE_HTTP__PORT"
        ) from None
    return listening


def _tell_port(settings: Settings, listening: socket.socket) -> None:
    listening.listen(2048)  # whoever reads the port may connect at once
    port = listening.getsockname()[1]
    settings.data.mkdir(parents=True, exist_ok=True)
    draft = settings.data / "server.json.new"
    draft.write_text(json.dumps({"host": settings.http.host, "port": port, "pid": os.getpid()}))
    draft.replace(settings.data / "server.json")
    sys.stdout.write(f"varve server: http://{settings.http.host}:{port}\n")
    sys.stdout.flush()


def _noted(number: int, _frame: object) -> None:
    log.info("stopped by %s", signal.Signals(number).name)
