"""Reads at one watermark never differ (I8, I9): while increments, late writes and deletions come in, a reader that loops over flat
and rollups at one token always finds the rollups to be those of the flat values."""

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import VarveUp
from varve.clock import new_id
from varve.instants import parse_instant

pytestmark = pytest.mark.slow
START = 1_735_689_600 * 10**9  # 2025-01-01
MINUTE_NS = 60 * 10**9
LOOPS = 12
PERIODS = (("15min", 15), ("1hour", 60), ("1day", 1440))
SPAN = {"from": "2025-01-01T00:00:00Z", "until": "2025-01-04T00:00:00Z"}


@contextmanager
def writing(varve: VarveUp, tenant: str) -> Iterator[None]:
    """Two days of minutes in order first, then whatever comes."""
    over, failed = threading.Event(), list[str]()
    first = [START + n * MINUTE_NS for n in range(2 * 1440)]

    def write() -> None:
        dice = random.Random(1)
        with httpx.Client(base_url=varve.url, headers={"X-Tenant": tenant}, timeout=60) as client:
            newest = len(first)
            while not over.is_set():
                newest += 1
                answers = [
                    client.post(
                        "/api/v1/increments?wait=log", json={"series": "c", "valid_time": [START + newest * MINUTE_NS], "value": [1]}
                    ),
                    client.post(
                        "/api/v1/points?wait=log", json={"series": "c", "valid_time": [dice.choice(first)], "value": [dice.randint(0, 99)]}
                    ),
                ]
                if dice.random() < 0.1:
                    at = dice.choice(first)
                    bounds = {"from": str(at), "until": str(at + 20 * MINUTE_NS), "wait": "log"}
                    answers.append(client.delete("/api/v1/series/key:c/points", params=bounds))
                failed.extend(answer.text for answer in answers if answer.status_code != 200)

    body = {"series": "c", "valid_time": first, "value": list(range(len(first)))}
    assert httpx.post(f"{varve.url}/api/v1/points", json=body, headers={"X-Tenant": tenant}, timeout=60).status_code == 200
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed[0]


def test_flat_and_rollups_at_one_token_never_differ(running_varve: VarveUp) -> None:
    tenant = str(new_id())
    seen = set()
    with writing(running_varve, tenant), httpx.Client(base_url=running_varve.url, headers={"X-Tenant": tenant}, timeout=60) as client:
        for loop in range(LOOPS):
            period, minutes = PERIODS[loop % len(PERIODS)]
            asked = {"period": period, "function": ["sum", "count", "max"]}
            paths: list[tuple[str, dict[str, Any]]] = [("/api/v1/values/flat", {}), ("/api/v1/rollups", asked)]
            first, second = paths if loop % 2 else paths[::-1]
            one = answer(client, *first)
            token = one.headers["Varve-Watermark"]
            two = answer(client, second[0], second[1] | {"watermark": token})
            assert two.headers["Varve-Watermark"] == token
            flat, rollups = (one, two) if loop % 2 else (two, one)
            assert told(rollups.json()["data"]) == rolled(flat.json()["data"], minutes * MINUTE_NS)
            seen.add(token)
    assert len(seen) > LOOPS // 4, "the reader saw the writer's work go on"


def answer(client: httpx.Client, path: str, asked: dict[str, Any]) -> httpx.Response:
    params: dict[str, Any] = {"key": "c", "limit": 10_000} | SPAN | asked
    found = client.get(path, params=params)
    assert found.status_code == 200, found.text
    return found


def told(rows: list[dict[str, Any]]) -> list[tuple[int, float, int, float]]:
    return [(parse_instant(row["valid_time"]), row["sum"], row["count"], row["max"]) for row in rows]


def rolled(rows: list[dict[str, Any]], step: int) -> list[tuple[int, float, int, float]]:
    buckets: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        at = parse_instant(row["valid_time"])
        buckets[at - at % step].append(row["value"])
    return [(at, sum(values), len(values), max(values)) for at, values in sorted(buckets.items())]
