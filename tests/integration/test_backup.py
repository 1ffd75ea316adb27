"""`varve backup` and `varve restore`: a log made of the files gives equal answers, to the byte, under a new id (I1, I2)."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import orjson
import pyarrow.parquet as pq
import pytest

from streams.log_kafka import open_log
from streams.topics import Topics
from tests.conftest import VarveUp
from tests.integration.all_sorts import KEYS, answers, post, write_all_sorts
from tests.integration.test_kill import last_token
from tests.integration.test_rebuild import command
from varve.series import DEFAULT_TENANT, partition_of, series_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
HOUR = "2025-01-01T00:00:00Z"


async def publish_unstamped(brokers: str) -> None:
    """As a producer without a clock of its own, straight to varve.events: its recorded_time is the broker's."""
    log = await open_log(brokers, Topics("varve", 4), 1)
    body = {"type": "points_written", "series": "unstamped", "valid_time": HOUR, "value": 3.5}
    partition = partition_of(series_id(DEFAULT_TENANT, "unstamped"), 4)
    await log.append("varve.events", partition, orjson.dumps(body), headers=(("content-type", b"application/json"),))
    await log.append("varve.events", partition, b"nonsense")
    await log.close()


def history(varve: VarveUp, key: str, token: str) -> bytes:
    return httpx.get(f"{varve.url}/api/v1/values/history", params={"key": key, "after": token}, timeout=60).content


def test_a_log_made_of_a_backup_answers_alike_and_goes_on(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    files, first = tmp_path / "files", varve_up(tmp_path / "one")
    write_all_sorts(first.url)
    asyncio.run(publish_unstamped(first.note.brokers))
    once = command("backup", str(files), "--data", str(first.data))
    assert once.returncode == 0, once.stdout + once.stderr
    post(first.url, "points", {"series": KEYS, "valid_time": [HOUR] * len(KEYS), "value": [9.5] * len(KEYS)})
    again = command("backup", str(files), "--data", str(first.data))
    assert again.returncode == 0, again.stdout + again.stderr
    assert 1 <= int(again.stdout.split()[0]) <= 4, again.stdout  # a part for each partition that the last write touched
    token = last_token(first)
    before, unstamped = answers(first.url, token), history(first, "unstamped", token)
    assert b'"value":3.5' in unstamped
    first.stop()
    stopped = command("backup", str(files), "--data", str(first.data))
    assert stopped.returncode == 0 and stopped.stdout.startswith("0 record(s) written"), stopped.stdout + stopped.stderr

    restored = command("restore", str(files), "--data", str(tmp_path / "two"))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    second = varve_up(tmp_path / "two")
    there = last_token(second)
    assert there.partition(".")[2] == token.partition(".")[2] and there != token
    assert answers(second.url, there) == before
    assert history(second, "unstamped", there) == unstamped
    later = post(second.url, "points", {"series": KEYS, "valid_time": ["2025-03-01T00:00:00Z"] * len(KEYS), "value": [1.0] * len(KEYS)})
    assert answers(second.url, later) != before  # the new intake begins at 0, where the former one began
    refused = command("backup", str(files), "--data", str(second.data))
    assert refused.returncode == 78 and "holds a backup of log" in refused.stderr
    second.stop()
    refused = command("restore", str(files), "--data", str(tmp_path / "two"))
    assert refused.returncode == 78 and "event record(s) already" in refused.stderr


def test_what_is_damaged_or_missing_is_named_before_anything_is_written(running_varve: VarveUp, tmp_path: Path) -> None:
    post(running_varve.url, "points", {"series": KEYS, "valid_time": [HOUR] * len(KEYS), "value": [1.0] * len(KEYS)})
    files = tmp_path / "files"
    assert command("backup", str(files), "--data", str(running_varve.data)).returncode == 0
    whole = sorted(files.glob("events-*.parquet"))
    assert sum(pq.read_table(one).num_rows for one in whole) > 0  # anybody can read them
    checked = command("backup", "--check", str(files))
    assert checked.returncode == 0 and "each file is as it was written" in checked.stdout, checked.stdout + checked.stderr
    inside = command("backup", str(running_varve.data / "backup"), "--data", str(running_varve.data))
    assert inside.returncode == 78 and "lies in the data directory" in inside.stderr and not (running_varve.data / "backup").exists()
    over = command("restore", str(files), "--data", str(running_varve.data))
    assert over.returncode == 78 and "holds a log already: name another directory" in over.stderr
    damages: list[tuple[Callable[[Path], object], str]] = [(lambda file: file.write_bytes(b"x"), "is damaged"), (Path.unlink, "is missing")]
    for number, (damage, words) in enumerate(damages):
        broken = tmp_path / f"broken-{number}"
        shutil.copytree(files, broken)
        damage(broken / whole[0].name)
        said = command("restore", str(broken), "--data", str(tmp_path / "new"))
        assert said.returncode == 78, said.stdout + said.stderr
        assert words in said.stderr and whole[0].name in said.stderr and "Traceback" not in said.stderr
        damage(broken / whole[-1].name)
        told = command("backup", "--check", str(broken))
        assert told.returncode == 1 and told.stdout.count(words) == 2 and "2 thing(s) are wrong" in told.stdout
    nothing = command("restore", str(tmp_path), "--data", str(tmp_path / "new"))
    assert nothing.returncode == 78 and "holds no backup" in nothing.stderr
    (files / "varve-backup.json").write_text("{}")
    other = command("restore", str(files), "--data", str(tmp_path / "new"))
    assert other.returncode == 78 and "is not of format 1" in other.stderr
    assert not (tmp_path / "new").exists()
