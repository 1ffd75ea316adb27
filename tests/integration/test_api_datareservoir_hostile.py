"""DataReservoir's door and those who mean it ill: addresses that are not theirs, or not any more; bodies and paths of every bad kind."""

import gzip
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import pytest

from api.doors.datareservoir.signing import Addresses
from tests.integration.api_server import Served
from tests.integration.conftest import client_of
from tests.integration.guarded_server import TENANT, Guarded
from tests.integration.test_api_datareservoir import API, added, created, days, put, status
from varve.clock import SystemClock
from varve.settings import Settings
from varve.tokens import secret_of

GROWTH_MAX = 150 << 20


def address(http: httpx.Client) -> tuple[str, str]:
    """Of a file that nobody put yet, and its id."""
    told = http.post(f"{API}/files/upload").json()
    return told["Endpoint"], told["FileId"]


def refused(answer: httpx.Response, code: int, words: str) -> None:
    assert answer.status_code == code and words in answer.json()["Message"], answer.text


def test_an_address_is_for_one_file_of_one_tenant_until_it_is_committed(http: httpx.Client, served: Served) -> None:
    endpoint, file = address(http)
    assert httpx.put(endpoint, content="0,1\n").status_code == 201
    assert httpx.put(endpoint, content="0,2\n").status_code == 201  # again, until it is committed
    other, _ = address(http)
    refused(httpx.put(endpoint.replace(file, urlsplit(other).path.rsplit("/", 1)[1]), content="0,3\n"), 403, "does not fit")
    with client_of(served) as stranger:
        refused(stranger.post(f"{API}/files/commit", json={"FileId": file}), 404, "no uploaded file")
        refused(stranger.get(f"{API}/files/{file}/status"), 404, "no uploaded file")
        refused(stranger.post(f"{API}/timeseries/create", data={"FileId": file}), 404, "no uploaded file")
        tenant = parse_qs(urlsplit(address(stranger)[0]).query)["tenant"][0]
    refused(httpx.put(str(httpx.URL(endpoint).copy_set_param("tenant", tenant)), content="0,4\n"), 403, "does not fit")
    refused(http.post(f"{API}/timeseries/create", data={"FileId": file}), 409, "not committed")
    assert http.post(f"{API}/files/commit", json={"FileId": file}).status_code == 204
    refused(httpx.put(endpoint, content="0,5\n"), 409, "is committed")
    assert status(http, file)[0] == "Ready"
    ident = http.post(f"{API}/timeseries/create", data={"FileId": file}).json()["TimeSeriesId"]
    refused(httpx.put(endpoint, content="0,6\n"), 409, "is committed")
    assert httpx.get(days(http, ident)[0]["Endpoint"]).text == "0,2\n"


@pytest.mark.parametrize("name", ["tenant", "expires", "signature"])
def test_an_address_that_was_changed_or_cut_is_refused(http: httpx.Client, name: str) -> None:
    ident = created(http, "0,1\n")
    for method, url in (("PUT", address(http)[0]), ("GET", days(http, ident)[0]["Endpoint"])):
        (text,) = parse_qs(urlsplit(url).query)[name]
        for changed in (text[:-1] + ("0" if text[-1] != "0" else "1"), "", text + "1", "é"):
            refused(httpx.request(method, str(httpx.URL(url).copy_set_param(name, changed))), 403, "does not fit")
        refused(httpx.request(method, str(httpx.URL(url).copy_remove_param(name))), 403, "does not fit")


def test_an_address_of_a_day_is_of_no_other_day_and_no_other_moment(http: httpx.Client) -> None:
    ident = created(http, "0,1\n")
    url = days(http, ident)[0]["Endpoint"]
    refused(httpx.get(url.replace("/0?", "/1?")), 403, "does not fit")
    refused(httpx.get(str(httpx.URL(url).copy_set_param("offset", "999999"))), 403, "does not fit")
    refused(httpx.get(url.replace(ident, str(uuid.uuid4()))), 403, "does not fit")
    refused(httpx.put(url.replace("/days/", "/files/").replace("/0?", "?")), 403, "does not fit")


def test_an_address_expires(http: httpx.Client, served: Served) -> None:
    addresses, tenant, file = Addresses(secret_of(Settings(data=served.data)), SystemClock()), uuid.uuid4(), str(uuid.uuid4())
    url = f"{http.base_url}/datareservoir/files/{file}?"
    refused(httpx.put(url + addresses.query("upload", tenant, {"file": file}, -1), content="0,1\n"), 403, "has expired")
    assert httpx.put(url + addresses.query("upload", tenant, {"file": file}, 60), content="0,1\n").status_code == 201


@pytest.mark.parametrize("file", ["..%2F..%2Fetc%2Fpasswd", "../../etc/passwd", "%00", "a" * 5_000, f"{uuid.UUID(int=0)}/..", "é"])
def test_no_path_leads_out_of_the_files(http: httpx.Client, served: Served, file: str) -> None:
    before = kept(served)
    for path in (f"/datareservoir/files/{file}", f"/datareservoir/days/{file}/0", f"{API}/files/{file}/status", f"{API}/timeseries/{file}"):
        for method in ("PUT", "GET", "DELETE"):
            assert http.request(method, path).status_code in (403, 404, 405, 422), path
    refused(http.post(f"{API}/files/commit", json={"FileId": file}), 404, "there is no file")
    refused(http.post(f"{API}/timeseries/create", data={"FileId": file}), 404, "there is no file")
    assert kept(served) == before


def kept(served: Served) -> set[Path]:
    """The store's own come and go."""
    found: set[Path] = set()
    for folder, inside, files in os.walk(served.data.parent):
        inside[:] = [name for name in inside if name != "store"]
        found |= {Path(folder) / name for name in (*inside, *files)}
    return found


def test_a_line_break_in_a_name_makes_no_header_and_no_line(http: httpx.Client) -> None:
    assert http.put(f"{API}/metadata/foo/bar%0D%0AX:%20y", json={"Value": {}}).status_code == 404
    made = http.put(f"{API}/metadata/foo/bar?overwrite=true", json={"Value": {"a\r\nX: y": "b\r\nX: y"}})
    assert made.status_code == 200 and "x" not in made.headers and made.json()["Value"] == {"a\r\nX: y": "b\r\nX: y"}
    upload = http.post(f"{API}/files/upload", headers={"Host": "evil.example/%0d%0aX:y"})
    assert "x" not in upload.headers and "\n" not in upload.json()["Endpoint"]


def test_bombs_are_refused_in_little_memory(http: httpx.Client, served: Served) -> None:
    process = psutil.Process(served.process.pid)
    endpoint, file = address(http)
    before, bomb = process.memory_info().rss, gzip.compress(bytes(200 << 20))
    zipped = {"Content-Encoding": "gzip"}
    refused(httpx.put(endpoint, content=bomb, headers=zipped), 415, "Content-Encoding gzip")
    for path in ("files/commit", "timeseries/create", "metadata/search"):
        refused(http.post(f"{API}/{path}", content=bomb, headers=zipped), 413, "over 1 MiB")
    refused(http.put(f"{API}/metadata/a/b", content=bomb, headers=zipped), 413, "over 1 MiB")
    deep = "[" * 100_000 + "]" * 100_000
    refused(http.post(f"{API}/files/commit", content=deep), 422, "not JSON")
    refused(http.put(f"{API}/metadata/a/b", content='{"Value":' + deep + "}"), 422, "not JSON")
    refused(http.put(f"{API}/timeseries/{created(http, '0,1')}/metadata", content="[" + '"a",' * 2_000 + '"a"]'), 422, "1000 at most")
    refused(http.get(f"{API}/files/{file}/status"), 404, "no uploaded file")
    assert process.memory_info().rss - before < GROWTH_MAX


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_a_gigabyte_is_refused_in_little_memory_and_leaves_nothing(http: httpx.Client, served: Served, announced: bool) -> None:
    process, before = psutil.Process(served.process.pid), psutil.Process(served.process.pid).memory_info().rss
    endpoint, file = address(http)
    block, highest = b"0,1\n" * (1 << 18), before

    def body() -> Iterator[bytes]:
        nonlocal highest
        for _ in range((1 << 30) // len(block)):
            highest = max(highest, process.memory_info().rss)
            yield block

    headers = {"Content-Length": str(1 << 30)} if announced else {}
    try:
        refused(httpx.put(endpoint, content=body(), headers=headers, timeout=60), 413, "over 16 MiB")
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # the server hung up on it
    assert highest - before < GROWTH_MAX
    assert list((served.data / "files").rglob(f"{file}/*")) == []
    assert http.post(f"{API}/files/commit", json={"FileId": file}).status_code == 404


def test_a_body_that_breaks_off_leaves_nothing(http: httpx.Client, served: Served) -> None:
    endpoint, file = address(http)
    url = urlsplit(endpoint)
    with socket.create_connection((str(url.hostname), int(url.port or 80)), 10) as line:
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 100\r\n\r\n0,1\n"
        line.sendall(head.encode())
    assert http.post(f"{API}/files/commit", json={"FileId": file}).status_code == 404
    assert httpx.put(endpoint, content="0,1\n").status_code == 201
    assert http.post(f"{API}/files/commit", json={"FileId": file}).status_code == 204


@pytest.mark.parametrize("body", ["[]", "{}", '{"FileId": 1}', '{"FileId": "x"}', "{", ""])
def test_what_says_no_file_is_refused(http: httpx.Client, body: str) -> None:
    answer = http.post(f"{API}/files/commit", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (404, 422) and answer.json()["Message"]
    answer = http.post(f"{API}/timeseries/create", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code in (404, 422) and answer.json()["Message"]


def test_addresses_are_given_by_key_and_need_none(guarded: Guarded) -> None:
    with guarded.client("write") as http, guarded.client("read") as reader, guarded.client("other") as other:
        ident = created(http, "0,1\n")
        assert reader.post(f"{API}/files/upload").status_code == 403
        (day,) = days(reader, ident)
        assert httpx.get(day["Endpoint"]).text == "0,1\n"
        assert other.get(f"{API}/timeseries/{ident}/data/days?start=0&end=1").status_code == 404
        assert other.get(f"{API}/timeseries/{ident}", headers={"X-Tenant": TENANT}).status_code == 403
        about = reader.get(f"{API}/timeseries/{ident}").json()
        assert (about["CreatedByEmail"], about["LastModifiedByEmail"]) == ("write@example.org", "write@example.org")
        with guarded.client("admin") as admin:
            assert added(admin, ident, "1,2\n").status_code == 200
        now = reader.get(f"{API}/timeseries/{ident}").json()
        assert (now["CreatedByEmail"], now["LastModifiedByEmail"]) == ("write@example.org", "admin@example.org")
        assert now["LastModified"] > about["LastModified"] == about["Created"]
        file = put(http, "1,2\n")
        assert other.post(f"{API}/timeseries/add", data={"TimeSeriesId": ident, "FileId": file}).status_code == 404
        assert http.put(f"{API}/metadata/a/b", json={"Value": {}}).json()["LastModifiedByEmail"] == "write@example.org"
