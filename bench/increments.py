"""Lines of increments: in batches, as JSON, and on one hot counter; each sum is checked to the last one. PostgreSQL stands beside.

Before: bodies, made before the clock starts. After: rows. Rows of one request for one cell are one layer; a layer for each of
10 M increments is had by giving each its own known_time.
"""

import asyncio
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from bench import floor_log
from bench.made import NS_PER_SECOND, START_NS, arrow_body, instant, key_of
from bench.peers import updates_per_second
from bench.rig import Rig, Server, timed
from bench.row import Floor, Row, Wrong, median
from bench.wire import ARROW, JSON, Line, post_all, read_path, request_bytes, send_all
from varve.position import Token
from varve.series import series_id

PATH = "/api/v1/increments?wait=log"
SENDERS = 4
KEYS_PER_READ = 100
JSON_ROWS, JSON_CLIENTS = 1_000, 8
HOT_CLIENTS, HOT_AMOUNTS, HOT_KEY = 32, 100, "hot"
LAYERS_PER_BODY = 100_000
READS = 40
PEER_SECONDS = 10


@dataclass(frozen=True)
class Cells:
    """So many of each of so many series, a minute apart."""

    series: int
    each: int

    @property
    def keys(self) -> list[str]:
        return [key_of("count", number) for number in range(self.series)]


def increments(rig: Rig) -> list[Row]:
    """Arrow bodies that each add to every cell of 1,000 series, until reads show all of it."""
    cells = Cells(1_000, 100) if rig.scale > 0.05 else Cells(50, 20)
    rounds = rig.scaled(100, 4)
    added = list(_rounds(cells, rounds))
    bodies, count = [arrow_body(_table(cells, amounts)) for amounts in added], rounds * cells.series * cells.each
    peer = _peer(rig, 8, 1_000)
    server = rig.server()
    server.quiet()
    rig.say(f"sending {count:,} increments in {len(bodies)} bodies of Arrow")
    seconds, _ = timed(lambda: _until_visible(server, cells.keys[0], bodies, ARROW, SENDERS))
    _same_sums(server, cells, np.sum(added, axis=0))
    server.quiet()
    rig.say("floor: produce")
    log_seconds, _ = floor_log.produce(server.local.brokers, bodies, SENDERS)
    what = f"increments by Arrow over HTTP → visible, {count:,} on {cells.series * cells.each:,} cells of {cells.series:,} series"
    return [
        Row(what, count / seconds, "increments/s", 200_000, peer),
        Row("— the same, beside the log", count / seconds, "increments/s", 0, Floor("raw aiokafka produce", count / log_seconds)),
    ]


def increments_json(rig: Rig) -> list[Row]:
    """8 clients, 1,000 rows of JSON a request, each row of another series; each waits until it is safe on the log."""
    cells = Cells(JSON_ROWS, 1)
    added = list(_rounds(cells, rig.scaled(1_000, JSON_CLIENTS)))
    bodies, count = [_json(cells, amounts) for amounts in added], len(added) * JSON_ROWS
    peer = _peer(rig, 8, 1_000)
    server = rig.server()
    _until_visible(server, cells.keys[0], [_json(cells, np.zeros(JSON_ROWS))], JSON, 1)
    server.quiet()
    rig.say(f"sending {count:,} increments in {len(bodies):,} requests by {JSON_CLIENTS} clients")
    seconds, answers = timed(lambda: post_all(server.url, server.tenant, PATH, bodies, JSON, JSON_CLIENTS))
    _seen(server, cells.keys[0], (answer.token() for answer in answers))
    _same_sums(server, cells, np.sum(added, axis=0))
    return [Row(f"increments by JSON, {JSON_ROWS:,} rows a request, {JSON_CLIENTS} clients", count / seconds, "increments/s", 30_000, peer)]


def hot_counter(rig: Rig) -> list[Row]:
    """One cell, 32 clients: 100 amounts a request, which are one layer, and one amount a request."""
    peer = _peer(rig, HOT_CLIENTS, 1)
    server, rows = rig.server(), []
    for amounts, requests, target in ((HOT_AMOUNTS, rig.scaled(20_000, 64), 20_000), (1, rig.scaled(20_000, 64), 0)):
        key, body = f"{HOT_KEY}-{amounts}", orjson.dumps(_hot(f"{HOT_KEY}-{amounts}", amounts))
        made = [request_bytes(PATH, body, server.tenant)] * requests
        asyncio.run(send_all(server.url, made[:1], 1))
        server.quiet()
        rig.say(f"{requests:,} requests of {amounts} amounts to one cell by {HOT_CLIENTS} clients")
        seconds, told = timed(lambda made=made: asyncio.run(send_all(server.url, made, HOT_CLIENTS)))  # type: ignore[misc]
        _seen(server, key, (str(orjson.loads(answer)["token"]) for _, answer in told))
        _is(server, key, float(amounts * (requests + 1)))
        what = f"increments of one cell, {HOT_CLIENTS} clients, {amounts} a request"
        rows.append(Row(what if amounts == 1 else f"{what} (one layer)", requests * amounts / seconds, "increments/s", target, peer))
        rows.append(Row("— one request's time, p50", median([milliseconds for milliseconds, _ in told]), "ms"))
    return rows


def hot_reads(rig: Rig) -> list[Row]:
    """The read of one cell after 10 M increments in order."""
    layers = rig.scaled(10_000_000, 2_000)
    floor = Floor("raw chDB, sum of as many amounts", rig.floor("summed", "floor_rollups", layers=layers)["ms"])
    server = rig.server()
    rig.say(f"writing {layers:,} increments of one cell, each its own layer")
    for at in range(0, layers, LAYERS_PER_BODY * 20):
        ends = range(at, min(layers, at + LAYERS_PER_BODY * 20), LAYERS_PER_BODY)
        bodies = [arrow_body(_layers(first, min(LAYERS_PER_BODY, layers - first))) for first in ends]
        _until_visible(server, HOT_KEY, bodies, ARROW, 1)
    _is(server, HOT_KEY, float(layers))
    server.quiet()
    bounds = {"from_": instant(0), "until": instant(1)}
    asked = (("flat, bounded to it", read_path("flat", [HOT_KEY], **bounds)), ("latest", f"/api/v1/latest?key={HOT_KEY}"))
    line, what = server.line(), f"read of one cell after {layers:,} increments in order, JSON over HTTP"
    found = [(name, _milliseconds(line, path, float(layers))) for name, path in asked]
    line.close()
    return [Row(f"{what}: {name}", taken, "ms", 10, floor) for name, taken in found]


def _peer(rig: Rig, clients: int, rows: int) -> Floor:
    rig.say("beside: PostgreSQL")
    return updates_per_second(clients, rows, rig.scaled(PEER_SECONDS, 1))


def _rounds(cells: Cells, rounds: int) -> Iterator[NDArray[np.float64]]:
    """float64[series * each] of small whole numbers, so that every sum is exact."""
    random = np.random.default_rng(11)
    for _ in range(rounds):
        yield random.integers(1, 10, cells.series * cells.each).astype(np.float64)


def _table(cells: Cells, amounts: NDArray[np.float64]) -> pa.Table:
    index = np.repeat(np.arange(cells.series, dtype=np.int32), cells.each)
    times = START_NS + np.tile(np.arange(cells.each, dtype=np.int64) * 60, cells.series) * NS_PER_SECOND
    keys = pa.DictionaryArray.from_arrays(pa.array(index), pa.array(cells.keys))
    return pa.table({"series": keys, "valid_time": pa.array(times, pa.timestamp("ns", "UTC")), "value": amounts})


def _json(cells: Cells, amounts: NDArray[np.float64]) -> bytes:
    """One cell a series."""
    rows = [{"series": key, "valid_time": instant(0), "value": amount} for key, amount in zip(cells.keys, amounts.tolist(), strict=True)]
    return orjson.dumps({"rows": rows})


def _hot(key: str, amounts: int) -> dict[str, object]:
    return {"series": key, "valid_time": [instant(0)] * amounts, "value": [1.0] * amounts}


def _layers(first: int, count: int) -> pa.Table:
    """Increments by 1 of one cell, known a microsecond apart."""
    known = START_NS + np.arange(first, first + count, dtype=np.int64) * 1_000
    keys = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([HOT_KEY]))
    times = {"valid_time": np.full(count, START_NS, np.int64), "known_time": known}
    instants = {name: pa.array(column, pa.timestamp("ns", "UTC")) for name, column in times.items()}
    return pa.table({"series": keys, **instants, "value": np.ones(count)})


def _until_visible(server: Server, key: str, bodies: list[bytes], kind: str, senders: int) -> None:
    answers = post_all(server.url, server.tenant, PATH, bodies, kind, senders)
    _seen(server, key, (answer.token() for answer in answers))


def _seen(server: Server, key: str, tokens: Iterable[str]) -> None:
    line = server.line()
    line.visible(key, [str(reduce(Token.merged, (Token.parse(token) for token in tokens)))])
    line.close()


def _same_sums(server: Server, cells: Cells, wanted: NDArray[np.float64]) -> None:
    line, sums = server.line(), wanted.reshape(cells.series, cells.each)
    numbers = {series_id(uuid.UUID(server.tenant), key): number for number, key in enumerate(cells.keys)}
    for at in range(0, cells.series, KEYS_PER_READ):
        pages = line.pages(read_path("flat", cells.keys[at : at + KEYS_PER_READ]), ARROW)
        found = pa.concat_tables(pa.ipc.open_stream(body).read_all() for body in pages)
        of_series = [numbers[ident] for ident in found.column("series_id").to_pylist()[:: cells.each]]
        got = found.column("value").to_numpy().reshape(-1, cells.each)
        if sorted(of_series) != list(range(at, min(at + KEYS_PER_READ, cells.series))) or not np.array_equal(got, sums[of_series]):
            raise Wrong(f"the sums of series {at} and following are not what was added: {got.sum():,.0f} in all")
    line.close()


def _is(server: Server, key: str, wanted: float) -> None:
    line = server.line()
    found = _value(line, read_path("flat", [key]))
    line.close()
    if found != wanted:
        raise Wrong(f"{key} counts {found:,.0f} instead of {wanted:,.0f}")


def _value(line: Line, path: str) -> float:
    return float(orjson.loads(line.get(path, JSON).body)["data"][0]["value"])


def _milliseconds(line: Line, path: str, wanted: float) -> float:
    if (found := _value(line, path)) != wanted:
        raise Wrong(f"{path}: {found:,.0f} instead of {wanted:,.0f}")
    return 1000 * median([timed(lambda: line.get(path, JSON))[0] for _ in range(READS)])
