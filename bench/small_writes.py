"""Lines of small writes: how many a second many clients get safe, and how soon one client's write is seen.

The client is one loop of raw asyncio connections that send bytes made before: an HTTP library would take more of the
machine than the server. Before: wire.py. After: rows.
"""

import asyncio

import orjson

from bench import floor_log
from bench.made import point_body
from bench.rig import Rig, timed
from bench.row import Floor, Row, median, share
from bench.wire import request_bytes, send_all

CLIENTS = 32
WARM = 64
POINTS = "/api/v1/points?wait="


def small_writes(rig: Rig) -> list[Row]:
    """32 clients, one point a request, each waits until it is safe on the log."""
    server, count = rig.server(), rig.scaled(20_000, 320)
    bodies = [point_body(f"small-{at % 100}", at) for at in range(count + WARM)]
    requests = [request_bytes(POINTS + "log", body, server.tenant) for body in bodies]
    _sent(server.url, requests[:WARM], CLIENTS)
    server.quiet()
    rig.say(f"{count:,} small writes by {CLIENTS} clients")
    seconds, taken = timed(lambda: _sent(server.url, requests[WARM:], CLIENTS))
    server.quiet()
    log_seconds, log_ms = floor_log.produce(server.local.brokers, bodies[WARM:], CLIENTS)
    what = f"small HTTP writes, wait=log, {CLIENTS} clients"
    return [
        Row(what, count / seconds, "requests/s", 1_500, Floor(f"raw aiokafka, {CLIENTS} in flight", count / log_seconds)),
        Row("— one request's time, p50", median(taken), "ms", 0, Floor("the same", log_ms)),
    ]


def write_visible(rig: Rig) -> list[Row]:
    """One client that writes a point, waits until reads show it, and writes the next."""
    floor = rig.floor("insert_one")
    server, count = rig.server(), rig.scaled(1_000, 20)
    bodies = [point_body("seen", at) for at in range(count + WARM)]
    requests = [request_bytes(POINTS + "view", body, server.tenant) for body in bodies]
    rig.say(f"{count:,} writes, one after another")
    taken = _sent(server.url, requests, 1)[WARM:]
    _, log_ms = floor_log.produce(server.local.brokers, bodies, 1)
    what = Floor("raw produce, then raw insert (p50)", log_ms + floor["ms"])
    return [
        Row(f"write → visible, one client, p50 of {count:,}", median(taken), "ms", 25, what),
        Row("— p99", share(taken, 0.99), "ms", 200),
    ]


def _sent(url: str, requests: list[bytes], clients: int) -> list[float]:
    """Milliseconds of each."""
    found = asyncio.run(send_all(url, requests, clients))
    assert all(orjson.loads(body)["rows"] == 1 for _, body in found)
    return [milliseconds for milliseconds, _ in found]
