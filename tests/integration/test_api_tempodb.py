"""TempoDB's door on the wire, where its clients cannot look: no content type, keys and slashes, resubmission, pages at one watermark
vector, refusals, and other doors reading what it wrote.

Before: a server in a process of its own (memory_server.py). After: nothing.
"""

import uuid
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow
SPAN = "start=2012-01-01&end=2012-01-02"
ONE = [{"t": "2012-01-01T00:00:00", "v": 1.5}]


@pytest.fixture
def http(http: httpx.Client) -> httpx.Client:
    http.auth = ("key", "secret")
    return http


def points(http: httpx.Client, path: str) -> list[Any]:
    response = http.get(path)
    assert response.status_code == 200, response.text
    return [(row["t"], row["v"]) for row in response.json()["data"]]


def hours(count: int, factor: float = 1.0) -> list[dict[str, Any]]:
    return [{"t": f"2012-01-01T{at:02d}:00:00", "v": at * factor} for at in range(count)]


def test_a_body_needs_no_content_type_and_a_path_no_last_slash(http: httpx.Client) -> None:
    for path in ("/v1/series/key/a/data", "/v1/series/key/a/data/", "/v1/multi", "/v1/multi/"):
        body = b'[{"t": "2012-01-01T00:00:00", "v": 1, "key": "a"}]'
        response = http.request("POST", path, content=body, headers={"Content-Type": "text/nonsense"} if path.endswith("/") else {})
        assert (response.status_code, response.content) == (200, b""), path
    assert points(http, f"/v1/series/key/a/segment?{SPAN}") == points(http, f"/v1/series/key/a/segment/?{SPAN}")
    assert [one["key"] for one in http.get("/v1/series").json()] == [one["key"] for one in http.get("/v1/series/?").json()] == ["a"]


@pytest.mark.parametrize("key", ["a/b", "a b", "x:1.y:/def ault", "appÜ+()={}%", "a/data", "segment"])
def test_a_key_is_what_was_written_whatever_it_holds(http: httpx.Client, key: str) -> None:
    path = "/v1/series/key/" + "".join(f"%{one:02x}" for one in key.encode())
    assert http.post(f"{path}/data/", json=ONE).status_code == 200
    assert http.get(f"{path}/data/?{SPAN}").json()["series"]["key"] == key
    if key != "a/data":
        assert http.get(f"/v1/series/key/{key.replace('%', '%25')}/summary?{SPAN}").json()["series"]["key"] == key
    assert [one["key"] for one in http.get("/v1/series/", params={"key": key}).json()] == [key]


def test_a_keyed_request_is_applied_once_and_answered_alike(http: httpx.Client) -> None:
    ident = "0" * 31 + "7"
    items = [{"t": "2012-01-01T00:00:00", "key": "n", "v": 2}, {"t": "2012-01-01T00:00:00", "id": ident, "v": 3}, {}]
    first, again = (http.post("/v1/multi/increment/", json=items, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert points(http, f"/v1/series/key/n/data/?{SPAN}") == [("2012-01-01T00:00:00.000Z", 2.0)]
    assert points(http, f"/v1/series/id/{ident}/data/?{SPAN}") == [("2012-01-01T00:00:00.000Z", 3.0)]
    other = http.post("/v1/multi/increment/", json=items[:1], headers={"Idempotency-Key": "one"})
    assert (other.status_code, "Idempotency-Key" in other.json()["error"]) == (409, True)
    made = [http.post("/v1/series/", json={}, headers={"Idempotency-Key": "two"}).json() for _ in range(2)]
    assert made[0] == made[1]
    for path in ("/v1/series/?key=n&key=none", f"/v1/series/key/{made[0]['key']}/"):
        gone = [http.delete(path, headers={"Idempotency-Key": "three"}) for _ in range(2)]
        assert [one.json() for one in gone] == [{"deleted": 1}, {"deleted": 1}]
    http.post("/v1/series/key/n/data/", json=ONE)
    assert http.delete("/v1/series/?key=n&key=none", headers={"Idempotency-Key": "three"}).json() == {"deleted": 1}
    assert points(http, f"/v1/series/key/n/data/?{SPAN}") == [("2012-01-01T00:00:00.000Z", 1.5)], "a repetition deletes nothing new"


def test_pages_keep_the_watermark_vector_of_the_first(http: httpx.Client) -> None:
    for key, factor in (("a", 1.0), ("b", 2.0)):
        http.post(f"/v1/series/key/{key}/data/", json=hours(9, factor))
    asked = [f"/v1/series/key/a/segment?{SPAN}", f"/v1/segment?{SPAN}&aggregation.fold=sum&key=a&key=b", f"/v1/multi?{SPAN}",
             f"/v1/series/key/a/segment?{SPAN}&rollup.fold=max&rollup.period=1hour",
             f"/v1/series/key/a/segment?{SPAN}&interpolation.function=linear&interpolation.period=1hour",
             f"/v1/series/key/a/data/rollups/segment?{SPAN}&rollup.fold=max&rollup.fold=min&rollup.period=1hour"]  # fmt: skip
    whole = [http.get(path).json()["data"] for path in asked]
    found = f"/v1/series/key/a/find?{SPAN}&predicate.function=max&predicate.period=1hour"
    asked, whole = [*asked, found], [*whole, http.get(found).json()["data"]]
    firsts = [http.get(f"{path}&limit=4") for path in asked]
    http.post("/v1/series/key/a/data/", json=hours(12, 100.0))
    for path, first, rows in zip(asked, firsts, whole, strict=True):
        collected, page, pages = first.json()["data"], first, 1
        while "next" in page.links:
            page, pages = http.get(page.links["next"]["url"]), pages + 1
            collected += page.json()["data"]
        assert (len(rows), pages) == (9, 3), path
        assert collected == rows, path
    assert http.get(asked[0]).json()["data"] != whole[0], "a new question sees what was written since"
    foreign = firsts[0].links["next"]["url"].replace("/key/a/", "/key/b/")
    assert http.get(foreign).status_code == 422


def test_pages_of_many_series_are_cut_between_instants(http: httpx.Client) -> None:
    keys = [f"k{at}" for at in range(7)]
    http.post("/v1/multi/", json=[{"t": row["t"], "key": key, "v": row["v"]} for row in hours(5) for key in keys])
    page = http.get(f"/v1/multi?{SPAN}&limit=2")
    sizes = []
    while True:
        sizes.append([len(row["v"]) for row in page.json()["data"]])
        if "next" not in page.links:
            break
        page = http.get(page.links["next"]["url"])
    assert sizes == [[7, 7], [7, 7], [7]]


def test_all_series_are_deleted_only_on_demand(http: httpx.Client) -> None:
    http.post("/v1/series/key/a/data/", json=ONE)
    for path in ("/v1/series/", "/v1/series/?allow_truncation=false", "/v1/series/?allow_truncation="):
        refused = http.delete(path)
        assert (refused.status_code, "allow_truncation=true" in refused.json()["error"]) == (422, True)
    assert http.delete("/v1/series/?allow_truncation=true").json() == {"deleted": 1}
    assert http.get("/v1/series/").json() == []
    assert http.get(f"/v1/series/key/a/data/?{SPAN}").status_code == 404
    http.post("/v1/series/key/b/data/", json=ONE)
    assert http.delete("/v1/series/key/b/").json() == {"deleted": 1}
    assert http.get("/v1/series/key/b").status_code == 404


def test_databases_are_tenants(http: httpx.Client) -> None:
    found = http.post("/v1/database/", json={"name": "mine"}).json()
    assert uuid.UUID(found["id"]) == uuid.UUID(http.headers["X-Tenant"])
    assert found["password"]


def test_a_series_without_a_key_and_a_key_that_looks_like_an_id(http: httpx.Client) -> None:
    ident = uuid.uuid4()
    http.post(f"/v1/series/id/{ident}/data/", json=ONE)
    shown = http.get(f"/v1/series/id/{ident.hex}/").json()
    assert (shown["id"], shown["key"]) == (ident.hex, ident.hex)
    http.post(f"/v1/series/key/{ident.hex}/increment/", json=ONE)
    assert points(http, f"/v1/series/key/{ident.hex}/data/?{SPAN}") == [("2012-01-01T00:00:00.000Z", 3.0)], "its key is its id"
    assert len(http.get("/v1/series/").json()) == 1


def test_other_doors_read_what_was_written_and_the_other_way_round(http: httpx.Client) -> None:
    http.post("/v1/series/key/a/data/", json=[{"t": "2012-01-01T00:00:00", "v": True}])
    http.post("/v1/series/key/a/increment/", json=ONE)
    assert http.get("/api/v1/values/flat?key=a").json()["data"][0]["value"] == 2.5
    http.post("/api/v1/points", json={"series": "b", "valid_time": ["2012-01-01T00:00:00Z", "2012-01-01T01:00:00Z"], "value": [None, 4]})
    assert points(http, f"/v1/series/key/b/data/?{SPAN}") == [("2012-01-01T00:00:00.000Z", None), ("2012-01-01T01:00:00.000Z", 4.0)]
    assert http.get(f"/v1/series/key/b/summary?{SPAN}").json()["summary"]["count"] == 1
    http.post("/api/v1/points", json={"series": "words", "valid_time": ["2012-01-01T00:00:00Z"], "value": ["text"]})
    mixed = http.post("/v1/multi/", json=[{**ONE[0], "key": "words"}, {**ONE[0], "key": "c"}])
    assert (mixed.status_code, [one["status"] for one in mixed.json()["multistatus"]]) == (207, ["422", "200"])
    assert "text" in http.post("/v1/series/key/words/data/", json=ONE).json()["error"]


def test_answers_are_compressed_on_demand(http: httpx.Client) -> None:
    http.post("/v1/series/key/a/data/", json=hours(24))
    assert http.get(f"/v1/series/key/a/data/?{SPAN}", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/v1/series/key/a/segment?start=2012-01-01", None, "end: is missing"),
        ("GET", "/v1/series/key/a/segment?start=noon&end=2012-01-01", None, "start"),
        ("GET", "/v1/series/key/a/segment?start=2012-01-02&end=2012-01-01", None, "before start"),
        ("GET", f"/v1/series/key/a/segment?{SPAN}&tz=Mars", None, "IANA"),
        ("GET", f"/v1/series/key/a/segment?{SPAN}&rollup.fold=mode&rollup.period=1day", None, "mode"),
        ("GET", f"/v1/series/key/a/segment?{SPAN}&rollup.fold=max&rollup.period=fortnight", None, "fortnight"),
        ("GET", f"/v1/series/key/a/segment?{SPAN}&interpolation.function=cubic&interpolation.period=1day", None, "zoh or linear"),
        ("GET", f"/v1/series/key/a/segment?{SPAN}&limit=0", None, "limit"),
        ("GET", f"/v1/series/key/a/segment?{SPAN}&cursor=nonsense", None, "cursor"),
        ("GET", f"/v1/series/key/a/find?{SPAN}&predicate.function=mean&predicate.period=1day", None, "max, min, first or last"),
        ("GET", f"/v1/series/key/a/data/rollups/segment?{SPAN}&rollup.fold=max", None, "rollup.period"),
        ("GET", "/v1/series/key/a/single?ts=2012-01-01&direction=up", None, "direction"),
        ("POST", "/v1/series/key/a/data/", b"[{", "not JSON"),
        ("POST", "/v1/series/key/a/data/", b'{"t": 1}', "list of objects"),
        ("POST", "/v1/series/key/a/data/", b'[{"t": "2012-01-01", "v": 1}, {"t": "2012-01-01", "v": "x"}]', "item 1: Must provide a"),
        ("POST", "/v1/data/", b"[]", '"data"'),
        ("POST", "/v1/series/key/a/", b"[]", "/increment/"),
        ("POST", "/v1/series/", b'{"key": ""}', "key"),
        ("PUT", "/v1/series/key/a/", b'{"key": "b"}', "a key never changes"),
        ("PUT", "/v1/series/key/a/", b"{}", "no field"),
        ("DELETE", "/v1/series/key/a/data/?start=2012-01-01&end=2012-01-01", None, "until does not lie after from"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(http: httpx.Client, method: str, path: str, body: bytes | None, words: str) -> None:
    http.post("/v1/series/key/a/data/", json=ONE)
    refused = http.request(method, path, content=body)
    assert (refused.status_code, words in refused.json()["error"]) == (422, True), refused.text
    assert points(http, f"/v1/series/key/a/data/?{SPAN}") == [("2012-01-01T00:00:00.000Z", 1.5)]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/series/key/none/", "/v1/series/id/none/", f"/v1/series/key/none/data/?{SPAN}"])
def test_a_series_that_is_not_there_is_named(http: httpx.Client, method: str, path: str) -> None:
    refused = http.request(method, path, content=b'{"name": "x"}')
    assert (refused.status_code, "none" in refused.json()["error"]) == (404, True)
