"""Parts that SIGSTOP holds for longer than a session, and a broker that is stopped, killed and held while writes come: nothing that was
acknowledged is lost or doubled, and /readyz says what is missing while it is (I12).
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.conftest import VarveUp, wait_until
from tests.integration.campaign import Ledger, check, write_over_http
from tests.integration.test_kill import last_token, ready, seed_of_this_run, there
from varve.watch import sign_of_life, touched

pytestmark = pytest.mark.slow
SESSION_SECONDS = 6
ENVIRONMENT = {
    "VARVE_WORKER__SESSION_SECONDS": str(SESSION_SECONDS),
    "VARVE_WORKER__STALL_SECONDS": "3",
    "VARVE_UP__HUNG_SECONDS": "20",
    "VARVE_HTTP__WAIT_SECONDS_MAX": "5",
}


@dataclass
class Witness:
    """What /readyz said, and when it said nothing."""

    url: str
    seen: list[str] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def until_said(self, words: str) -> None:
        """From now on."""
        before = len(self.seen)
        wait_until(lambda: any(words in one for one in self.seen[before:]), 90, f"/readyz says {words}")

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(0.3):
            try:
                answer = httpx.get(f"{self.url}/readyz", timeout=10)
                missing = "; ".join(answer.json()["missing"])
                self.seen.append(missing or "ready")
                if (answer.status_code == 200) == bool(missing):
                    self.seen.append(f"{answer.status_code} with {missing}")
            except httpx.TransportError:
                self.seen.append("no answer")


@contextmanager
def held(varve: VarveUp, part: str) -> Iterator[None]:
    process = there(varve, part)
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def campaign(varve: VarveUp, seed: int) -> None:
    ledger, witness = Ledger(seed, series=80), Witness(varve.url)
    with witness.watching(), ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write_over_http, ledger, varve.url, seed + n, 60, 100) for n in range(2)]
        with held(varve, "worker"):
            witness.until_said("worker: partition(s) [0, 1, 2, 3] are not folded")
            time.sleep(SESSION_SECONDS - 4)
        witness.until_said("ready")
        with held(varve, "broker"):
            witness.until_said("broker: does not answer")
            time.sleep(SESSION_SECONDS)
        witness.until_said("ready")
        with held(varve, "server"):
            witness.until_said("no answer")  # after 10 s: shorter than it takes to be called hung
        witness.until_said("ready")
        for end in (signal.SIGTERM, signal.SIGKILL):
            former = there(varve, "broker")
            former.send_signal(end)
            former.wait(60)
            assert there(varve, "broker").pid != former.pid  # back sooner than /readyz need notice
            witness.until_said("ready")
        wait_until(touched(sign_of_life(varve.data, "worker-1")), what="the worker is well")
        there(varve, "worker").send_signal(signal.SIGSTOP)  # for ever
        witness.until_said("worker: partition(s) [0, 1, 2, 3] are not folded")
        witness.until_said("ready")
        for job in jobs:
            job.result()
    assert "the worker is there but has not answered" in varve.said()
    assert not [one for one in witness.seen if one.startswith(("200 with", "503 with"))]
    ready(varve)
    params: dict[str, str | int] = {"key": "s0", "limit": 1, "after": last_token(varve)}
    assert httpx.get(f"{varve.url}/api/v1/values/flat", params=params, timeout=60).status_code == 200
    check(ledger, varve.url)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("round_", range(3))
def test_nothing_is_lost_or_doubled_when_parts_are_held_and_the_broker_comes_and_goes(
    varve_up: Callable[..., VarveUp], round_: int
) -> None:
    campaign(varve_up(environment=ENVIRONMENT), seed_of_this_run() + round_)
