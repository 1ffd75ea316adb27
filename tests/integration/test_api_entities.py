"""Documents over HTTP: put, read, listed, deleted, with their versions; and of many who write at once exactly one does."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

THING = {"name": "Kiruna", "depth": 12, "open": True, "owner": {"name": "ada"}}


def code(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


def test_what_was_put_is_read_and_every_version_stays(http: httpx.Client) -> None:
    first = http.put("/api/v1/entities/thing/pump-1", json=THING, params={"changed_by": "ada"}).raise_for_status().json()
    second = http.put("/api/v1/entities/thing/pump-1", json={"name": "Malmö"}).raise_for_status().json()
    found = http.get("/api/v1/entities/thing/pump-1").raise_for_status().json()
    assert found["document"] == {"name": "Malmö"} and found["version"] == second["version"] > first["version"]
    gone = http.delete("/api/v1/entities/thing/pump-1").raise_for_status().json()
    assert code(http.get("/api/v1/entities/thing/pump-1", params={"after": gone["token"]}), 404) == "entity-unknown"
    assert code(http.delete("/api/v1/entities/thing/pump-1"), 404) == "entity-unknown"
    versions = http.get("/api/v1/entity-versions/thing/pump-1").raise_for_status().json()["versions"]
    assert [one["document"] for one in versions] == [None, {"name": "Malmö"}, THING]
    assert versions[-1]["changed_by"] == "ada"
    then = {"as_of_recorded": versions[1]["recorded_time"]}
    assert http.get("/api/v1/entities/thing/pump-1", params=then).raise_for_status().json()["document"] == {"name": "Malmö"}
    assert code(http.get("/api/v1/entity-versions/thing/never"), 404) == "entity-unknown"


def test_ids_may_hold_anything_and_are_never_taken_for_series(http: httpx.Client) -> None:
    for ident in ("a/b/c", "ö å", "history"):
        http.put(f"/api/v1/entities/note/{ident}", json={"of": ident}).raise_for_status()
        assert http.get(f"/api/v1/entities/note/{ident}").raise_for_status().json()["document"] == {"of": ident}
    http.post("/api/v1/points", json={"series": "note/a/b/c", "valid_time": "2025-01-01T00:00:00Z", "value": 1.0}).raise_for_status()
    assert [one["key"] for one in http.get("/api/v1/series").json()["series"]] == ["note/a/b/c"]


def test_conditions_are_decided_in_the_order_of_the_log(http: httpx.Client) -> None:
    url = "/api/v1/entities/thing/valve"
    version = http.put(url, json=THING, params={"if_absent": True}).raise_for_status().json()["version"]
    there = http.put(url, json={}, params={"if_absent": True})
    assert code(there, 409) == "condition-failed" and "there is a thing valve already" in there.text
    stale = http.put(url, json={}, params={"expected_version": version - 1})
    assert code(stale, 409) == "condition-failed" and f"is at version {version}" in stale.text
    http.put(url, json={"name": "new"}, params={"expected_version": version}).raise_for_status()
    assert code(http.delete(url, params={"expected_version": version}), 409) == "condition-failed"


def test_of_32_who_make_one_at_once_exactly_one_does(http: httpx.Client) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(
            pool.map(lambda n: http.put("/api/v1/entities/thing/only", json={"by": n}, params={"if_absent": True}).status_code, range(32))
        )
    assert sorted(answers) == [200] + [409] * 31
    assert len(http.get("/api/v1/entity-versions/thing/only").json()["versions"]) == 1


def test_a_repeated_key_is_one_version(http: httpx.Client) -> None:
    once = {"Idempotency-Key": "put-1"}
    first = http.put("/api/v1/entities/thing/again", json=THING, headers=once).raise_for_status()
    http.put("/api/v1/entities/thing/again", json={"later": 1}).raise_for_status()
    second = http.put("/api/v1/entities/thing/again", json=THING, headers=once).raise_for_status()
    assert second.json() == first.json() and second.headers["Idempotency-Replayed"] == "true"
    assert http.get("/api/v1/entities/thing/again").json()["document"] == {"later": 1}


def test_they_are_found_by_what_they_say_page_by_page(http: httpx.Client) -> None:
    for number in range(7):
        document = {"city": ["Kiruna", "Malmö"][number % 2], "depth": number, "open": number > 3}
        http.put(f"/api/v1/entities/site/s{number}", json=document, params={"wait": "log" if number < 6 else "view"}).raise_for_status()
    http.put("/api/v1/entities/other/s0", json={"city": "Kiruna"}).raise_for_status()

    def found(**asked: object) -> list[str]:
        ids: list[str] = []
        cursor: str | None = None
        while True:
            page = http.get("/api/v1/entities/site", params={"limit": 2, **asked, **({"cursor": cursor} if cursor else {})})  # type: ignore[dict-item]
            ids += [one["id"] for one in page.raise_for_status().json()["entities"]]
            cursor = page.json()["next"]
            if cursor is None:
                return ids

    assert found() == [f"s{number}" for number in range(7)]
    assert found(field="city:Kiruna") == ["s0", "s2", "s4", "s6"]
    assert found(field=["city:Kiruna", "open:true"]) == ["s4", "s6"]
    assert found(field="depth:3") == ["s3"]
    assert found(prefix="s5") == ["s5"]
    assert code(http.get("/api/v1/entities/site", params={"field": "city"}), 422) == "field-incorrect"


@pytest.mark.parametrize("body", [[1], "text", 3])
def test_a_document_is_an_object(http: httpx.Client, body: object) -> None:
    assert code(http.put("/api/v1/entities/thing/x", json=body), 422) == "document-incorrect"
