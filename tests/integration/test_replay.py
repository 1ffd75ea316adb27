"""`varve replay`: every view is built anew beside the running system, compared, and served; nothing that was written meanwhile is
missed, and a replay that is killed goes on when it is run again (I1, I3, I12).
"""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pytest

from sink.queries.query import Query
from sink.store import Store
from streams.log_kafka import open_log
from streams.topics import Topics
from tests.conftest import VarveUp, wait_until
from tests.integration.all_sorts import KEYS, TENANTS, answers, headers_of, post, write_all_sorts
from tests.integration.test_kill import kill, last_token, ready
from tests.integration.test_rebuild import command
from varve.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def replay(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return command("replay", "--data", str(data), *options)


def begun(varve: VarveUp) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "varve.cli", "replay", "--data", str(varve.data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    assert b"generation 2 of the views is being built" in process.stdout.readline()
    return process


def generation(varve: VarveUp) -> int:
    return int(httpx.get(f"{varve.url}/api/v1/generations", timeout=60).json()["served"]["generation"])


class Writer(threading.Thread):
    """Counts up one cell, and repeats what was not answered."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, self.stopped, self.added = url, threading.Event(), 0

    def run(self) -> None:
        body = {"series": "counter", "valid_time": "2025-01-01T00:00:00Z", "value": 1.0}
        while not self.stopped.is_set():
            try:
                headers = {"Idempotency-Key": f"add-{self.added}"} | headers_of(TENANTS[1])
                answer = httpx.post(f"{self._url}/api/v1/increments", json=body, headers=headers, timeout=30)
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                self.added += 1


def test_reads_are_byte_equal_after_a_replay_though_it_and_the_server_are_killed_and_others_write(
    varve_up: Callable[..., VarveUp], tmp_path: Path
) -> None:
    varve = varve_up(tmp_path / "varve")
    write_all_sorts(varve.url)
    token = last_token(varve)
    before = answers(varve.url, token)
    writer = Writer(varve.url)
    writer.start()
    try:
        killed = begun(varve)
        killed.kill()
        killed.wait()
        going_on = begun(varve)
        kill(varve, "server")
        second = replay(varve.data)
        assert second.returncode == 78 and "another `varve replay` runs" in second.stderr, second.stdout + second.stderr
        said, _ = going_on.communicate(timeout=200)
    finally:
        writer.stopped.set()
        writer.join()
    assert going_on.returncode == 0, said
    assert b"generations 1 and 2 hold the same rows of every series" in said
    ready(varve)
    assert generation(varve) == 2
    assert answers(varve.url, token) == before
    asked = {"key": "counter", "after": last_token(varve)}
    flat = httpx.get(f"{varve.url}/api/v1/values/flat", params=asked, headers=headers_of(TENANTS[1]), timeout=60).text
    assert f'"value":{writer.added}' in flat.replace(".0", ""), flat
    varve.stop()
    again = varve_up(varve.data)
    assert generation(again) == 2
    assert answers(again.url, token) == before


def test_what_differs_is_listed_and_served_only_when_it_is_said(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    varve = varve_up(tmp_path / "varve")
    token = post(varve.url, "points", {"series": KEYS, "valid_time": ["2025-01-01T00:00:00Z"] * len(KEYS), "value": [1.0] * len(KEYS)})
    series = httpx.get(f"{varve.url}/api/v1/series/key:{KEYS[3]}", timeout=60).json()["series_id"]
    asyncio.run(say_of_another_version(varve.note.brokers))
    varve.stop()
    store = Store.open(Settings(data=varve.data), 1)
    store.change(Query("ALTER TABLE points UPDATE value = 2 WHERE series_id = {series:UUID}", {"series": series}))
    store.close()

    varve = varve_up(varve.data)
    assert "version 0 of the fold" in httpx.get(f"{varve.url}/readyz", timeout=60).json()["notes"][0]
    doctor = command("doctor", "--data", str(varve.data))
    assert doctor.returncode == 1 and "`varve replay` builds them anew" in doctor.stdout, doctor.stdout + doctor.stderr
    checked = replay(varve.data, "--check")
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "1 series or runs differ" in checked.stdout
    assert f"points of {series}" in checked.stdout and "other values" in checked.stdout
    refused = replay(varve.data)
    assert refused.returncode == 1 and "it is not served" in refused.stdout, refused.stdout + refused.stderr
    assert generation(varve) == 1
    agreed = replay(varve.data, "--yes")
    assert agreed.returncode == 0, agreed.stdout + agreed.stderr
    ready(varve)
    body = httpx.get(f"{varve.url}/api/v1/values/flat", params={"key": KEYS[3], "after": token}, timeout=60).text
    assert '"value":1' in body
    assert httpx.get(f"{varve.url}/readyz", timeout=60).json()["notes"] == []


async def say_of_another_version(brokers: str) -> None:
    log = await open_log(brokers, Topics("varve", 4), 1)
    await log.append(log.topics.generations, 0, orjson.dumps({"generation": 1, "views": 0}), key=b"serving")
    await log.close()


def test_without_a_server_it_says_how_to_start_one(tmp_path: Path) -> None:
    said = replay(tmp_path)
    assert said.returncode == 1
    assert "start `varve up`" in said.stderr and "Traceback" not in said.stderr


def test_the_generation_that_is_served_is_not_dropped(running_varve: VarveUp) -> None:
    served = generation(running_varve)
    refused = httpx.delete(f"{running_varve.url}/api/v1/generations/{served}", timeout=60)
    assert refused.status_code == 409 and "is served" in refused.text
    assert httpx.post(f"{running_varve.url}/api/v1/generations/99/serve", timeout=60).status_code == 404


def test_a_generation_that_is_behind_is_not_served(varve_up: Callable[..., VarveUp]) -> None:
    """Nobody folds into it here."""
    varve = varve_up(environment={"VARVE_HTTP__WAIT_SECONDS_MAX": "2"})
    url = f"{varve.url}/api/v1/generations"
    post(varve.url, "points", {"series": "behind", "valid_time": "2025-01-01T00:00:00Z", "value": 1.0})
    number = httpx.post(url, timeout=60).json()["generation"]
    try:
        refused = httpx.post(f"{url}/{number}/serve", timeout=60)
        assert refused.status_code == 409 and "lacks" in refused.text
        built = wait_until(lambda: httpx.get(url, timeout=60).json()["building"], 30, "the next generation's tables")
        assert built["generation"] == number and built["points"] == 0
    finally:
        assert httpx.delete(f"{url}/{number}", timeout=60).status_code == 204
    assert httpx.get(url, timeout=60).json()["building"] is None
