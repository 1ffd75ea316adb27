"""DataReservoir's files under kill -9 of the server: what was committed is validated again, what was ordered comes whole and once."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from tests.conftest import VarveUp, wait_until
from tests.integration.test_kill import kill, ready
from varve.clock import new_id

pytestmark = pytest.mark.slow
API = "/datareservoir/api"
ROWS = 400_000  # some records of the log
ARROW = "application/vnd.apache.arrow.stream"


def committed(http: httpx.Client, csv: bytes) -> str:
    told = http.post(f"{API}/files/upload").json()
    assert httpx.put(told["Endpoint"], content=csv, timeout=60).status_code == 201
    assert http.post(f"{API}/files/commit", json={"FileId": told["FileId"]}).status_code == 204
    return str(told["FileId"])


def asked(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    """None where the server is not there, or breaks off."""
    with contextlib.suppress(httpx.TransportError):
        return call()
    return None


def held(varve: VarveUp, file: str, pattern: str) -> list[Path]:
    return list((varve.data / "files").glob(f"*/{file}/{pattern}"))


def layers(http: httpx.Client, series: str) -> list[tuple[int, float]]:
    """Every one, also those that another hides."""
    answer = http.get("/api/v1/values/history", params={"series_id": series, "columns": "valid_time,value"}, headers={"Accept": ARROW})
    assert answer.status_code == 200 and "Link" not in answer.headers, answer.text[:300]
    table = pa.ipc.open_stream(answer.content).read_all()
    return list(zip(table.column("valid_time").cast(pa.int64()).to_pylist(), table.column("value").to_pylist(), strict=True))


def test_a_file_survives_kill_9_from_its_commit_to_its_points(varve_up: Callable[..., VarveUp]) -> None:
    varve = varve_up()
    csv = "".join(f"{at},{at / 8}\n" for at in range(ROWS)).encode()
    with httpx.Client(base_url=varve.url, timeout=60, headers={"X-Tenant": str(new_id())}) as http:
        file = committed(http, csv)
        kill(varve, "server")  # while it validates
        ready(varve)
        wait_until(lambda: http.get(f"{API}/files/{file}/status").json()["State"] == "Ready", 60, "validated after the kill")
        with ThreadPoolExecutor(1) as other:
            creating = other.submit(asked, lambda: http.post(f"{API}/timeseries/create", data={"FileId": file}))
            wait_until(lambda: held(varve, file, "order-*.json"), 30, "the order is kept")
            kill(varve, "server")  # while it writes
            creating.result()
        ready(varve)
        again = http.post(f"{API}/timeseries/create", data={"FileId": file})
        assert again.status_code == 200 and again.json()["TimeOfLastSample"] == ROWS - 1, again.text
        assert layers(http, again.json()["TimeSeriesId"]) == [(at, at / 8) for at in range(ROWS)]
        assert not held(varve, file, "committed") and not held(varve, file, "points.arrow")


def test_what_nobody_waits_for_comes_after_kill_9_and_what_fails_does_not(varve_up: Callable[..., VarveUp]) -> None:
    varve = varve_up()
    with httpx.Client(base_url=varve.url, timeout=60, headers={"X-Tenant": str(new_id())}) as http:
        series = http.put(f"{API}/timeseries/{new_id()}").json()["TimeSeriesId"]
        good = committed(http, "".join(f"{at},1\n" for at in range(ROWS)).encode())
        bad = committed(http, b"".join(b"%d,2\n" % at for at in range(ROWS)) + b"0,2\n")
        with ThreadPoolExecutor(2) as others:
            adding = [
                others.submit(asked, partial(http.post, f"{API}/timeseries/add", data={"TimeSeriesId": series, "FileId": file}))
                for file in (good, bad)
            ]
            wait_until(lambda: held(varve, good, "order-*.json") and held(varve, bad, "order-*.json"), 30, "both orders are kept")
            kill(varve, "server")
            for one in adding:
                one.result()
        ready(varve)
        wait_until(lambda: http.get(f"{API}/timeseries/{series}").json()["TimeOfLastSample"] == ROWS - 1, 90, "points come by themselves")
        wait_until(lambda: http.get(f"{API}/files/{bad}/status").json()["State"] == "Failed", 60, "the other is told")
        wait_until(lambda: not held(varve, good, "committed"), 60, "all of it is written")
        assert layers(http, series) == [(at, 1.0) for at in range(ROWS)]
        assert f"line {ROWS + 1}" in http.get(f"{API}/files/{bad}/status").json()["StateMessage"]
