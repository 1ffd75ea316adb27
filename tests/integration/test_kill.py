"""I12 under kill -9: worker, server and broker die at random moments while 200,000 points come in by HTTP, intake and events."""

import os
import random
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.conftest import VarveUp, wait_until
from tests.integration.campaign import Ledger, check, publish, write_over_http
from varve.clock import new_id

pytestmark = pytest.mark.slow
PARTS = ("worker", "server", "broker")


def campaign(varve: VarveUp, seed: int, kills: int) -> None:
    ledger, dice = Ledger(seed), random.Random(seed)
    url, brokers = varve.url, varve.note.brokers
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(write_over_http, ledger, url, seed + n, 100, 500) for n in range(2)]
        jobs += [pool.submit(publish, ledger, brokers, seed + 2 + n, 100, 500, partitions) for n, partitions in enumerate((None, 4))]
        for part in random.Random(seed).sample(PARTS * kills, len(PARTS) * kills):
            threading.Event().wait(dice.uniform(0.5, 3))  # the random moment, not a wait for something
            kill(varve, part)
        for job in jobs:
            job.result()
    assert len(ledger.sent) == 200_000
    ready(varve)
    params: dict[str, str | int] = {"key": "s0", "limit": 1, "after": last_token(varve)}
    assert httpx.get(f"{url}/api/v1/values/flat", params=params, timeout=60).status_code == 200
    check(ledger, url)


def kill(varve: VarveUp, part: str) -> None:
    there(varve, part).kill()


def there(varve: VarveUp, part: str) -> psutil.Process:
    """The part's process, as soon as it is there again from the last time."""

    def alive() -> psutil.Process | None:
        try:
            process = psutil.Process(varve.pid(part))
            return process if process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, KeyError):
            return None

    process = wait_until(alive, 60, f"{part} is there to be ended")
    assert process is not None
    return process


def ready(varve: VarveUp) -> None:
    def answers() -> bool:
        try:
            return httpx.get(f"{varve.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, 120, f"ready again: {varve.said()[-2000:]}")


def last_token(varve: VarveUp) -> str:
    """A token of everything on varve.events: the end of each of its partitions."""
    from confluent_kafka import Consumer, TopicPartition

    log_id = str(httpx.get(f"{varve.url}/api/v1/status", timeout=20).json()["log_id"])
    consumer = Consumer({"bootstrap.servers": varve.note.brokers, "group.id": str(new_id())})
    ends = {p: consumer.get_watermark_offsets(TopicPartition("varve.events", p), timeout=20)[1] - 1 for p in range(4)}
    consumer.close()
    return log_id + "".join(f".{partition}-{offset}" for partition, offset in ends.items() if offset >= 0)


def seed_of_this_run() -> int:
    seed = int(os.environ.get("VARVE_TEST_SEED", "0")) or random.SystemRandom().randrange(10**6)
    sys.stderr.write(f"seed {seed}: repeat with VARVE_TEST_SEED={seed}\n")
    return seed


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(varve_up: Callable[..., VarveUp]) -> None:
    campaign(varve_up(environment={"VARVE_WORKER__SESSION_SECONDS": "6", "VARVE_WORKER__STALL_SECONDS": "3"}), seed_of_this_run(), 1)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("round_", range(10))
def test_ten_rounds_of_kill_9(varve_up: Callable[..., VarveUp], round_: int) -> None:
    campaign(
        varve_up(environment={"VARVE_WORKER__SESSION_SECONDS": "6", "VARVE_WORKER__STALL_SECONDS": "3"}), seed_of_this_run() + round_, 3
    )
