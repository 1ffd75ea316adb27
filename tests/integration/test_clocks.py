"""I4: servers whose clocks differ write the same cell; whatever was acknowledged later is the flat value. A clock that is far off
stops serving writes, in words.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.assembly import assemble
from tests.conftest import VarveUp
from varve.clock import SystemClock, new_id
from varve.settings import LogSettings, Settings

pytestmark = pytest.mark.slow
SECOND = 10**9


class SkewedClock(SystemClock):
    def __init__(self, skew_seconds: float) -> None:
        self._skew = int(skew_seconds * SECOND)

    def now(self) -> int:
        return super().now() + self._skew


@asynccontextmanager
async def server(brokers: str, data: Path, skew_seconds: float) -> AsyncIterator[httpx.AsyncClient]:
    """One more API on the same log, with a clock of its own; it writes, and leaves reading to the one that has the store."""
    settings = Settings(data=data, log=LogSettings(brokers=brokers))
    async with assemble(settings, SkewedClock(skew_seconds), with_sink=False) as assembly:
        running = [asyncio.create_task(task) for task in assembly.tasks.values()]
        await assembly.started()
        transport = httpx.ASGITransport(create_app(assembly.parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://skewed", timeout=40) as client:
            yield client
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def acknowledged(client: httpx.AsyncClient, tenant: str, value: float) -> str:
    body = {"series": "s", "valid_time": "2025-01-01T00:00:00Z", "value": value}
    answer = await client.post("/api/v1/points", json=body, params={"wait": "log"}, headers={"X-Tenant": tenant})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def test_the_later_acknowledged_write_is_the_flat_value_whatever_the_clocks_say(running_varve: VarveUp, tmp_path: Path) -> None:
    async def run() -> None:
        tenant, brokers = str(new_id()), running_varve.note.brokers
        async with AsyncExitStack() as stack:
            ahead = await stack.enter_async_context(server(brokers, tmp_path, 5))
            behind = await stack.enter_async_context(server(brokers, tmp_path, -5))
            right = await stack.enter_async_context(httpx.AsyncClient(base_url=running_varve.url, timeout=40))
            for value, client in enumerate((ahead, behind, right, behind, ahead, right, behind)):
                token = await acknowledged(client, tenant, float(value))
                params = {"key": "s", "after": token}
                found = (await right.get("/api/v1/values/flat", params=params, headers={"X-Tenant": tenant})).json()["data"]
                assert [row["value"] for row in found] == [float(value)]

    asyncio.run(run())


def test_a_server_whose_clock_is_far_off_refuses_writes_and_says_so(running_varve: VarveUp, tmp_path: Path) -> None:
    async def run() -> None:
        async with server(running_varve.note.brokers, tmp_path, 45) as far:
            body = {"series": "s", "valid_time": "2025-01-01T00:00:00Z", "value": 1}
            answer = await far.post("/api/v1/points", json=body, headers={"X-Tenant": str(new_id())})
            assert answer.status_code == 503 and "clock" in answer.json()["error"]["message"]

    asyncio.run(run())
