"""The command as people use it: words on stdout and stderr, exit codes, no tracebacks."""

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from streams.dead_letters import Letter, write_letter
from streams.log_kafka import open_log
from streams.topics import Topics
from tests.conftest import free_port

pytestmark = pytest.mark.slow


def varve(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "varve.cli", *words], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def log(broker: str) -> dict[str, str]:
    """The environment of a log of its own on the shared broker."""
    return {"VARVE_LOG__BROKERS": broker, "VARVE_LOG__PREFIX": f"cli-{uuid.uuid4().hex[:8]}", "VARVE_LOG__PARTITIONS": "2"}


def refuse(log: dict[str, str], value: bytes) -> None:
    async def write() -> None:
        topics = Topics(log["VARVE_LOG__PREFIX"], 2)
        opened = await open_log(log["VARVE_LOG__BROKERS"], topics, 1)
        letter = Letter(value, "json-malformed", "line 1: not JSON", topics.intake, 1, 7, "application/json", 1_735_689_600 * 10**9)
        await write_letter(opened, topics, letter)
        await opened.close()

    asyncio.run(write())


def test_topics_are_made_once_and_listed(log: dict[str, str]) -> None:
    first, second = varve("topics", **log), varve("topics", **log)
    assert first.returncode == 0, first.stderr
    assert f"{log['VARVE_LOG__PREFIX']}.events  2 partition(s)" in first.stdout
    assert second.stdout == first.stdout


def test_another_partition_count_is_refused_naming_the_right_one(log: dict[str, str]) -> None:
    varve("topics", **log)
    wrong = varve("topics", **log | {"VARVE_LOG__PARTITIONS": "3"})
    assert wrong.returncode == 78
    assert "set VARVE_LOG__PARTITIONS=2" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_dead_letter_is_listed_shown_and_resubmitted_as_it_was(log: dict[str, str]) -> None:
    assert varve("dead-letters", "list", **log).stdout == "no dead letters\n"
    refuse(log, b'{"type": "points_written"')
    listed = varve("dead-letters", "list", **log)
    number, _, rest = listed.stdout.partition("  ")
    assert rest == f"2025-01-01T00:00:00Z  {log['VARVE_LOG__PREFIX']}.intake[1]@7  json-malformed: line 1: not JSON\n"
    assert "line 1: not JSON" in varve("dead-letters", "show", number, **log).stdout
    assert varve("dead-letters", "show", number, "--raw", **log).stdout == '{"type": "points_written"'
    again = varve("dead-letters", "resubmit", number, **log)
    assert again.returncode == 0, again.stderr
    assert "partition 1, offset 0" in again.stdout


def test_a_letter_that_is_not_there_is_said_in_words(log: dict[str, str]) -> None:
    missing = varve("dead-letters", "show", "5", **log)
    assert missing.returncode != 0
    assert missing.stderr == "varve: there is no dead letter 5: `varve dead-letters list` shows those that there are\n"


def test_a_command_without_a_broker_says_how_to_have_one(tmp_path: Path) -> None:
    lost = varve("topics", VARVE_DATA=str(tmp_path / "nothing"), VARVE_LOG__BROKERS="")
    assert lost.returncode == 1
    assert lost.stderr.startswith("varve: no broker: set VARVE_LOG__BROKERS, or start `varve up")


@pytest.mark.parametrize("command", ["sink", "api", "migrate"])
def test_a_part_that_needs_a_server_refuses_chdb(log: dict[str, str], command: str) -> None:
    refused = varve(command, **log | {"VARVE_STORE__DSN": ""})
    assert refused.returncode == 78
    assert "set VARVE_STORE__DSN" in refused.stderr


def test_help_is_there_without_heavy_imports() -> None:
    code = "import sys; sys.argv = ['varve', '--help']\nfrom varve.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print([name for name in ('faust', 'aiokafka', 'pandas', 'fastapi', 'pyarrow', 'chdb') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.splitlines()[-1] == "[]"


def test_a_replay_asked_of_an_address_where_nobody_serves_is_refused_before_anything_begins() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    refused = varve("replay", "--url", address, VARVE_LOG__BROKERS=f"127.0.0.1:{free_port()}")
    assert refused.returncode == 1
    assert f"no server answers at {address}" in refused.stderr
    assert "is being built" not in refused.stdout
