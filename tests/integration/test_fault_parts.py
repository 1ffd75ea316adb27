"""Several workers, sinks and APIs over one broker and one store: they join, leave and die while points come, and nothing is lost or
doubled. Then the store is gone for a while: the log goes on, reads say so in words, and the views catch up (I5, I6, I12).
"""

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import wait_until
from tests.integration.campaign import Ledger, body_of, check, until_answered
from tests.integration.parts import WAIT_SECONDS_MAX, Parts
from tests.integration.test_kill import seed_of_this_run

pytestmark = pytest.mark.slow
POINT = {"series": "s", "valid_time": "2025-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def parts(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    directory: Path = tmp_path_factory.mktemp("parts")
    one = Parts(directory, broker, f"parts{time.time_ns()}")
    try:
        one.start("store")
        one.start("api-1")
        one.until_started("api-1")  # it makes topics and tables, once
        for name in ("api-2", "sink-1", "sink-2", "worker-1", "worker-2"):
            one.start(name)
        one.until_ready("api-1", "api-2")
        yield one
    finally:
        one.stop()


def write(url: str, body: dict[str, Any], wait: str) -> httpx.Response:
    return httpx.post(f"{url}/api/v1/points", json=body, params={"wait": wait}, timeout=60)


def flat(url: str, key: str, **asked: str) -> httpx.Response:
    return httpx.get(f"{url}/api/v1/values/flat", params={"key": key} | asked, timeout=60)


def last_token(url: str) -> str:
    status = httpx.get(f"{url}/api/v1/status", timeout=30).json()
    return str(status["log_id"]) + "".join(f".{partition}-{end - 1}" for partition, end in status["ends"].items() if end)


@pytest.mark.timeout(400)
def test_what_one_api_wrote_every_other_reads_while_all_sorts_of_parts_come_and_go(parts: Parts) -> None:
    seed = seed_of_this_run()
    ledger = Ledger(seed, series=60)

    def write_often(number: int) -> None:
        """Each request goes to whichever API it is, again until it is answered; the other one then shows it."""
        dice = random.Random(seed + number)
        with httpx.Client(base_url=parts.url("api-2"), timeout=40) as client:
            for turn in range(20):
                points = ledger.batch(dice, 200)
                until_answered(client, "/api/v1/points", body_of(points), f"{seed}-{number}-{turn}")
                ledger.acknowledge(points)

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write_often, number) for number in range(3)]
        parts.start("worker-3")
        for act in (lambda: parts.kill("worker-1"), lambda: parts.kill("sink-1"), lambda: parts.leave("worker-2")):
            time.sleep(1.5)  # a moment of the load, not a wait for something
            act()
        parts.start("worker-1")
        parts.start("sink-1")
        assert parts.leave("sink-2") == 0
        for job in jobs:
            job.result()
    parts.until_ready("api-1", "api-2")
    for number, (one, other) in enumerate((("api-1", "api-2"), ("api-2", "api-1")) * 3):
        answer = write(parts.url(one), POINT | {"value": number}, "log")
        assert answer.status_code == 200, answer.text
        found = flat(parts.url(other), "s", after=answer.json()["token"])
        assert [row["value"] for row in found.json()["data"]] == [number]
    assert flat(parts.url("api-1"), "s0", after=last_token(parts.url("api-1"))).status_code == 200
    check(ledger, parts.url("api-1"))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seconds", [8, pytest.param(60, marks=pytest.mark.soak)])
def test_while_the_store_is_gone_the_log_goes_on_and_the_views_catch_up_afterwards(parts: Parts, seconds: float) -> None:
    url = parts.url("api-1")
    parts.until_ready("api-1")
    assert write(url, POINT | {"value": -1.0}, "view").status_code == 200
    parts.kill("store")
    began = time.monotonic()
    assert any(one.startswith("store: the store at 127.0.0.1") and "is it running" in one for one in parts.missing("api-1"))
    read = flat(url, "s")
    assert read.status_code == 503 and "the store at 127.0.0.1" in read.json()["error"]["message"]
    late = write(url, POINT | {"value": 0.0}, "view")
    assert late.status_code == 503 and "the write is safe" in late.json()["error"]["message"]
    tokens, count = [late.json()["error"]["token"]], 0
    while time.monotonic() - began < seconds or not count:
        count += 1
        new = {"series": [f"new-{count}", "s"], "valid_time": "2025-01-01T00:00:00Z", "value": float(count)}
        answer = write(url, new, "log")
        assert answer.status_code == 200, answer.text
        tokens.append(answer.json()["token"])
    assert parts.missing("api-1"), "it is not ready while nothing can be read"
    parts.start("store")
    parts.until_ready("api-1", "api-2")
    for token in (tokens[0], tokens[-1]):
        assert flat(parts.url("api-2"), "s", after=token).json()["data"][0]["value"] == count
    assert [flat(url, f"new-{number}", after=tokens[-1]).json()["data"][0]["value"] for number in (1, count)] == [1.0, count]
    assert len(httpx.get(f"{url}/api/v1/values/history", params={"key": "s"}, timeout=60).json()["data"]) >= count + 2


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_a_store_that_hangs_is_told_and_what_waited_for_it_is_answered_when_it_goes_on(parts: Parts) -> None:
    url, store = parts.url("api-1"), parts.processes["store"]
    parts.until_ready("api-1")
    store.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as pool:
            reads = [pool.submit(flat, url, "s") for _ in range(8)]  # more than there are threads that read
            assert "store: does not answer" in parts.missing("api-1")
            answer = write(url, POINT | {"value": 55.0}, "log")
            assert answer.status_code == 200, answer.text
            store.send_signal(signal.SIGCONT)
            assert [read.result().status_code for read in reads] == [200] * 8
    finally:
        store.send_signal(signal.SIGCONT)
    parts.until_ready("api-1")
    assert flat(url, "s", after=answer.json()["token"]).json()["data"][0]["value"] == 55.0


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_an_api_says_that_no_sink_fills_the_views(parts: Parts) -> None:
    url = parts.url("api-1")
    parts.until_ready("api-1")
    for name in [one for one in parts.processes if one.startswith("sink-")]:  # the test before may have ended one
        parts.kill(name)
    token = write(url, POINT | {"value": 77.0}, "log").json()["token"]
    wait_until(lambda: any(one.startswith("views: ") for one in parts.missing("api-1")), 4 * WAIT_SECONDS_MAX, "it says that it is behind")
    assert flat(url, "s").status_code == 200, "what is there can be read"
    parts.start("sink-1")
    parts.until_ready("api-1")
    assert flat(url, "s", after=token).json()["data"][0]["value"] == 77.0
