"""A part that is there but does not answer, as one that SIGSTOP has stopped for ever, is killed and started again; whoever sleeps
with the supervisor is left alone.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.test_up import SERVER, Started, Supervise, supervise  # noqa: F401 - a fixture
from varve.clock import SystemClock
from varve.watch import TURN_SECONDS_MAX, Watch, sign_of_life, touch, touched

HUNG_SECONDS = 3
TOUCHING = f"""
import os, pathlib, sys, time
sys.path.insert(0, {str(Path.cwd())!r})
from varve.watch import sign_of_life, touch
while True:
    touch(sign_of_life(pathlib.Path(os.environ["VARVE_DATA"]), "{{}}" + os.environ["VARVE_WORKER__NAME"]))
    time.sleep(0.2)
"""
PARTS = ("worker", "server", "broker", "loader")


@pytest.mark.slow
def test_a_part_that_hangs_is_started_again_and_nobody_is_blamed_for_the_supervisors_own_sleep(
    supervise: Supervise,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VARVE_UP__HUNG_SECONDS", str(HUNG_SECONDS))
    one = supervise(TOUCHING.format(""), SERVER, TOUCHING.format("loader-")).until_ready()
    pids = {part: one.pid(part) for part in PARTS}
    one.process.send_signal(signal.SIGSTOP)
    time.sleep(HUNG_SECONDS + 2)
    os.kill(pids["worker"], signal.SIGKILL)  # nobody sees it yet
    one.process.send_signal(signal.SIGCONT)
    until_another(one, "worker", pids["worker"])
    assert (one.pid("server"), one.pid("broker")) == (pids["server"], pids["broker"])
    assert "has not answered" not in one.said()
    lives = touched(sign_of_life(one.data, "worker-1"))
    wait_until(lives, what="the new worker's sign of life")
    for part in PARTS:
        before = one.pid(part)
        os.kill(before, signal.SIGSTOP)
        until_another(one, part, before)
        assert f"the {part} is there but has not answered" in one.said()


def until_another(one: Started, part: str, before: int) -> None:
    wait_until(lambda: one.pid(part) not in (0, before), 60, f"another {part}")


class Hours(SystemClock):
    """A clock that a test sets."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def test_silence_counts_where_it_is_longer_than_a_part_needs() -> None:
    answers, clock = [False], Hours()
    watch = Watch({"part": lambda: answers[0]}, 6.0, clock)

    def hung_after(seconds: float, answer: bool) -> float:
        clock.seconds += seconds
        answers[0] = answer
        watch.turn()
        return watch.hung_seconds("part")

    assert [hung_after(9, False) for _ in range(7)] == [0] * 6 + [63]  # a start is given ten times as long
    watch.started("part")
    assert [hung_after(9, False), hung_after(1, True)] == [0, 0]
    assert [hung_after(3, False), hung_after(3, False), hung_after(1, False)] == [0, 0, 7]
    assert hung_after(1, True) == 0
    assert hung_after(3600, False) == TURN_SECONDS_MAX  # the supervisor itself was stopped
    assert watch.hung_seconds("another") == 0


def test_a_sign_of_life_of_before_is_none(tmp_path: Path) -> None:
    sign = sign_of_life(tmp_path, "rack/worker-1")
    touch(sign)
    lives = touched(sign)
    assert not lives()
    os.utime(sign, (1, 1))
    assert lives()
    assert not lives()
