"""DataReservoir's metadata, by its client's requests: set, read, searched, deleted, put on series and taken off, and series found by it."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

from tests.integration.test_api_datareservoir import API, created


def put(http: httpx.Client, pair: str, overwrite: str = "true", **fields: Any) -> dict[str, Any]:
    answer = http.put(f"{API}/metadata/{pair}?overwrite={overwrite}", json={"Value": fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def assign(http: httpx.Client, series: str, *idents: str) -> dict[str, Any]:
    answer = http.put(f"{API}/timeseries/{series}/metadata", json=list(idents))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_fields_are_set_whole_and_read_by_pair_and_by_id(http: httpx.Client) -> None:
    first = put(http, "foo.bar/baz", vendor="Sensor Corp", type="Voltmeter")
    assert (first["Namespace"], first["Key"], first["Value"]) == ("foo.bar", "baz", {"vendor": "Sensor Corp", "type": "Voltmeter"})
    again = put(http, "foo.bar/baz", type="Ampermeter", range=[1, {"unit": "A"}])
    assert again["Id"] == first["Id"] and again["Value"] == {"type": "Ampermeter", "range": [1, {"unit": "A"}]}
    for path in ("foo.bar/baz", first["Id"]):
        assert http.get(f"{API}/metadata/{path}").json() == again
    assert http.get("/api/v1/entities/metadata/foo.bar/baz").json()["document"] == again["Value"]
    versions = http.get("/api/v1/entity-versions/metadata/foo.bar/baz").json()["versions"]
    assert [one["document"] for one in versions] == [again["Value"], first["Value"]]


def test_what_is_there_is_not_overwritten_unasked(http: httpx.Client) -> None:
    put(http, "foo/bar", "false", a="1")
    refused = http.put(f"{API}/metadata/foo/bar?overwrite=false", json={"Value": {"a": "2"}})
    assert refused.status_code == 409 and "there is metadata foo bar already" in refused.json()["Message"]
    assert http.get(f"{API}/metadata/foo/bar").json()["Value"] == {"a": "1"}


def test_of_32_who_set_what_is_not_there_exactly_one_does(http: httpx.Client) -> None:
    async def run() -> list[tuple[int, int]]:
        async with httpx.AsyncClient(base_url=http.base_url, headers=http.headers, timeout=60) as client:
            paths = [(number, f"{API}/metadata/raced/key?overwrite=false") for number in range(32)]
            answers = await asyncio.gather(*(client.put(path, json={"Value": {"by": number}}) for number, path in paths))
            return [(answer.status_code, number) for (number, _), answer in zip(paths, answers, strict=True)]

    answers = asyncio.run(run())
    assert sorted(status for status, _ in answers) == [200] + [409] * 31
    (winner,) = (number for status, number in answers if status == 200)
    assert http.get(f"{API}/metadata/raced/key").json()["Value"] == {"by": winner}
    assert len(http.get("/api/v1/entity-versions/metadata/raced/key").json()["versions"]) == 1


def test_namespaces_and_keys_are_listed_and_entries_searched(http: httpx.Client) -> None:
    for pair in ("a.b/one", "a.b/two/three", "a.bc/four", "/nameless"):
        put(http, pair, kind=pair[-3:], count=2)
    assert http.get(f"{API}/metadata/").json() == ["", "a.b", "a.bc"]
    assert http.get(f"{API}/metadata/a.b").json() == ["one", "two/three"]
    assert http.get(f"{API}/metadata//nameless").json()["Key"] == "nameless"

    def found(namespace: str, key: str, **value: Any) -> list[str]:
        return [one["Key"] for one in http.post(f"{API}/metadata/search", json={"Namespace": namespace, "Key": key, "Value": value}).json()]

    assert found("a.b", "") == ["one", "two/three"] and found("a.b", "tw") == ["two/three"] and found("a", "") == []
    assert found("a.b", "", kind="one", count=2) == ["one"] and found("a.b", "o", kind="two") == []


def test_metadata_is_put_on_series_and_taken_off(http: httpx.Client) -> None:
    series, other = created(http, "0,1\n"), created(http, "0,2\n")
    one, two = put(http, "foo/one", a="1"), put(http, "foo/two", b="2")
    assert [entry["Key"] for entry in assign(http, series, one["Id"], two["Id"])["Metadata"]] == ["one", "two"]
    assign(http, series, one["Id"])
    assign(http, other, one["Id"])
    assert sorted(http.get(f"{API}/metadata/foo/one").json()["TimeSeries"]) == sorted([series, other])
    taken = http.request("DELETE", f"{API}/timeseries/{series}/metadata", json=[one["Id"], str(uuid.uuid4())])
    assert taken.status_code == 200 and [entry["Value"] for entry in taken.json()["Metadata"]] == [{"b": "2"}]
    assert http.get(f"{API}/metadata/foo/one").json()["TimeSeries"] == [other]
    assert http.put(f"{API}/timeseries/{series}/metadata", json=[str(uuid.uuid4())]).status_code == 404
    assert http.put(f"{API}/timeseries/{uuid.uuid4()}/metadata", json=[one["Id"]]).status_code == 404


def test_what_is_deleted_is_on_nothing_any_more(http: httpx.Client) -> None:
    series, other = created(http, "0,1\n"), created(http, "0,2\n")
    entry = put(http, "foo/bar", a="1")
    for ident in (series, other):
        assign(http, ident, entry["Id"])
    http.delete(f"{API}/timeseries/{other}")
    assert http.get(f"{API}/metadata/foo/bar").json()["TimeSeries"] == [series]
    assert http.get("/api/v1/entities/series-of-metadata").json()["entities"][0]["document"]["TimeSeriesId"] == series
    assert http.delete(f"{API}/metadata/{entry['Id']}").status_code == 204
    assert http.get(f"{API}/metadata/foo/bar").status_code == 404 and http.delete(f"{API}/metadata/{entry['Id']}").status_code == 404
    assert http.get(f"{API}/timeseries/{series}").json()["Metadata"] == []
    assert put(http, "foo/bar", "false", a="2")["TimeSeries"] == []  # made again, it is not on what it was


def test_series_are_found_by_their_metadata(http: httpx.Client) -> None:
    first, second = created(http, "0,1\n"), created(http, "0,2\n")
    assign(http, first, put(http, "hello/kitty", Rabbit="Black Hole", depth=12)["Id"], put(http, "hello/king", Rabbit="50%_x")["Id"])
    assign(http, second, put(http, "hello/other", depth=13)["Id"])

    def found(path: str) -> Any:
        answer = http.get(f"{API}/timeseries/search/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert found("hello") == {first: ["king", "kitty"], second: ["other"]}
    assert found("hello/ki") == {first: ["king", "kitty"]} and found("hell") == {} and found("hello/x") == {}
    assert found("hello/k/Rabbit") == {first: ["50%_x", "Black Hole"]} and found("hello/k/rabbit") == {}
    for value, there in {
        "Black": True, "Hole": True, "Black Hole": True, "*ack*": True, "ack": False, "Bla*": True, "*Bla": False, "*ole": True,
        "50%25_": True, "50%25x": False, "%25": False,
    }.items():  # fmt: skip
        assert found(f"hello/k/Rabbit/{value}") == ([first] if there else []), value
    assert found("hello/o/depth/13") == [second] and found("hello/o/depth/12") == []


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"Value": []}', '{"Value": {', '{"Value": {"a": NaN}}', '{"Value": {"a": ' + "[" * 300 + "0" + "]" * 300 + "}}"]
)
def test_what_is_no_metadata_is_refused_in_words(http: httpx.Client, body: str) -> None:
    answer = http.put(f"{API}/metadata/foo/bar?overwrite=true", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and len(answer.json()["Message"]) > 10
    assert http.put(f"{API}/metadata/foo?overwrite=true", json={"Value": {}}).status_code == 422
    assert http.put(f"{API}/metadata/{'n' * 600}/key", json={"Value": {}}).status_code == 422


def test_documents_of_another_door_break_nothing(http: httpx.Client) -> None:
    series, entry = created(http, "0,1\n"), put(http, "foo/bar", a="1")
    assign(http, series, entry["Id"])
    for path in (f"metadata-of-series/{series}/x", f"series-of-metadata/{entry['Id']}/x", "series-of-metadata/x", "metadata/x"):
        http.put(f"/api/v1/entities/{path}", json={}).raise_for_status()
    assert [one["Id"] for one in http.get(f"{API}/timeseries/{series}").json()["Metadata"]] == [entry["Id"]]
    assert http.get(f"{API}/metadata/foo/bar").json()["TimeSeries"] == [series]
    assert http.get(f"{API}/timeseries/search/foo/bar").json() == {series: ["bar"]}
    assert http.delete(f"{API}/timeseries/{series}").status_code == 204
    assert http.delete(f"{API}/metadata/{entry['Id']}").status_code == 204


def test_the_id_of_metadata_is_no_series(http: httpx.Client) -> None:
    ident = put(http, "foo/bar", a="1")["Id"]
    refused = http.put(f"{API}/timeseries/{ident}")
    assert refused.status_code == 409 and "is the id of metadata" in refused.json()["Message"]
    assert http.delete(f"{API}/timeseries/{ident}").status_code == 404
    assert http.put(f"{API}/metadata/foo/bar?overwrite=false", json={"Value": {"a": "2"}}).status_code == 409
