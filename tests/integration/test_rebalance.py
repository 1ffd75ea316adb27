"""Workers join, leave, are killed and sleep longer than their session while records come: nothing is lost or doubled, and the
state equals a replay's (I3, I12). One campaign in `make test`, longer ones with random acts in `make soak`.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from streams.log_kafka import open_log
from streams.topics import Topics
from tests.integration.crew import ACTS, Act, Crew, Load, compare, joined, killed, left, settled, stopped_shortly, stopped_too_long

PAUSE_SECONDS = 3.0


async def campaign(broker: str, directory: Path, prefix: str, acts: Sequence[tuple[Act, str]]) -> None:
    topics = Topics(prefix, 4)
    log = await open_log(broker, topics, 1)
    crew, load = Crew(broker, topics, directory), Load(log, topics)
    try:
        crew.start("a")
        crew.start("b")
        loading = asyncio.create_task(load.run())
        for act, name in acts:
            await asyncio.sleep(PAUSE_SECONDS)
            if name in crew.processes:
                await act(crew, name)
            crew.revive()
        await asyncio.sleep(PAUSE_SECONDS)
        load.stopped = True
        await loading
        await settled(log, topics, crew)
        seen = await compare(log, topics, load.rows)
        print(f"{load.rows} rows, {seen.repeats} repeated; {crew.ends}")
        assert not seen.complaints, seen.complaints
    finally:
        crew.stop()
        await log.close()


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_workers_join_leave_die_and_sleep(broker: str, tmp_path: Path) -> None:
    acts = [
        (joined, "a"),
        (killed, "a"),
        (stopped_too_long, "b"),
        (left, "a"),
        (stopped_shortly, "b"),
    ]
    asyncio.run(campaign(broker, tmp_path, f"rebalance{time.time_ns()}", acts))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_or_doubled_in_a_long_random_campaign(broker: str, tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")
    chosen = random.Random(seed)
    acts = [(chosen.choice(ACTS), chosen.choice(["a", "b", "joiner"])) for _ in range(30)]
    asyncio.run(campaign(broker, tmp_path, f"soak{seed}-{time.time_ns()}", acts))
