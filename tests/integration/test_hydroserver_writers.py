"""Many who write to one datastream at once: what a mode promises holds as if they had come one after another, also where another door
writes in between."""

import asyncio
import random
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.integration.api_server import Served
from tests.integration.test_api_hydroserver_observations import APPEND_WORDS, DUPLICATE_WORDS, Datastream

WRITERS, ROUNDS = 32, 24
DAY = "2026-01-01T"


@pytest.fixture
def stream(http: httpx.Client) -> Datastream:
    return Datastream(http)


def at(second: int) -> str:
    return f"{DAY}{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def asked_at_once(served: Served, stream: Datastream, requests: list[tuple[str, dict[str, str], Any]]) -> list[httpx.Response]:
    """path, query and body of each."""

    async def every() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=WRITERS)
        headers = {"X-Tenant": stream.http.headers["X-Tenant"]}
        async with httpx.AsyncClient(base_url=served.url, timeout=120, headers=headers, limits=limits) as client:
            return await asyncio.gather(*(client.post(path, params=query, json=body) for path, query, body in requests))

    return asyncio.run(every())


def load(stream: Datastream, mode: str, rows: list[tuple[int, float]]) -> tuple[str, dict[str, str], Any]:
    body = {"fields": ["phenomenonTime", "result"], "data": [[at(second), value] for second, value in rows]}
    return f"{stream.path}/bulk-create", {"mode": mode}, body


def test_of_those_who_insert_at_one_time_exactly_one_does(served: Served, stream: Datastream) -> None:
    """Each request has one time of its own and one that all have: one request is there, whole, and nothing of the others."""
    answers = asked_at_once(served, stream, [load(stream, "insert", [(writer, writer), (1_000, writer)]) for writer in range(WRITERS)])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: WRITERS - 1}
    assert {answer.json()["detail"] for answer in answers if answer.status_code == 409} == {DUPLICATE_WORDS}
    winner = next(writer for writer, answer in enumerate(answers) if answer.status_code == 201)
    assert stream.rows() == [(at(winner), winner), (at(1_000), winner)]


def test_those_who_insert_at_their_own_times_all_do(served: Served, stream: Datastream) -> None:
    answers = asked_at_once(served, stream, [load(stream, "insert", [(second, second)]) for second in range(WRITERS)])
    assert [answer.status_code for answer in answers] == [201] * WRITERS
    assert stream.rows() == [(at(second), second) for second in range(WRITERS)]
    assert stream.extent() == (WRITERS, at(0), at(WRITERS - 1))


def test_the_end_never_goes_back_under_those_who_append(served: Served, stream: Datastream) -> None:
    """Each layer that an append made came at a time later than all before it, in the order of the log; refused ones left nothing."""
    order = random.Random(7).sample(range(WRITERS), WRITERS)
    answers = asked_at_once(served, stream, [load(stream, "append", [(2 * n, n), (2 * n + 1, n)]) for n in order])
    assert {answer.status_code for answer in answers} == {201, 400}
    assert {answer.json()["detail"] for answer in answers if answer.status_code == 400} == {APPEND_WORDS}
    done = sorted(n for n, answer in zip(order, answers, strict=True) if answer.status_code == 201)
    assert [value for _, value in stream.rows()] == [n for n in done for _ in range(2)]
    layers = stream.http.get("/api/v1/values/history", params={"series_id": stream.id, "columns": "valid_time,version"}).json()["data"]
    by_version = [row["valid_time"] for row in sorted(layers, key=lambda row: row["version"])]
    assert by_version == sorted(by_version)
    assert stream.extent()[2] == by_version[-1][:19] + "Z"


def test_an_insert_never_comes_after_what_another_door_wrote_at_its_time(served: Served, stream: Datastream) -> None:
    """Round by round an insert races with a write over /api/v1/points, which asks for nothing: it is the first layer of its cell, or
    refused."""
    drawn = random.Random(11)

    async def race(client: httpx.AsyncClient, n: int) -> int:
        path, query, body = load(stream, "insert", [(n, n)])

        async def other_door() -> None:
            for _ in range(drawn.randrange(30)):
                await client.get("/healthz")  # so that it comes sooner or later
            answer = await client.post(
                "/api/v1/points", params={"wait": "log"}, json={"series_id": stream.id, "valid_time": [at(n)], "value": [-1]}
            )
            assert answer.status_code == 200, answer.text

        answer, _ = await asyncio.gather(client.post(path, params=query, json=body), other_door())
        return answer.status_code

    async def every() -> list[int]:
        async with httpx.AsyncClient(base_url=served.url, timeout=120, headers={"X-Tenant": stream.http.headers["X-Tenant"]}) as client:
            return [await race(client, n) for n in range(ROUNDS)]

    found = asyncio.run(every())
    assert set(found) <= {201, 409}
    layers = stream.http.get("/api/v1/values/history", params={"series_id": stream.id, "columns": "valid_time,version,value"}).json()[
        "data"
    ]
    for n, status in enumerate(found):
        cell = [row["value"] for row in sorted(layers, key=lambda row: row["version"]) if row["valid_time"][:19] == at(n)[:19]]
        assert cell == ([n, -1] if status == 201 else [-1]), n


def test_one_request_sent_many_times_at_once_counts_once(served: Served, stream: Datastream) -> None:
    async def every() -> list[httpx.Response]:
        headers = {"X-Tenant": stream.http.headers["X-Tenant"], "Idempotency-Key": "again"}
        async with httpx.AsyncClient(base_url=served.url, timeout=120, headers=headers) as client:
            path, query, body = load(stream, "insert", [(5, 5)])
            return await asyncio.gather(*(client.post(path, params=query, json=body) for _ in range(WRITERS)))

    answers = asyncio.run(every())
    assert [answer.status_code for answer in answers] == [201] * WRITERS
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == WRITERS - 1
    assert stream.rows() == [(at(5), 5)]


def test_replacements_at_once_leave_one_of_them_whole(served: Served, stream: Datastream) -> None:
    requests = [load(stream, "replace", [(second, writer) for second in (0, 1 + writer, 100)]) for writer in range(WRITERS)]
    assert {answer.status_code for answer in asked_at_once(served, stream, requests)} == {201}
    rows = stream.rows()
    (writer,) = {int(value) for _, value in rows}
    assert [time for time, _ in rows] == [at(0), at(1 + writer), at(100)]
    assert stream.extent() == (3, at(0), at(100))
