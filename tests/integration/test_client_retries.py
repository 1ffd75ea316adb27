"""A line that drops answers after the server has acted: whatever the client sends again counts once (I3)."""

import uuid
from collections.abc import Iterator

import httpx
import pandas as pd
import pytest

from tests.conftest import VarveUp
from varve import Client
from varve.client_http import Retries

pytestmark = pytest.mark.slow
HOURS = pd.date_range("2025-01-01", periods=4, freq="h", tz="UTC", unit="ns", name="valid_time")


class Lossy(httpx.BaseTransport):
    """Passes every request on and loses the answer to each first attempt: the sender sees a broken line, or a proxy's 502."""

    def __init__(self, bad_gateway: bool) -> None:
        self.keys: list[str] = []
        self._seen: set[tuple[str, str, bytes]] = set()
        self._line, self._bad_gateway = httpx.HTTPTransport(), bad_gateway

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._line.handle_request(request)
        answer.read()
        self.keys += [request.headers["Idempotency-Key"]] if "Idempotency-Key" in request.headers else []
        attempt = (request.method, str(request.url), request.content)
        if attempt in self._seen:
            return answer
        self._seen.add(attempt)
        assert answer.is_success, answer.text
        if self._bad_gateway:
            return httpx.Response(httpx.codes.BAD_GATEWAY, text="upstream went away")
        raise httpx.ReadError("connection reset by the test")

    def close(self) -> None:
        self._line.close()


@pytest.fixture(params=[False, True], ids=["broken-line", "bad-gateway"])
def lossy(request: pytest.FixtureRequest) -> Lossy:
    return Lossy(request.param)


@pytest.fixture
def client(running_varve: VarveUp, lossy: Lossy) -> Iterator[Client]:
    with Client(running_varve.url, tenant=uuid.uuid4(), transport=lossy, retries=Retries(pause=lambda _seconds: None)) as made:
        yield made


def test_a_write_whose_answer_was_lost_counts_once(client: Client, lossy: Lossy) -> None:
    written = client.write("a", pd.Series(1.0, HOURS))
    assert len(lossy.keys) == 2 and written.rows == 4
    assert len(client.history("a")) == 4


def test_a_write_over_many_partitions_whose_answer_was_lost_counts_once(client: Client) -> None:
    keys = [f"s{number}" for number in range(20)]
    client.write(pd.DataFrame(dict.fromkeys(keys, 1.0), HOURS))
    assert len(client.history(keys)) == 80


def test_every_body_of_a_long_write_counts_once(client: Client, lossy: Lossy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("varve.client_uploads.BODY_ROWS", 300)
    index = pd.date_range("2025-01-01", periods=1000, freq="min", tz="UTC")
    client.write(pd.Series(range(1000), index, name="long"))
    assert len(lossy.keys) == 8 and len(set(lossy.keys)) == 4, "four bodies, each sent twice under a key of its own"
    assert len(client.history("long")) == 1000


def test_an_update_whose_answer_was_lost_is_one_layer_and_answers_as_the_first_time(client: Client) -> None:
    client.write("a", pd.Series(1.0, HOURS))
    answer = client.update("a", HOURS[0], value=2.0, annotation="corrected")
    assert (answer["updated"], answer["no_ops"]) == (1, [])
    assert len(client.history("a", HOURS[0], HOURS[1])) == 2


def test_a_run_whose_every_answer_was_lost_is_one_run_with_its_points_once(client: Client) -> None:
    with client.run("wf", known_time="2025-01-01T00:00:00Z") as run:
        run.write("a", pd.Series(1.0, HOURS))
        run.write("b", pd.Series(1.0, HOURS))
    assert [(row["run_id"], row["state"], row["points"]) for row in client.runs()] == [(str(run.run_id), "sealed", 8)]
    assert len(client.history(["a", "b"])) == 8


def test_a_series_whose_creation_was_answered_to_nobody_is_one_series(client: Client) -> None:
    ident = client.create(name="no key", unit="kW")
    client.describe(ident, unit="MW")
    assert [(row["series_id"], row["unit"]) for row in client.find()] == [(str(ident), "MW")]


def test_a_program_that_is_started_again_with_its_keys_counts_once(client: Client, running_varve: VarveUp) -> None:
    for _ in range(2):
        with Client(running_varve.url, tenant=client.tenant) as started, started.run("wf", key="run of monday") as run:
            run.write("a", pd.Series(1.0, HOURS))
            started.write("b", pd.Series(1.0, HOURS), key="b of monday")
    assert len(client.runs()) == 1 and len(client.history(["a", "b"])) == 8
