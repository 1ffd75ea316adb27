"""/readyz tells the truth: not ready while reads lack what they should show, while the clock is off, while the log is shorter than
the views; and a server that only reads refuses such a log at its start, as the sink and the worker do (I4, I12).
"""

import asyncio
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.assembly import assembled
from api.lag import SHORT_SECONDS_MAX, Lag
from sink.positions import Reached, write_positions
from streams.log_memory import MemoryLog
from streams.topics import Topics
from tests.store_rows import opened
from varve.clock import SystemClock, new_id
from varve.errors import Fault
from varve.settings import Settings

SECOND = 10**9


class SetClock(SystemClock):
    """A clock that jumps when it is set."""

    def __init__(self) -> None:
        self.ahead_seconds, self.passed_seconds = 0.0, 0.0

    def now(self) -> int:
        return super().now() + round((self.ahead_seconds + self.passed_seconds) * SECOND)

    def monotonic(self) -> float:
        return super().monotonic() + self.passed_seconds


def test_views_are_behind_when_they_lack_what_was_there_at_the_start_or_came_long_ago() -> None:
    shown, clock = {0: 5, 1: 7}, SetClock()
    lag = Lag(lambda: shown, 30.0, clock)

    def complaint_after(seconds: float, ends: dict[int, int]) -> str:
        clock.passed_seconds += seconds
        lag.heard(dict(shown), ends)
        return lag.complaint()

    assert "2 event record(s)" in complaint_after(0, {0: 6, 1: 8})
    shown.update({0: 6, 1: 8})
    assert complaint_after(1, {0: 90, 1: 8}) == ""  # they have just come
    assert complaint_after(29, {0: 95, 1: 8}) == ""
    assert "84 event record(s)" in complaint_after(2, {0: 99, 1: 8})
    shown[0] = 90
    assert complaint_after(1, {0: 99, 1: 8}) == ""
    assert "9 event record(s)" in complaint_after(60, {0: 99, 1: 8})


def test_a_log_that_stays_shorter_than_what_reads_show_is_a_fault_that_names_the_repair() -> None:
    shown, clock = {0: 5}, SetClock()
    lag = Lag(lambda: shown, 30.0, clock)
    lag.heard(shown, {0: 5})
    lag.heard(shown, {0: 3})
    clock.passed_seconds += SHORT_SECONDS_MAX
    lag.heard(shown, {0: 5})  # the broker had just started, and did not know its own end
    lag.heard(shown, {0: 3})
    clock.passed_seconds += SHORT_SECONDS_MAX + 0.1
    with pytest.raises(Fault, match="ends at 3, but reads show it up to 5: the log lost its tail.*varve rebuild"):
        lag.heard(shown, {0: 3})


@pytest.mark.slow
def test_doors_refuse_at_once_when_their_clock_is_set_and_serve_when_it_is_set_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock, topics = SetClock(), Topics("varve", 2)
        log = MemoryLog(topics.all(), SystemClock())  # the broker's clock is another
        settings = Settings(data=tmp_path)
        for store in opened(tmp_path, prefix=f"t{new_id().hex}"):
            async with assembled(settings, clock, log, topics, store, with_sink=True) as assembly:
                running = [asyncio.create_task(task) for task in assembly.tasks.values()]
                await assembly.started()
                transport = httpx.ASGITransport(create_app(assembly.parts))
                async with httpx.AsyncClient(transport=transport, base_url="http://set", timeout=40) as client:
                    for jump, way in ((45.0, "45 s ahead of"), (-3600.0, "3600 s behind")):
                        assert await written(client) == 200
                        clock.ahead_seconds = jump
                        assert await written(client) == 503
                        missing = (await client.get("/readyz")).json()["missing"]
                        assert [one for one in missing if one.startswith("clock: writes are refused") and way in one and "NTP" in one]
                        clock.ahead_seconds = 0
                        assert not [one for one in (await client.get("/readyz")).json()["missing"] if one.startswith("clock")]
                    assert await written(client) == 200
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(scenario())


async def written(client: httpx.AsyncClient) -> int:
    body = {"series": "s", "valid_time": "2025-01-01T00:00:00Z", "value": 1}
    answer = await client.post("/api/v1/points", json=body, params={"wait": "log"})
    assert answer.is_success or "clock" in answer.json()["error"]["message"], answer.text
    return answer.status_code


@pytest.mark.slow
def test_a_server_without_a_sink_refuses_a_log_that_ends_before_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        topics = Topics("varve", 2)
        log = MemoryLog(topics.all(), SystemClock())
        for store in opened(tmp_path, prefix=f"t{new_id().hex}"):
            write_positions(store, log.log_id, [Reached(1, 8, 0)])
            with pytest.raises(Fault, match="varve.events partition 1 ends at 0.*lost its tail.*varve rebuild"):
                async with assembled(Settings(data=tmp_path), SystemClock(), log, topics, store, with_sink=False):
                    raise AssertionError("it serves")

    asyncio.run(scenario())
