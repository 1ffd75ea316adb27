"""A full disk: of the store, or of everything. What is acknowledged stays, /readyz and the answers say what is wrong, and when
there is room again Varve goes on by itself (I6, I12).
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import TopicPartition

from streams.log_kafka import open_log
from streams.topics import Topics
from tests.conftest import VarveUp, wait_until
from tests.integration.disks import fill, make_room, small_disk
from tests.integration.test_kill import last_token
from varve.errors import Unavailable

pytestmark = pytest.mark.slow
SETTINGS = {"VARVE_WORKER__SESSION_SECONDS": "6", "VARVE_WORKER__STALL_SECONDS": "3", "VARVE_HTTP__WAIT_SECONDS_MAX": "4"}


def write(url: str, value: int, wait: str) -> httpx.Response:
    body = {"series": "s", "valid_time": "2025-01-01T00:00:00Z", "value": value}
    return httpx.post(f"{url}/api/v1/points", json=body, params={"wait": wait}, timeout=60)


def error_of(answer: httpx.Response) -> str:
    assert answer.status_code == 503, answer.text
    return str(answer.json()["error"]["message"])


def missing(url: str) -> list[str]:
    answer = httpx.get(f"{url}/readyz", timeout=20).json()
    return list(answer["missing"])


def values(url: str, **asked: str) -> list[Any]:
    answer = httpx.get(f"{url}/api/v1/values/history", params={"key": "s"} | asked, timeout=60)
    assert answer.status_code == 200, answer.text
    return [row["value"] for row in answer.json()["data"]]


@pytest.mark.timeout(400)
def test_a_full_disk_of_the_store_is_told_and_outlived(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    data = tmp_path / "varve"
    with small_disk(data / "store", 60):
        varve = varve_up(data, SETTINGS)
        url, place = varve.url, data / "store"
        assert write(url, 1, "view").status_code == 200
        fill(place)
        assert write(url, 2, "log").status_code == 200, "the log goes on"
        late = write(url, 3, "view")
        assert "the write is safe" in error_of(late)
        wait_until(lambda: any(one.startswith("sink: ") and "is there room on its disk?" in one for one in missing(url)), what="it is told")
        assert values(url) == [1], "what is there can be read"
        make_room(place)
        wait_until(lambda: not missing(url), 60, "ready again")
        assert values(url, after=late.json()["error"]["token"]) == [1, 2, 3]
        assert varve.stop() == 0


def test_a_producer_whose_numbering_the_broker_does_not_follow_is_replaced(broker: str) -> None:
    """A full disk leaves one behind: every later record of that partition would be refused, for ever."""

    async def scenario() -> None:
        topics = Topics(f"step{time.time_ns()}", 1)
        log = await open_log(broker, topics, 1)
        try:
            await log.append(topics.events, 0, b"first")
            out_of_step: Any = log._producer
            out_of_step._txn_manager.increment_sequence_number(TopicPartition(topics.events, 0), 5)
            refused = await asyncio.gather(*(log.append(topics.events, 0, b"lost") for _ in range(3)), return_exceptions=True)
            assert all(isinstance(one, Unavailable) for one in refused)
            stored = await asyncio.gather(*(log.append(topics.events, 0, b"later") for _ in range(3)))
            assert [one.offset for one in stored] == [1, 2, 3]
            await log.append(topics.progress, 0, b"{}", key=b"beat")
        finally:
            await log.close()

    asyncio.run(scenario())


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_full_disk_of_everything_is_told_and_outlived(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    data = tmp_path / "varve"
    with small_disk(data, 400):
        varve = varve_up(data, SETTINGS)
        url = varve.url
        assert write(url, 1, "view").status_code == 200
        acknowledged = while_full(varve, url, data)
        assert write(url, 99, "view").status_code == 200
        found = values(url, after=last_token(varve))
        assert {1, 99} | acknowledged <= set(found)
        assert len(found) == len(set(found)), "doubled"
        assert "Traceback" not in varve.said()
        assert varve.stop() == 0


def while_full(varve: VarveUp, url: str, place: Path) -> set[int]:
    """Of the broker and the logs. What was acknowledged, while a few small records still found room."""
    fill(place)
    acknowledged, numbers = set[int](), itertools.count(10)

    def refused() -> bool:
        number = next(numbers)
        answer = write(url, number, "log")
        if answer.status_code == 200:
            acknowledged.add(number)
            return False
        return "the broker at" in error_of(answer)

    wait_until(refused, 60, "writes are refused in words")
    wait_until(lambda: any(one.startswith("broker: ") for one in missing(url)), 60, "it is told")
    time.sleep(10)  # so long it stays full, whatever anybody tries
    assert missing(url), "it is still told"
    assert varve.process.poll() is None
    make_room(place)
    wait_until(lambda: not missing(url), 120, "ready again")
    return acknowledged
