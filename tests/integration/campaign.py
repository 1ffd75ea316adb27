"""A campaign: three kinds of producers write to a running Varve while its processes are killed; then everything that was
acknowledged is looked for. Each point's value is a number of its own, so a lost or doubled point has a name.

Before: test_kill.py and the soak. After: `Ledger.check` says what is missing, doubled or wrong.
"""

import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyarrow as pa
from confluent_kafka import Producer

from varve.codec import decode, encode
from varve.record import split
from varve.series import DEFAULT_TENANT

HOUR_NS = 3600 * 10**9
START = 1_735_689_600 * 10**9  # 2025-01-01
KNOWN = START - 24 * HOUR_NS
ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Point:
    series: str
    valid_time: int
    known_time: int | None  # None: the log decides
    value: int


@dataclass
class Ledger:
    """What was sent, and what of it was acknowledged."""

    seed: int
    series: int = 200
    sent: dict[int, Point] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def batch(self, dice: random.Random, rows: int, only: Callable[[str], bool] = lambda _: True) -> list[Point]:
        names = [f"s{n}" for n in range(self.series) if only(f"s{n}")]
        with self._lock:
            first = len(self.sent)
            made = [
                Point(
                    dice.choice(names),
                    START + dice.randrange(300) * HOUR_NS,
                    dice.choice([None, KNOWN + dice.randrange(24) * HOUR_NS]),
                    first + n,
                )
                for n in range(rows)
            ]
            self.sent |= {point.value: point for point in made}
        return made

    def acknowledge(self, points: Sequence[Point]) -> None:
        with self._lock:
            self.acknowledged.update(point.value for point in points)


def body_of(points: Sequence[Point]) -> dict[str, Any]:
    return {
        "series": [point.series for point in points],
        "valid_time": [point.valid_time for point in points],
        "known_time": [point.known_time for point in points],
        "value": [point.value for point in points],
    }


def write_over_http(ledger: Ledger, url: str, seed: int, requests: int, rows: int) -> None:
    """Retries each request with its key until it is answered: a retry must never count twice."""
    dice = random.Random(seed)
    with httpx.Client(base_url=url, timeout=40) as client:
        for number in range(requests):
            points = ledger.batch(dice, rows)
            until_answered(client, "/api/v1/points", body_of(points), f"{ledger.seed}-{seed}-{number}")
            ledger.acknowledge(points)


def until_answered(client: httpx.Client, path: str, body: dict[str, Any], key: str, method: str = "POST", **asked: Any) -> httpx.Response:
    """Repeated while nobody answers, and while a part is away; then 200, or 409 where something was asked that may be refused."""
    deadline = time.monotonic() + 240
    while True:
        try:
            answer = client.request(method, path, json=body, params={"wait": "log"} | asked, headers={"Idempotency-Key": key})
            if answer.status_code == 200 or (asked and answer.status_code == 409):
                return answer
            assert answer.status_code in (502, 503), answer.text
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"no answer to {key} in 240 s"
        threading.Event().wait(0.1)


def publish(ledger: Ledger, brokers: str, seed: int, records: int, rows: int, partitions: int | None) -> None:
    """A producer of records, straight to varve.events (partitions given) or to varve.intake in plain JSON with any key."""
    dice = random.Random(seed)
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "enable.idempotence": True,
            "linger.ms": 20,
            "message.timeout.ms": 240_000,
            "message.max.bytes": 15 << 20,
        }
    )
    for _ in range(records):
        points = ledger.batch(dice, rows)

        def told(error: Any, _message: Any, points: Sequence[Point] = points) -> None:
            if error is None:
                ledger.acknowledge(points)

        body = json.dumps({"type": "points_written"} | body_of(points)).encode()
        if partitions is None:
            producer.produce("varve.intake", body, key=str(dice.random()), on_delivery=told)
        else:
            _publish_parts(ledger, producer, body, points, partitions)
        producer.poll(0.05)
    assert producer.flush(240) == 0, "the producer could not deliver everything"


def _publish_parts(ledger: Ledger, producer: Producer, body: bytes, points: Sequence[Point], partitions: int) -> None:
    by_value = {point.value: point for point in points}
    for partition, part in split(decode(body), partitions).items():
        mine = [by_value[int(value)] for value in part.points.value]

        def told(error: Any, _message: Any, mine: Sequence[Point] = mine) -> None:
            if error is None:
                ledger.acknowledge(mine)

        producer.produce("varve.events", encode(part), partition=partition, headers={"content-type": ARROW}, on_delivery=told)


def read_all(url: str, shape: str, keys: Sequence[str], columns: str = "") -> list[dict[str, Any]]:
    """Every row of the shape, page by page."""
    rows: list[dict[str, Any]] = []
    with httpx.Client(base_url=url, timeout=120) as client:
        for at in range(0, len(keys), 20):
            path: str | None = f"/api/v1/values/{shape}"
            params: dict[str, Any] | None = {"key": list(keys[at : at + 20]), "limit": 1_000_000} | (
                {"columns": columns} if columns else {}
            )
            while path:
                answer = client.get(path, params=params, headers={"Accept": ARROW})
                assert answer.status_code == 200, answer.text
                rows += pa.ipc.open_stream(answer.content).read_all().to_pylist()
                path, params = answer.links.get("next", {}).get("url"), None
    return rows


def check(ledger: Ledger, url: str) -> None:
    """Every acknowledged point is in the history once; flat and overlapping are what folding that history gives."""
    keys = [f"s{n}" for n in range(ledger.series)]
    history = read_all(url, "history", keys, "series_id,valid_time,known_time,version,value")
    seen = Counter(int(row["value"]) for row in history)
    missing, doubled = ledger.acknowledged - set(seen), [value for value, times in seen.items() if times > 1]
    assert not missing, (
        f"{len(missing)} of {len(ledger.acknowledged)} acknowledged points are lost, e.g. {[ledger.sent[v] for v in sorted(missing)[:3]]}"
    )
    assert not doubled, f"{len(doubled)} points are there twice, e.g. {[ledger.sent[v] for v in doubled[:3]]}"
    wrong = [row for row in history if not _as_sent(row, ledger.sent[int(row["value"])])]
    assert not wrong, f"{len(wrong)} points changed on the way, e.g. {wrong[:3]}"
    flat, overlapping = folded(history)
    assert _values(read_all(url, "flat", keys, "series_id,valid_time,value"), "flat") == flat
    assert _values(read_all(url, "overlapping", keys, "series_id,valid_time,known_time,value"), "overlapping") == overlapping


def folded(history: list[dict[str, Any]]) -> tuple[dict[Any, float], dict[Any, float]]:
    """The oracle: the last layer by (known_time, version) of each cell, and of each cell and known_time."""
    flat: dict[Any, float] = {}
    overlapping: dict[Any, float] = {}
    for row in sorted(history, key=lambda row: (row["known_time"], row["version"])):
        flat[row["series_id"], row["valid_time"]] = row["value"]
        overlapping[row["series_id"], row["valid_time"], row["known_time"]] = row["value"]
    return flat, overlapping


def _values(rows: list[dict[str, Any]], shape: str) -> dict[Any, float]:
    cell = ("series_id", "valid_time", "known_time") if shape == "overlapping" else ("series_id", "valid_time")
    found = {tuple(row[name] for name in cell): row["value"] for row in rows}
    assert len(found) == len(rows), f"{shape} shows a cell twice"
    return found


def _as_sent(row: dict[str, Any], point: Point) -> bool:
    known = point.known_time is None or row["known_time"].value == point.known_time
    series = row["series_id"] == uuid.uuid5(DEFAULT_TENANT, point.series)
    return bool(known and series and row["valid_time"].value == point.valid_time)
