"""Stopping, starting and cutting short: everything stays, uploads are whole or absent."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx
import pytest

from tests.conftest import VarveUp
from tests.integration.campaign import START, read_all
from tests.integration.test_kill import kill, last_token, ready, seed_of_this_run

pytestmark = pytest.mark.slow
SERIES = [f"u{n}" for n in range(40)]


def write(url: str, series: str, value: float) -> None:
    body = {"series": series, "valid_time": "2025-01-01T00:00:00Z", "value": value}
    assert httpx.post(f"{url}/api/v1/points", json=body, timeout=60).status_code == 200


def value_of(url: str, series: str) -> float:
    return float(read_all(url, "flat", [series])[0]["value"])


def test_stopping_and_starting_keeps_everything(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    first = varve_up(tmp_path / "kept")
    write(first.url, "s", 1.0)
    log_id = last_token(first)
    assert first.stop() == 0
    second = varve_up(tmp_path / "kept")
    assert value_of(second.url, "s") == 1.0
    write(second.url, "s", 2.0)
    assert value_of(second.url, "s") == 2.0
    assert last_token(second).split(".")[0] == log_id.split(".")[0]


@pytest.mark.timeout(400)
def test_a_multi_series_upload_is_whole_or_absent_when_its_server_and_worker_are_killed(varve_up: Callable[..., VarveUp]) -> None:
    """Uploads of 40 series, small (by intake) and large (spooled); each upload's value is its number, at its own instants."""
    environment = {"VARVE_HTTP__RECORD_MB_MAX": "1", "VARVE_WORKER__SESSION_SECONDS": "6", "VARVE_WORKER__STALL_SECONDS": "3"}
    varve = varve_up(environment=environment)
    dice = Random(seed_of_this_run())
    acknowledged: set[int] = set()

    def upload(number: int) -> None:
        rows = 2_500 if number % 4 == 0 else 3
        times = [START + (number * 5_000 + row) * 10**9 for row in range(rows)]
        body = {"series": [name for name in SERIES for _ in times], "valid_time": times * len(SERIES), "value": number}
        try:
            if httpx.post(f"{varve.url}/api/v1/points", json=body, params={"wait": "log"}, timeout=40).status_code == 200:
                acknowledged.add(number)
        except httpx.TransportError:
            pass  # not acknowledged: whole or absent, both are right

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(upload, number) for number in range(60)]
        for part in ("server", "worker", "server", "worker"):
            jobs[dice.randrange(5, 40)].result()  # a random moment: whenever that upload has ended
            kill(varve, part)
        for job in jobs:
            job.result()
    ready(varve)
    assert httpx.get(f"{varve.url}/api/v1/values/flat", params={"key": "u0", "limit": 1, "after": last_token(varve)}, timeout=60).is_success
    rows = read_all(varve.url, "history", SERIES, "series_id,valid_time,version,value")
    found = Counter(int(row["value"]) for row in rows)
    whole = {number: len(SERIES) * (2_500 if number % 4 == 0 else 3) for number in range(60)}
    assert acknowledged <= set(found)
    assert {number: times for number, times in found.items() if times != whole[number]} == {}
