"""`varve rebuild`: every view is thrown away and comes back from varve.events with equal answers (I1); a log that lost its
tail serves again what it holds (I12); refused while anything runs.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from sink.consumer import write_progress
from sink.positions import Reached
from streams.changelogs import changelogs
from streams.log_kafka import KafkaLog, make_topics, open_log
from streams.route_state import RouteState
from streams.state import Change, PartitionState
from streams.topics import Topics
from tests.conftest import VarveUp
from tests.integration.all_sorts import KEYS, answers, post, write_all_sorts
from tests.integration.test_kill import last_token

T = TypeVar("T")
pytestmark = pytest.mark.slow


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "varve.cli", *words], env=os.environ | environment, capture_output=True, text=True, timeout=150
    )


def rebuild(data: Path) -> str:
    done = command("rebuild", "--data", str(data), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(400)
def test_every_read_is_byte_equal_after_all_views_were_rebuilt(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    data = tmp_path / "varve"
    first = varve_up(data)
    write_all_sorts(first.url)
    token = last_token(first)
    before = answers(first.url, token)
    assert len(set(before.values())) > len(KEYS)
    runs = httpx.get(f"{first.url}/api/v1/runs", timeout=60).content
    ends = httpx.get(f"{first.url}/api/v1/status", timeout=60).json()["ends"]
    first.stop()

    said = rebuild(data)
    assert f"{sum(ends.values())} record(s) of varve.events" in said
    assert not (data / "store").exists()

    second = varve_up(data)
    assert answers(second.url, token) == before
    assert httpx.get(f"{second.url}/api/v1/runs", timeout=60).content == runs
    assert httpx.get(f"{second.url}/api/v1/status", timeout=60).json()["ends"] == ends
    repeated = {"series": [KEYS[0]], "valid_time": ["2025-01-01T00:00:00Z"], "value": [1.0]}
    again = httpx.post(f"{second.url}/api/v1/points", json=repeated, headers={"Idempotency-Key": "turn-0"}, timeout=60)
    assert again.status_code == 409  # the guard by key was rebuilt, too
    later = post(second.url, "points", {"series": KEYS[0], "valid_time": "2025-02-01T00:00:00Z", "value": 5.0})
    flat = httpx.get(f"{second.url}/api/v1/values/flat", params={"key": KEYS[0], "after": later}, timeout=60)
    assert len(flat.content) > len(before[f"values/flat {{'key': '{KEYS[0]}'}}"])


@pytest.mark.timeout(400)
def test_a_log_that_lost_its_tail_serves_what_it_holds_after_a_rebuild(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    """The broker's directory is put back to an older copy; start-up refuses, names the repair, and the repair works."""
    data = tmp_path / "varve"
    first = varve_up(data)
    write_all_sorts(first.url)
    token = last_token(first)
    before = answers(first.url, token)
    first.stop()
    shutil.copytree(data / "broker", tmp_path / "older")
    second = varve_up(data)
    for value in range(5):
        post(second.url, "points", {"series": KEYS[0], "valid_time": "2025-01-01T00:00:00Z", "value": float(value)})
    second.stop()
    shutil.rmtree(data / "broker")
    shutil.copytree(tmp_path / "older", data / "broker")

    refused = command("up", "--data", str(data), "--port", "0")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 78, said
    assert "tail" in said and "varve.events" in said and "run `varve rebuild`" in said and "Traceback" not in said

    rebuild(data)
    third = varve_up(data)
    assert answers(third.url, token) == before


def test_it_is_refused_while_varve_up_runs_and_changes_nothing(running_varve: VarveUp) -> None:
    token = post(running_varve.url, "points", {"series": "kept", "valid_time": "2025-01-01T00:00:00Z", "value": 1.0})
    refused = command("rebuild", "--data", str(running_varve.data), "--yes")
    assert refused.returncode == 78
    assert "`varve up` already runs on" in refused.stderr and "Traceback" not in refused.stderr
    answer = httpx.get(f"{running_varve.url}/api/v1/values/flat", params={"key": "kept", "after": token}, timeout=60)
    assert answer.status_code == 200, answer.text


def test_it_is_refused_while_a_worker_runs_on_the_same_broker(running_varve: VarveUp, tmp_path: Path) -> None:
    environment = {"VARVE_LOG__BROKERS": running_varve.note.brokers}
    refused = command("rebuild", "--data", str(tmp_path / "elsewhere"), "--yes", **environment)
    assert refused.returncode == 78, refused.stdout
    assert "worker worker-1 runs on this log" in refused.stderr and "Traceback" not in refused.stderr


def test_a_person_who_does_not_agree_loses_nothing(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    data = tmp_path / "varve"
    one = varve_up(data)
    post(one.url, "points", {"series": "s", "valid_time": "2025-01-01T00:00:00Z", "value": 1.0})
    one.stop()
    (data / "store" / "mine.txt").write_text("not Varve's")
    strange = command("rebuild", "--data", str(data), "--yes")
    assert strange.returncode == 78 and "mine.txt" in strange.stderr
    (data / "store" / "mine.txt").unlink()
    asked = subprocess.run(
        [sys.executable, "-m", "varve.cli", "rebuild", "--data", str(data)], input="n\n", capture_output=True, text=True, timeout=150
    )
    assert asked.returncode == 1
    assert "the topic varve.points-1" in asked.stdout and "nothing was removed" in asked.stdout
    assert (data / "store" / "metadata").is_dir()


@pytest.fixture
def log(broker: str) -> dict[str, str]:
    """The environment of a log of its own on the shared broker, with the embedded store."""
    prefix = f"rebuild-{uuid.uuid4().hex[:8]}"
    return {"VARVE_LOG__BROKERS": broker, "VARVE_LOG__PREFIX": prefix, "VARVE_LOG__PARTITIONS": "2", "VARVE_STORE__DSN": ""}


def on_log(log: dict[str, str], work: Callable[[KafkaLog, Topics], Awaitable[T]]) -> T:
    async def opened() -> T:
        topics = Topics(log["VARVE_LOG__PREFIX"], 2)
        source = await open_log(log["VARVE_LOG__BROKERS"], topics, 1)
        try:
            return await work(source, topics)
        finally:
            await source.close()

    return asyncio.run(opened())


def test_an_intake_that_lost_its_tail_is_filled_up_to_what_was_routed(log: dict[str, str], tmp_path: Path) -> None:
    """I3, I12: the fold passes over intake positions that it has seen, so a later record must not get one of these."""

    async def lose(source: KafkaLog, topics: Topics) -> None:
        state, routes = changelogs(topics)
        await make_topics(source.brokers, [state, routes], 1)
        for partition, applied in ((0, 6), (1, 1)):
            known = RouteState(partition)
            known.take(applied, 0, (), {})
            for key, value in known.flush():
                await source.append(routes.name, partition, value, key=key)
        folded = PartitionState(1)
        for offset in range(4):
            folded.take(Change(offset))
        for key, value in folded.flush():
            await source.append(state.name, 1, value, key=key)
            await source.append(topics.points, 1, value)
        for partition in (0, 1, 1):
            await source.append(topics.intake, partition, b"{}")

    async def found(source: KafkaLog, topics: Topics) -> list[dict[int, int]]:
        names = (topics.intake, topics.events, topics.points, changelogs(topics)[0].name, changelogs(topics)[1].name)
        return [dict(await source.ends(name)) for name in names]

    on_log(log, lose)
    done = command("rebuild", "--data", str(tmp_path / "data"), "--yes", **log)
    assert done.returncode == 0, done.stderr
    assert "intake lost 6 record(s)" in done.stdout
    assert "4 record(s) were folded once and are not in" in done.stdout
    assert on_log(log, found) == [{0: 7, 1: 2}, {0: 0, 1: 0}, {0: 0, 1: 0}, {0: 0, 1: 0}, {0: 1, 1: 1}]


def test_the_progress_that_apis_follow_is_taken_back(log: dict[str, str], tmp_path: Path) -> None:
    async def told(source: KafkaLog, topics: Topics) -> None:
        await write_progress(source, topics, Reached(1, 9, 9))

    async def newest(source: KafkaLog, topics: Topics) -> bytes:
        end = (await source.ends(topics.progress))[0]
        reader, last, at = source.reader(topics.progress, {0: 0}), b"nothing", 0
        async with asyncio.timeout(20):
            while at < end:
                for record in await reader.poll(1.0):
                    last, at = record.value if record.key == b"1/1" else last, record.offset + 1
        await reader.close()
        return last

    on_log(log, told)
    assert on_log(log, newest) != b""
    done = command("rebuild", "--data", str(tmp_path / "data"), "--yes", **log)
    assert done.returncode == 0, done.stderr
    assert on_log(log, newest) == b""


def test_a_directory_without_a_log_is_told_apart(tmp_path: Path) -> None:
    lost = command("rebuild", "--data", str(tmp_path / "nothing"), "--yes", VARVE_LOG__BROKERS="")
    assert lost.returncode == 78
    assert "holds no log" in lost.stderr and not (tmp_path / "nothing").exists()
