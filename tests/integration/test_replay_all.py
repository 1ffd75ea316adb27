"""All tables and the whole state of the workers are dropped: the log alone gives every answer again, of every tenant, series and read
shape (I1); and the state alone is folded anew without a point being emitted twice.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from streams.changelogs import changelogs
from streams.log_kafka import KafkaLog, remove_topics
from tests.conftest import VarveUp
from tests.integration.all_sorts import KEYS, MINUTES, TENANTS, answers, post, write_all_sorts
from tests.integration.test_kill import last_token, ready
from tests.integration.test_rebuild import command
from varve.offline import offline, run_with_log
from varve.settings import LogSettings, Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def without_state(data: Path, *, routes: bool) -> dict[int, int]:
    """While nothing runs; where varve.points ends."""

    async def work(log: KafkaLog) -> dict[int, int]:
        await remove_topics(log.brokers, [topic.name for topic in changelogs(log.topics)[: 1 + routes]])
        return await points_of(log)

    with offline(Settings(data=data)) as reached:
        return run_with_log(reached, work)


async def points_of(log: KafkaLog) -> dict[int, int]:
    return dict(await log.ends(log.topics.points))


def everything(url: str, token: str) -> dict[str, dict[str, bytes]]:
    return {tenant: answers(url, token, tenant) for tenant in TENANTS}


def test_the_log_alone_gives_every_answer_again(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    varve = varve_up(tmp_path / "varve")
    for tenant in TENANTS:
        write_all_sorts(varve.url, tenant)
    token = last_token(varve)
    before = everything(varve.url, token)
    assert len({body for of_tenant in before.values() for body in of_tenant.values()}) > 100

    varve.stop()
    without_state(varve.data, routes=True)
    shutil.rmtree(varve.data / "store")
    again = varve_up(varve.data)
    replayed = command("replay", "--data", str(varve.data), "--yes")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    ready(again)
    assert everything(again.url, token) == before

    again.stop()
    points = without_state(varve.data, routes=False)
    folded = command("replay", "--state", "--data", str(varve.data))
    assert folded.returncode == 0 and "the state of" in folded.stdout, folded.stdout + folded.stderr
    third = varve_up(varve.data)
    once, more = {"Idempotency-Key": "later"}, {"series": KEYS[0], "valid_time": MINUTES[-1], "value": 0.25}
    later = post(third.url, "increments", more, **once)
    assert post(third.url, "increments", more, **once) == later
    flat = httpx.get(f"{third.url}/api/v1/values/flat", params={"key": KEYS[0], "from": MINUTES[-1], "after": later}, timeout=60)
    assert flat.json()["data"][0]["value"] == 6.25
    reached = Settings(data=third.data, log=LogSettings(brokers=third.note.brokers))
    assert sum(run_with_log(reached, points_of).values()) - sum(points.values()) < 5  # the increment alone: layers and outcome
