"""`varve replay --into-log`: a log with another partition count, filled from one that is there, gives the same answers; what came meanwhile
comes with the next run, and what was copied twice is folded once (I2, I3).
"""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import VarveUp
from tests.integration.all_sorts import KEYS, MINUTES, TENANTS, answers, post, write_all_sorts
from tests.integration.test_kill import last_token
from tests.integration.test_rebuild import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
WIDER = {"VARVE_LOG__PREFIX": "wider", "VARVE_LOG__PARTITIONS": "7"}


def without_versions(found: dict[str, bytes]) -> dict[str, bytes]:
    """Positions are another log's."""
    return {question: re.sub(rb'"(series_)?version":\d+', b'"version":0', body) for question, body in found.items()}


def copied(data: Path) -> str:
    done = command("replay", "--data", str(data), "--into-log", "wider", "--partitions", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_log_of_more_partitions_answers_alike(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    narrow = varve_up(tmp_path / "varve")
    write_all_sorts(narrow.url)
    more = {"series": KEYS, "valid_time": [MINUTES[0]] * len(KEYS), "value": [3.0] * len(KEYS)}
    post(narrow.url, "increments", more, **{"Idempotency-Key": "of-several"})
    assert "in 7 partition(s)" in copied(narrow.data)
    write_all_sorts(narrow.url, TENANTS[1])
    for taken in range(3):  # refused, and in some partition the last: nothing to copy, neither now nor later
        again = httpx.put(f"{narrow.url}/api/v1/entities/thing/t{taken}", params={"if_absent": True}, json={}, timeout=60)
        assert again.status_code == httpx.codes.CONFLICT, again.text
    copied(narrow.data)
    before = [without_versions(answers(narrow.url, last_token(narrow), tenant)) for tenant in TENANTS[:2]]
    narrow.stop()
    assert "0 record(s) copied" in copied(narrow.data)  # nothing runs: its broker is started for as long

    wide = varve_up(narrow.data, environment=WIDER)
    token = last_token(wide)
    assert [without_versions(answers(wide.url, token, tenant)) for tenant in TENANTS[:2]] == before
    post(wide.url, "points", {"series": KEYS[0], "valid_time": MINUTES[0], "value": 1.0})
    late = command("replay", "--data", str(wide.data), "--into-log", "wider", "--partitions", "7")
    assert late.returncode == 78 and "not copied from this log" in late.stderr, late.stdout + late.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--into-log", "varve", "--partitions", "7"), "cannot name the new log"),
        (("--into-log", "a b", "--partitions", "7"), "cannot name the new log"),
        (("--into-log", "other"), "go together"),
    ],
)
def test_what_cannot_be_copied_is_refused_in_words(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    refused = command("replay", "--data", str(tmp_path), *options)
    assert refused.returncode == 78 and words in refused.stderr and "Traceback" not in refused.stderr
