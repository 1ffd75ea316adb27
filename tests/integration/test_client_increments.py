"""Increments, deletions, rewrites and purges by the client and the command, against a whole `varve up`.

Before: one running Varve that all tests share. After: nothing; tenants of their own.
"""

import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pandas as pd
import pytest

from tests.conftest import VarveUp
from varve import Client
from varve.errors import Conflict, Incorrect, NotFound

pytestmark = pytest.mark.slow
HOURS = pd.date_range("2025-01-01", periods=4, freq="h", tz="UTC", unit="ns", name="valid_time")
CONNECTIONS, EACH = 32, 10


@pytest.fixture
def client(running_varve: VarveUp) -> Client:
    return Client(running_varve.url, tenant=uuid.uuid4())


def varve(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "varve.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_one_cell_counts_exactly_over_many_connections(running_varve: VarveUp, client: Client) -> None:
    """Each connection its own; the values told are those between the first and the last, each once."""

    def count(_number: int) -> list[float]:
        headers = {"X-Tenant": str(client.tenant)}
        with httpx.Client(base_url=running_varve.url, headers=headers, timeout=60) as http:
            body = {"valid_time": [HOURS[0].isoformat()], "value": [1]}
            path = "/api/v1/series/key:crowd/increments?return=value"
            return [http.post(path, json=body).raise_for_status().json()["values"][0]["value"] for _ in range(EACH)]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        told = list(pool.map(count, range(CONNECTIONS)))
    assert sorted(value for values in told for value in values) == list(range(1, CONNECTIONS * EACH + 1))
    assert all(values == sorted(values) for values in told), "what one connection is told only grows"
    assert client.flat("crowd").tolist() == [CONNECTIONS * EACH]


def test_the_latest_value_counts_exactly_over_many_connections(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: client.increment_latest("meter", 1.0), range(40)))
    assert sorted(one["value"] for one in told) == list(range(1, 41))
    assert len({one["valid_time"] for one in told}) == 40
    assert client.latest("meter").loc["meter", "value"] == 40


def test_frames_of_amounts_are_added(client: Client) -> None:
    frame = pd.DataFrame({"a": [1.0, None], "b": [10.0, 20.0]}, HOURS[:2])
    for _ in range(2):
        client.increment(frame)
        client.increment(frame, key="counts once")
    assert client.flat("a").tolist() == [3.0] and client.flat("b").tolist() == [30.0, 60.0]
    with pytest.raises(Incorrect, match="null"):
        client.increment("a", pd.Series([1.0, None], HOURS[:2]))


def test_an_amount_with_a_key_counts_once_and_tells_the_same(client: Client) -> None:
    assert [client.increment_at("a", HOURS[0], 2.0, key="k") for _ in range(2)] == [2.0, 2.0]
    with pytest.raises(Conflict):
        client.increment_at("a", HOURS[0], 3.0, key="k")
    latest = [client.increment_latest("b", 2.0, key="k") for _ in range(2)]
    assert latest[0] == latest[1] and client.flat("b").tolist() == [2.0]


def test_what_is_deleted_is_hidden_and_still_known_of_the_past(client: Client) -> None:
    client.write("a", pd.Series([1.0, 2.0, 3.0, 4.0], HOURS), known_time="2025-01-02T00:00:00Z")
    client.delete("a", HOURS[1], HOURS[3], known_time="2025-01-03T00:00:00Z", changed_by="eva")
    assert client.flat("a").tolist() == [1.0, 4.0]
    assert client.as_of("a", known="2025-01-02T12:00:00Z").tolist() == [1.0, 2.0, 3.0, 4.0]
    assert len(client.history("a")) == 4
    (row,) = client.deletions("a")
    assert (row["cause"], row["changed_by"], pd.Timestamp(row["from"])) == ("deleted", "eva", HOURS[1])
    client.delete("a", everything=True)
    assert client.flat("a").empty
    for span in ((), (HOURS[0],), (None, HOURS[1])):
        with pytest.raises(Incorrect, match="everything=True"):
            client.delete("a", *span)
    with pytest.raises(Incorrect, match="everything=True"):
        client.delete("a", HOURS[0], HOURS[1], everything=True)


def test_rollups_follow_increments_and_deletions(client: Client) -> None:
    days = pd.date_range("2025-01-01", periods=48, freq="h", tz="UTC", unit="ns")
    client.write(pd.DataFrame({"a": range(48), "b": 1}, days, dtype=float))
    client.increment("b", pd.Series(1.0, days))
    client.delete("a", days[24], days[36])
    span = (days[0], "2025-01-04T00:00:00Z")
    assert client.rollup("a", *span, period="1day", functions="count").tolist() == [24.0, 12.0]
    both = client.rollup(["b", "a"], *span, period="P1D", functions=["sum", "min"])
    assert both["b"]["sum"].tolist() == [48.0, 48.0] and both["a"]["min"].tolist() == [0.0, 36.0]
    assert client.rollup(["a", "b"], *span, period="1day", functions="sum", fill="zero").iloc[2].tolist() == [0.0, 0.0]
    assert client.rollup(["a", "b"], *span, period="1day", functions="max", across="sum").tolist() == [25.0, 49.0]
    oslo = client.rollup("b", *span, period="1day", functions="count", zone="Europe/Oslo")
    assert oslo.tolist() == [23.0, 24.0, 1.0] and oslo.index[0] == pd.Timestamp("2024-12-31T23:00:00Z")


def test_a_deleted_series_is_not_found_and_its_key_makes_it_again(client: Client) -> None:
    for key in ("plant/a", "plant/points"):
        client.create(key, unit="MW")
        client.write(key, pd.Series([1.0], HOURS[:1]))
        client.delete_series(key, key="once")
        client.delete_series(key, key="once")
        with pytest.raises(NotFound):
            client.flat(key)
        client.write(key, pd.Series([2.0], HOURS[1:2]))
        assert client.flat(key).tolist() == [2.0] and client.series(key)["unit"] is None


def test_a_rewrite_replaces_all(client: Client) -> None:
    client.write("a", pd.Series([1.0, 2.0], HOURS[:2]))
    assert client.rewrite("a", pd.DataFrame({"value": [5.0], "annotation": ["new"]}, HOURS[2:3])).rows == 1
    assert client.flat("a").to_dict() == {HOURS[2]: 5.0}
    client.rewrite(client.create("by id"), pd.Series([1.0], HOURS[:1]))
    assert client.flat("by id").tolist() == [1.0]
    with pytest.raises(Incorrect, match="delete"):
        client.rewrite("a", pd.Series([], HOURS[:0], dtype=float))


def test_the_command_says_how_many_it_would_erase_and_erases_when_told(running_varve: VarveUp, client: Client) -> None:
    client.write("secret", pd.Series([1.0, 2.0, 3.0, 4.0], HOURS))
    where = ("secret", "--tenant", str(client.tenant), "--data", str(running_varve.data), "--until", "2025-01-01T03:00:00Z")
    assert varve("purge", *where, "--dry-run").stdout == "3 row(s) would be erased\n"
    unasked = varve("purge", *where)
    assert unasked.returncode == 78 and "say --yes" in unasked.stderr
    assert len(client.history("secret")) == 4
    done = varve("purge", *where, "--yes")
    assert done.stdout == "3 row(s) erased; the log keeps their events\n", done.stderr
    assert client.history("secret")["value"].tolist() == [4.0]
    assert varve("purge", *where, "--yes").stdout == "0 rows: nothing to erase\n"
    nobody = varve("purge", "nobody", *where[1:])
    assert nobody.returncode == 78 and "there is no series nobody" in nobody.stderr
    wrong = varve("purge", "secret", "--tenant", "me", "--data", str(running_varve.data))
    assert wrong.returncode == 78 and "is not a UUID" in wrong.stderr
