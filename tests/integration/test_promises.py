"""What readers are promised while others write: tenants apart, whole records, waiting that ends, poison set aside."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from tests.conftest import VarveUp, wait_until
from varve.cli import app
from varve.clock import new_id

pytestmark = pytest.mark.slow


def tenant_client(varve: VarveUp, tenant: uuid.UUID | None = None) -> httpx.Client:
    return httpx.Client(base_url=varve.url, timeout=40, headers={"X-Tenant": str(tenant or new_id())})


def write(client: httpx.Client, series: str, hours: range, value: float, **params: str) -> str:
    body = {"series": series, "valid_time": [f"2025-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z" for hour in hours], "value": value}
    answer = client.post("/api/v1/points", json=body, params=params)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def rows(client: httpx.Client, shape: str, series: str, **params: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/values/{shape}", params={"key": series} | params, headers={"Accept": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_two_tenants_never_see_each_other(running_varve: VarveUp) -> None:
    with tenant_client(running_varve) as one, tenant_client(running_varve) as other:
        write(one, "same-key", range(3), 1.0)
        write(other, "same-key", range(2), 2.0)
        assert [row["value"] for row in rows(one, "flat", "same-key")] == [1.0] * 3
        assert [row["value"] for row in rows(other, "flat", "same-key")] == [2.0] * 2
        ident = one.get("/api/v1/series").json()["series"][0]["series_id"]
        assert other.get(f"/api/v1/series/{ident}").status_code == 404
        assert len(other.get("/api/v1/series").json()["series"]) == 1


def test_a_reader_never_sees_half_a_record(running_varve: VarveUp) -> None:
    """I9: each write sets 48 cells to one value; a reader that saw two values saw half of it."""
    with tenant_client(running_varve) as client, ThreadPoolExecutor(1) as pool:
        write(client, "s", range(48), -1.0)
        writing = pool.submit(lambda: [write(client, "s", range(48), float(n), wait="log") for n in range(150)])
        seen, torn = set(), 0
        while not writing.done():
            values = {row["value"] for row in rows(client, "flat", "s")}
            latest = max(rows(client, "overlapping", "s"), key=lambda row: str(row["known_time"]))["known_time"]
            whole = [row for row in rows(client, "overlapping", "s") if row["known_time"] == latest]
            torn += len(values) != 1 or len(whole) != 48
            seen |= values
        assert torn == 0 and len(seen) > 3, "the reader must have seen writes come"


def test_pages_of_one_read_are_of_one_moment(running_varve: VarveUp) -> None:
    with tenant_client(running_varve) as client:
        write(client, "s", range(48), 1.0)
        first = client.get("/api/v1/values/flat", params={"key": "s", "limit": 30})
        write(client, "s", range(48), 2.0)
        second = client.get(first.links["next"]["url"])
        assert len(second.json()["data"]) == 18 and {row["value"] for row in second.json()["data"]} == {1.0}


def test_a_write_to_the_log_is_seen_by_a_read_after_its_token(running_varve: VarveUp) -> None:
    with tenant_client(running_varve) as client:
        for n in range(20):
            token = write(client, "s", range(1), float(n), wait="log")
            assert rows(client, "flat", "s", after=token)[0]["value"] == n


def test_a_token_of_another_log_is_refused_in_words(running_varve: VarveUp) -> None:
    with tenant_client(running_varve) as client:
        write(client, "s", range(1), 1.0)
        answer = client.get("/api/v1/values/flat", params={"key": "s", "after": "0" * 32 + ".0-1"})
        assert answer.status_code == 409 and "log" in answer.json()["error"]["message"]


def test_poison_goes_to_the_dead_letters_and_the_next_record_is_applied(running_varve: VarveUp) -> None:
    """I6, with a producer that knows nothing of us; then the letter is listed, shown, and sent again."""
    from typer.testing import CliRunner

    tenant = new_id()
    producer = Producer({"bootstrap.servers": running_varve.note.brokers})
    poison = json.dumps({"type": "points_written", "tenant": str(tenant), "series": "s", "valid_time": "2025-01-01T00:00:00", "value": 1})
    for body in (poison, poison.replace("00:00:00", "00:00:00Z"), "not json at all"):
        producer.produce("varve.intake", body.encode(), key="any", partition=0)
    assert producer.flush(30) == 0
    with tenant_client(running_varve, tenant) as client:
        wait_until(lambda: client.get("/api/v1/series/key:s").status_code == 200, 30, "the good record is applied")
        assert [row["value"] for row in rows(client, "flat", "s")] == [1.0]
    run = CliRunner()
    listed = wait_until(lambda: _listed(run, running_varve, "no offset"), 30, "the letter is listed")
    assert "not JSON" in run.invoke(app, ["dead-letters", "list", "--data", str(running_varve.data)]).output
    assert listed is not None
    number = listed.split()[0]
    shown = run.invoke(app, ["dead-letters", "show", number, "--data", str(running_varve.data)]).output
    assert "2025-01-01T00:00:00" in shown and "no offset" in shown
    again = run.invoke(app, ["dead-letters", "resubmit", number, "--data", str(running_varve.data)])
    assert again.exit_code == 0 and "on intake again" in again.output


def _listed(run: Any, varve: VarveUp, words: str) -> str | None:
    output = run.invoke(app, ["dead-letters", "list", "--data", str(varve.data)]).output
    return next((line for line in output.splitlines() if words in line), None)


def test_32_concurrent_writers_share_records_and_all_are_seen(running_varve: VarveUp) -> None:
    with tenant_client(running_varve) as client, ThreadPoolExecutor(32) as pool:
        start = threading.Barrier(32)

        def one(n: int) -> None:
            start.wait()
            write(client, f"s{n}", range(5), float(n))

        list(pool.map(one, range(32)))
        assert all([row["value"] for row in rows(client, "flat", f"s{n}")] == [float(n)] * 5 for n in range(32))


def test_a_repeated_key_is_applied_once_and_another_body_under_it_is_refused(running_varve: VarveUp) -> None:
    with tenant_client(running_varve) as client:
        body = {"series": ["a", "b", "c", "d", "e"], "valid_time": ["2025-01-01T00:00:00Z"] * 5, "value": [1, 2, 3, 4, 5]}
        answers = [client.post("/api/v1/points", json=body, headers={"Idempotency-Key": "once"}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert all(len(rows(client, "history", series)) == 1 for series in "abcde")
        other = client.post("/api/v1/points", json=body | {"value": 9}, headers={"Idempotency-Key": "once"})
        assert other.status_code == 409 and "Idempotency-Key" in other.json()["error"]["message"]
