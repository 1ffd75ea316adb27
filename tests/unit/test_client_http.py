"""The client's line and uploads against a server played by a function: retries, keys, errors, tokens, pages, cut bodies."""

from collections.abc import Callable

import httpx
import pandas as pd
import pyarrow as pa
import pytest

import varve.client_uploads
from varve import Client
from varve.client_http import ARROW, Retries, arrow_bytes
from varve.errors import Conflict, Incorrect, NotFound, Unavailable

LOG = "0" * 32
HOURS = pd.date_range("2025-01-01", periods=3, freq="h", tz="UTC")


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://varve", retries=Retries(4, 0.1, lambda _seconds: None), transport=httpx.MockTransport(answer), progress=False)


def refused(status: int, code: str, rows: list[dict[str, object]] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": f"{code}: see the manual", "rows": rows or []}})


def written(token: str = f"{LOG}.0-1") -> httpx.Response:
    return httpx.Response(200, json={"token": token}, headers={"Varve-Token": token})


def test_a_write_that_is_retried_carries_one_key_and_one_body() -> None:
    seen: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["Idempotency-Key"], request.content))
        if len(seen) == 1:
            raise httpx.ReadError("connection lost")
        return refused(503, "broker-unreachable") if len(seen) == 2 else written()

    client_of(answer).write(pd.Series([1.0, 2.0, 3.0], HOURS, name="a"))
    assert len(seen) == 3 and len(set(seen)) == 1


def test_two_writes_have_keys_of_their_own() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        return written()

    client = client_of(answer)
    for _ in range(2):
        client.write(pd.Series([1.0, 2.0, 3.0], HOURS, name="a"))
    assert len(set(keys)) == 2


def test_the_pause_doubles_and_giving_up_says_where_the_server_should_be() -> None:
    pauses: list[float] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    client = Client("http://varve", retries=Retries(4, 0.1, pauses.append), transport=httpx.MockTransport(answer))
    with pytest.raises(Unavailable, match="http://varve"):
        client.series("a")
    assert pauses == [0.1, 0.2, 0.4]


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (422, Incorrect)])
def test_a_refusal_is_raised_at_once_with_the_servers_words(status: int, kind: type[Exception]) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return refused(status, "no-luck")

    with pytest.raises(kind, match="see the manual"):
        client_of(answer).series("a")
    assert len(asked) == 1


def test_a_key_with_slashes_is_one_part_of_the_path() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={})

    client_of(answer).series("plant/7 & more")
    assert asked == [b"/api/v1/series/key:plant%2F7%20%26%20more"]


def test_reads_ask_for_everything_that_this_client_wrote() -> None:
    tokens = iter([f"{LOG}.0-1", f"{LOG}.1-7"])
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return written(next(tokens))
        asked.append(request.url.params["after"])
        return httpx.Response(200, json={})

    client = client_of(answer)
    client.write(pd.Series([1.0, 2.0, 3.0], HOURS, name="a"))
    client.write(pd.Series([1.0, 2.0, 3.0], HOURS, name="b"))
    client.series("a")
    assert asked == [f"{LOG}.0-1.1-7"]


def test_pages_are_followed_to_their_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        first = "cursor" not in request.url.params
        page = pa.table({"valid_time": pa.array([0 if first else 1], pa.timestamp("ns", "UTC")), "value": [1.0]})
        link = {"Link": f'<{request.url.copy_merge_params({"cursor": "c"})}>; rel="next"'} if first else {}
        assert request.headers["Accept"] == ARROW
        return httpx.Response(200, content=arrow_bytes(page), headers=link)

    found = client_of(answer).flat("a")
    assert [time.value for time in found.index] == [0, 1]


def test_a_long_table_is_cut_and_a_refusal_names_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(varve.client_uploads, "BODY_ROWS", 2)
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        bad: list[dict[str, object]] = [{"row": 0, "column": "value", "reason": "is bad"}]
        return written() if len(keys) == 1 else refused(422, "value-bad", bad)

    with pytest.raises(Incorrect, match="the 2 before them are written") as caught:
        client_of(answer).write(pd.Series([1.0, 2.0, 3.0], HOURS, name="a"), key="mine")
    assert keys == ["mine-0", "mine-1"]
    assert [row.row for row in caught.value.rows] == [2]


def test_a_read_of_nothing_but_a_bound_nobody_knows_is_refused_before_it_is_sent() -> None:
    with pytest.raises(Incorrect, match="as_of_recorded"):
        client_of(lambda _request: written()).flat("a", as_off="2025-01-01T00:00:00Z")
