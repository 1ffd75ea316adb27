"""`varve replay --until ... --name ...`: what the log held until a position answers under a name, every shape of it, whatever came
since; nothing can be written there, and what is purged is gone from it too.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import VarveUp
from tests.integration.all_sorts import KEYS, answers, post, write_all_sorts
from tests.integration.test_kill import kill, last_token, ready
from tests.integration.test_rebuild import command
from varve.instants import format_instant, parse_instant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MINUTE = "2025-03-01T00:00:00Z"


def named(varve: VarveUp, *options: str) -> str:
    done = command("replay", "--data", str(varve.data), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def flat(url: str, key: str, **asked: str) -> httpx.Response:
    return httpx.get(f"{url}/api/v1/values/flat", params={"key": key, **asked}, timeout=60)


def test_the_past_answers_under_its_name_as_it_did_then(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    varve = varve_up(tmp_path / "varve")
    write_all_sorts(varve.url)
    then = last_token(varve)
    before = answers(varve.url, then)
    later = post(varve.url, "points", {"series": KEYS, "valid_time": ["2025-01-01T00:00:00Z"] * len(KEYS), "value": [77.0] * len(KEYS)})
    httpx.delete(f"{varve.url}/api/v1/series/key:{KEYS[3]}", timeout=60).raise_for_status()

    begun = subprocess.Popen(
        [sys.executable, "-m", "varve.cli", "replay", "--data", str(varve.data), "--until", then, "--name", "then"], stdout=subprocess.PIPE
    )
    assert begun.stdout is not None
    assert b"generation then is being built" in begun.stdout.readline()
    begun.kill()
    begun.wait()
    said = named(varve, "--until", then, "--name", "then")
    past = f"{varve.url}/generations/then"
    assert past in said
    assert answers(past, then) == before
    assert '"value":77' in flat(varve.url, KEYS[0], after=later).text

    refused = httpx.post(f"{past}/api/v1/points", json={"series": KEYS[0], "valid_time": MINUTE, "value": 1.0}, timeout=60)
    assert refused.status_code == 409 and refused.json()["error"]["code"] == "generation-kept"
    first = flat(past, KEYS[0], limit="2")
    assert first.links["next"]["url"].startswith(past)
    assert httpx.get(first.links["next"]["url"], timeout=60).json()["count"] == 2
    assert httpx.get(f"{varve.url}/generations/never/api/v1/series", timeout=60).json()["error"]["code"] == "generation-unknown"

    kill(varve, "server")
    ready(varve)
    assert answers(past, then) == before
    whole = {"series": KEYS[0], "from": "2025-01-01T00:00:00Z", "until": "2025-01-02T00:00:00Z"}
    httpx.post(f"{varve.url}/api/v1/purges", json=whole, timeout=60).raise_for_status()
    assert "2025-01-01T" not in flat(past, KEYS[0]).text  # nobody reads what was purged, in no generation
    assert "2025-01-02T" in flat(past, KEYS[0]).text

    listed = command("generations", "--data", str(varve.data))
    assert listed.returncode == 0 and "then  made" in listed.stdout, listed.stdout + listed.stderr
    again = command("replay", "--data", str(varve.data), "--until", then, "--name", "then")
    assert again.returncode == 78 and "is kept already" in again.stderr
    removed = command("generations", "--data", str(varve.data), "--remove", "then")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert flat(past, KEYS[0]).status_code == 404


def test_a_time_is_told_by_what_was_stored_before_it(varve_up: Callable[..., VarveUp], tmp_path: Path) -> None:
    varve = varve_up(tmp_path / "varve")
    post(varve.url, "points", {"series": "early", "valid_time": MINUTE, "value": 1.0})
    stored = parse_instant(httpx.get(f"{varve.url}/api/v1/events", timeout=60).json()["events"][0]["position"]["stored"])
    post(varve.url, "points", {"series": ["early", *KEYS], "valid_time": [MINUTE] * (len(KEYS) + 1), "value": [2.0] * (len(KEYS) + 1)})
    named(varve, "--until", format_instant(stored), "--name", "nothing")
    assert flat(f"{varve.url}/generations/nothing", "early").status_code == 404
    named(varve, "--until", format_instant(stored + 10**6), "--name", "first_alone")
    assert [row["value"] for row in flat(f"{varve.url}/generations/first_alone", "early").json()["data"]] == [1]
    assert flat(f"{varve.url}/generations/first_alone", KEYS[0]).status_code == 404
    told = httpx.get(f"{varve.url}/generations/first_alone/api/v1/events", timeout=60).json()
    assert [event["series"] for event in told["events"]] == [["early"]] and not told["more"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--until", "yesterday", "--name", "x"), "--until"),
        (("--until", "f" * 32 + ".0-1", "--name", "x"), "the token is of log ffffffff"),
        (("--until", "2025-01-01T00:00:00Z", "--name", "No!"), "cannot name a generation"),
        (("--until", "2025-01-01T00:00:00Z"), "go together"),
    ],
)
def test_what_cannot_be_built_is_refused_in_words(running_varve: VarveUp, options: tuple[str, ...], words: str) -> None:
    refused = command("replay", "--data", str(running_varve.data), *options)
    assert refused.returncode == 78 and words in refused.stderr, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
