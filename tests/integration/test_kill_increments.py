"""Increments are exact (I3, I12): 8 clients send 200,000 of them and repeat what was not answered, while worker, server and broker
are killed and stopped and a second worker joins and dies. Sums and rollups are then what was sent, to the last one.
"""

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.conftest import VarveUp
from tests.integration.campaign import until_answered
from tests.integration.test_kill import PARTS, kill, last_token, ready, seed_of_this_run, there
from varve.series import DEFAULT_TENANT, series_id
from varve.settings import LogSettings, Settings, WorkerSettings, environment_of

pytestmark = pytest.mark.slow
CLIENTS, REQUESTS, ROWS = 8, 50, 500
SERIES = [f"counter-{n}" for n in range(12)]
START = 1_735_689_600 * 10**9  # 2025-01-01
MINUTE_NS = 60 * 10**9
CELLS = 180  # minutes
ARROW = "application/vnd.apache.arrow.stream"
SESSION = {"VARVE_WORKER__SESSION_SECONDS": "6", "VARVE_WORKER__STALL_SECONDS": "3"}
Cell = tuple[str, int]


def send(url: str, seed: int, name: int, sent: Counter[Cell]) -> None:
    """Mostly at the newest minute, as counters are; now and then a late one. Every other request is about one series alone."""
    dice = random.Random(seed * 100 + name)
    with httpx.Client(base_url=url, timeout=40) as client:
        for number in range(REQUESTS):
            now = number * CELLS // REQUESTS
            series = [dice.choice(SERIES)] * ROWS if number % 2 else dice.choices(SERIES, k=ROWS)
            minutes = [now if dice.random() < 0.8 else dice.randrange(CELLS) for _ in range(ROWS)]
            amounts = [dice.randint(1, 9) for _ in range(ROWS)]
            body = {"series": series, "valid_time": [START + at * MINUTE_NS for at in minutes], "value": amounts}
            until_answered(client, "/api/v1/increments", body, f"{seed}-{name}-{number}")
            for key, at, amount in zip(series, minutes, amounts, strict=True):
                sent[key, START + at * MINUTE_NS] += amount


def stop(varve: VarveUp, part: str) -> None:
    """SIGTERM; the supervisor starts it again."""
    there(varve, part).terminate()


@contextmanager
def second_worker(varve: VarveUp) -> Iterator[subprocess.Popen[bytes]]:
    """Takes partitions from the first one; killed at the end."""
    worker = WorkerSettings(name="second", session_seconds=6, stall_seconds=3)
    settings = Settings(data=varve.data, log=LogSettings(brokers=varve.note.brokers), worker=worker)
    with (varve.data.parent / "second.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "varve.cli", "worker"], env=environment_of(settings), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def campaign(varve: VarveUp, seed: int) -> None:
    dice, tallies = random.Random(seed), [Counter[Cell]() for _ in range(CLIENTS)]
    acts = [(kill, part) for part in PARTS] + [(stop, part) for part in ("worker", "server")]
    dice.shuffle(acts)
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = [pool.submit(send, varve.url, seed, name, tally) for name, tally in enumerate(tallies)]
        with second_worker(varve):
            for act, part in acts:
                threading.Event().wait(dice.uniform(0.5, 3))  # the random moment, not a wait for something
                act(varve, part)
        for job in jobs:
            job.result()
    assert all(job.exception() is None for job in jobs)
    ready(varve)
    check(varve.url, sum(tallies, Counter[Cell]()), last_token(varve))


def check(url: str, sent: Counter[Cell], token: str) -> None:
    names = {series_id(DEFAULT_TENANT, key): key for key in SERIES}
    rows = read(url, "/api/v1/values/flat", after=token)
    flat = {(names[row["series_id"]], row["valid_time"].value): row["value"] for row in rows}
    wrong = {cell: (flat.get(cell), amount) for cell, amount in sent.items() if flat.get(cell) != amount}
    assert not wrong, f"{len(wrong)} of {len(sent)} cells are not what was added to them, e.g. {dict(list(wrong.items())[:3])}"
    assert len(flat) == len(sent)
    for period, minutes in (("15min", 15), ("1hour", 60), ("1day", 1440)):
        bounds = {"from": "2025-01-01T00:00:00Z", "until": "2025-01-02T00:00:00Z"}
        found = read(url, "/api/v1/rollups", period=period, function=["sum", "count", "max"], **bounds)
        answer = {(names[row["series_id"]], row["valid_time"].value): (row["sum"], row["count"], row["max"]) for row in found}
        assert answer == rolled(sent, minutes * MINUTE_NS), period


def rolled(sent: Counter[Cell], step: int) -> dict[Cell, tuple[int, int, int]]:
    def bucket(cell: Cell) -> Cell:
        return cell[0], cell[1] - cell[1] % step

    groups = {at: [sent[cell] for cell in cells] for at, cells in groupby(sorted(sent, key=bucket), bucket)}
    return {at: (sum(values), len(values), max(values)) for at, values in groups.items()}


def read(url: str, path: str, **asked: Any) -> list[dict[str, Any]]:
    params: dict[str, Any] = {"key": SERIES, "limit": 100_000} | asked
    answer = httpx.get(f"{url}{path}", params=params, headers={"Accept": ARROW}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert "next" not in answer.links
    rows: list[dict[str, Any]] = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    return rows


@pytest.mark.timeout(600)
def test_increments_are_exact_while_everything_is_killed_and_stopped(varve_up: Callable[..., VarveUp]) -> None:
    campaign(varve_up(environment=SESSION), seed_of_this_run())


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("round_", range(10))
def test_ten_rounds_of_increments(varve_up: Callable[..., VarveUp], round_: int) -> None:
    campaign(varve_up(environment=SESSION), seed_of_this_run() + round_)
