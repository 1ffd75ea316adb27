"""Documents of every kind survive kill -9 and replay, in order (I3, I12): each acknowledged version is there once, where it was put;
of many who claim the same one exactly one has it, whoever was killed; and a replay gives the same answers.
"""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import httpx
import pytest

from tests.conftest import VarveUp
from tests.integration.campaign import until_answered
from tests.integration.test_kill import PARTS, kill, last_token, ready, seed_of_this_run
from tests.integration.test_rebuild import command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENTS, TURNS = 4, 40
METADATA = "/datareservoir/api/metadata/plant"


def put(url: str, name: int) -> list[int]:
    """Its own document through both doors, and a claim to what everybody claims; the claims that it was given."""
    given = []
    with httpx.Client(base_url=url, timeout=40) as client:
        for turn in range(TURNS):
            until_answered(client, f"/api/v1/entities/thing/{name}", {"turn": turn}, f"thing-{name}-{turn}", "PUT")
            until_answered(client, f"{METADATA}/{name}", {"Value": {"turn": turn}}, f"metadata-{name}-{turn}", "PUT", overwrite="true")
            claim = until_answered(client, f"/api/v1/entities/claim/{turn}", {"by": name}, f"claim-{name}-{turn}", "PUT", if_absent=True)
            given += [turn] if claim.status_code == httpx.codes.OK else []
    return given


def answers(url: str, token: str) -> dict[str, bytes]:
    named = [("thing", str(name)) for name in range(CLIENTS)] + [("metadata", f"plant/{name}") for name in range(CLIENTS)]
    named += [("claim", str(turn)) for turn in range(TURNS)]
    paths = [f"entity-versions/{kind}/{ident}" for kind, ident in named] + [f"entities/{kind}?limit=100" for kind in ("thing", "metadata")]
    found = {}
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        client.get("/values/flat", params={"limit": 1, "after": token}).raise_for_status()
        for path in paths:
            answer = client.get(f"/{path}")
            assert answer.status_code == httpx.codes.OK, f"{path}: {answer.text}"
            found[path] = answer.content
    return found


def test_documents_are_there_once_and_in_order_whoever_is_killed_and_after_a_replay(varve_up: Callable[..., VarveUp]) -> None:
    varve, dice = varve_up(), random.Random(seed_of_this_run())
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = [pool.submit(put, varve.url, name) for name in range(CLIENTS)]
        for part in dice.sample(PARTS, len(PARTS)):
            threading.Event().wait(dice.uniform(0.5, 3))  # the random moment, not a wait for something
            kill(varve, part)
        given = {turn: name for name, job in enumerate(jobs) for turn in job.result()}
        assert sum(len(job.result()) for job in jobs) == len(given) == TURNS
    ready(varve)
    token = last_token(varve)
    before = answers(varve.url, token)

    with httpx.Client(base_url=f"{varve.url}/api/v1", timeout=60) as client:
        for kind in ("thing", "metadata"):
            for name in range(CLIENTS):
                versions = client.get(f"/entity-versions/{kind}/{'plant/' * (kind == 'metadata')}{name}").json()["versions"]
                turns = [one["document"]["turn"] for one in reversed(versions)]
                assert turns == list(range(TURNS)), f"{kind} {name}: {[(turn, len(list(same))) for turn, same in groupby(turns)]}"
                assert [one["version"] for one in versions] == sorted({one["version"] for one in versions}, reverse=True)
        for turn, name in given.items():
            versions = client.get(f"/entity-versions/claim/{turn}").json()["versions"]
            assert [one["document"] for one in versions] == [{"by": name}]

    replayed = command("replay", "--data", str(varve.data))
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    ready(varve)
    assert answers(varve.url, token) == before
