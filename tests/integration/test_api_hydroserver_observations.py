"""Observations of HydroServer's door over HTTP: bodies, modes, pages in each format, what refuses, and what they make of a datastream."""

import uuid
from typing import Any

import httpx
import orjson
import pytest

from tests.integration.test_api_hydroserver import API, datastream_of, made, refused, thing_of, told, vocabulary

APPEND_WORDS = "All observations must occur after the datastream's end time for append mode"
DUPLICATE_WORDS = "Duplicate phenomenonTime found on this datastream."


class Datastream:
    """One, and what a client asks of its observations."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.workspace = made(http, "workspaces", {"name": f"Rivers {uuid.uuid4()}", "isPrivate": False})["id"]
        thing = made(http, "things", thing_of(self.workspace))
        self.id = made(http, "datastreams", datastream_of(thing["id"], vocabulary(http, self.workspace)))["id"]
        self.path = f"{API}/datastreams/{self.id}/observations"

    def load(self, rows: list[list[Any]], mode: str | None = "insert", key: str = "") -> httpx.Response:
        names = ["phenomenonTime", "result", "resultQualifierCodes"][: len(rows[0]) if rows else 2]
        headers = {"Idempotency-Key": key} if key else {}
        params = {} if mode is None else {"mode": mode}
        return self.http.post(f"{self.path}/bulk-create", params=params, json={"fields": names, "data": rows}, headers=headers)

    def loaded(self, rows: list[list[Any]], mode: str | None = "insert") -> None:
        answer = self.load(rows, mode)
        assert (answer.status_code, answer.content) == (201, b""), answer.text

    def rows(self, **params: Any) -> list[tuple[str, float]]:
        found = told(self.http.get(self.path, params=params | {"format": "row", "page_size": 100_000}))
        assert found["fields"] == ["phenomenonTime", "result", "resultQualifierCodes"]
        return [(row[0], row[1]) for row in found["data"]]

    def extent(self) -> tuple[int, str | None, str | None]:
        found = told(self.http.get(f"{API}/datastreams/{self.id}"))
        return found["valueCount"], found["phenomenonBeginTime"], found["phenomenonEndTime"]


@pytest.fixture
def stream(http: httpx.Client) -> Datastream:
    return Datastream(http)


def at(hour: int) -> str:
    return f"2026-01-01T{hour:02}:00:00Z"


def test_observations_come_back_in_each_format(http: httpx.Client, stream: Datastream) -> None:
    made(http, "result-qualifiers", {"code": "ICE", "description": "frozen", "workspaceId": stream.workspace})
    stream.loaded([["2026-01-01T00:00:00Z", 1.5, ["ICE"]], ["2026-01-01T03:00:00.25+02:00", -2, []]])
    times = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00.25Z"]
    assert told(http.get(stream.path, params={"format": "column"})) == {
        "phenomenonTime": times, "result": [1.5, -2.0], "resultQualifierCodes": [["ICE"], []],
    }  # fmt: skip
    row = told(http.get(stream.path, params={"format": "row"}))
    assert row == {"fields": ["phenomenonTime", "result", "resultQualifierCodes"], "data": [[times[0], 1.5, ["ICE"]], [times[1], -2, []]]}
    records = told(http.get(stream.path))
    assert [(one["phenomenonTime"], one["result"], one["datastreamId"], one["workspaceId"]) for one in records] == [
        (times[0], 1.5, stream.id, stream.workspace), (times[1], -2, stream.id, stream.workspace),
    ]  # fmt: skip
    assert told(http.get(f"{stream.path}/{records[0]['id']}")) == records[0]
    assert stream.extent() == (2, times[0], times[1])
    native = told(http.get("/api/v1/values/flat", params={"series_id": stream.id, "columns": "value,tags"}))
    assert [(one["value"], one["tags"]) for one in native["data"]] == [(1.5, ["ICE"]), (-2.0, [])]


@pytest.mark.parametrize("form", ["column", "row", "record"])
def test_pages_tell_their_place_and_the_true_total(http: httpx.Client, stream: Datastream, form: str) -> None:
    empty = http.get(stream.path, params={"format": form})
    names = ["phenomenonTime", "result", "resultQualifierCodes"]
    assert told(empty) == {"record": [], "row": {"fields": names, "data": []}, "column": {name: [] for name in names}}[form]
    assert (empty.headers["X-Total-Count"], empty.headers["X-Total-Pages"], empty.headers["X-Page"]) == ("0", "0", "1")
    stream.loaded([[at(hour), hour] for hour in range(5)])
    results = []
    for page in (1, 2, 3, 4):
        answer = http.get(stream.path, params={"format": form, "page": page, "page_size": 2, "order_by": "-phenomenonTime"})
        found = told(answer)
        results.append([row[1] for row in found["data"]] if form == "row" else found["result"] if form == "column" else [
            row["result"] for row in found])  # fmt: skip
        said = {name: answer.headers[name] for name in ("X-Page", "X-Page-Size", "X-Total-Pages", "X-Total-Count")}
        assert said == {"X-Page": str(page), "X-Page-Size": "2", "X-Total-Pages": "3", "X-Total-Count": "5"}
    assert results == [[4, 3], [2, 1], [0], []]
    none = http.get(stream.path, params={"format": form, "page_size": 0})
    assert (none.headers["X-Total-Count"], none.status_code) == ("5", 200)


def test_bounds_are_inclusive_and_written_as_python_writes_times(http: httpx.Client, stream: Datastream) -> None:
    stream.loaded([[at(hour), hour] for hour in range(5)])
    bounds = {"phenomenon_time_min": "2026-01-01 01:00:00+00:00", "phenomenon_time_max": "2026-01-01 05:00:00+02:00"}
    answer = http.get(stream.path, params={"format": "column", **bounds})
    assert (told(answer)["result"], answer.headers["X-Total-Count"]) == ([1, 2, 3], "3")
    assert told(http.get(stream.path, params={"format": "column", "phenomenon_time_min": "null"}))["result"] == [0, 1, 2, 3, 4]
    assert (
        told(http.get(stream.path, params={"format": "column", "phenomenon_time_min": at(3), "phenomenon_time_max": at(2)}))["result"] == []
    )


def test_codes_choose_and_unknown_ones_are_refused(http: httpx.Client, stream: Datastream) -> None:
    made(http, "result-qualifiers", {"code": "ICE", "description": "", "workspaceId": stream.workspace})
    made(http, "result-qualifiers", {"code": "EST", "description": "", "workspaceId": None})
    elsewhere = made(http, "workspaces", {"name": "Lakes", "isPrivate": False})["id"]
    made(http, "result-qualifiers", {"code": "OTHER", "description": "", "workspaceId": elsewhere})
    stream.loaded([[at(0), 0, ["ICE"]], [at(1), 1, ["EST", "ICE"]], [at(2), 2, []], [at(3), 3, None]])
    for codes, results in ((["ICE"], [0, 1]), (["EST"], [1]), (["EST", "ICE"], [0, 1]), (["NONE"], [])):
        answer = http.get(stream.path, params={"format": "column", "result_qualifier_code": codes})
        assert (told(answer)["result"], answer.headers["X-Total-Count"]) == (results, str(len(results)))
    words = refused(stream.load([[at(4), 4, ["OTHER", "ICE", "BAD"]], [at(5), 5, []]]), 400)
    assert words == "Invalid result qualifier codes: BAD, OTHER"
    assert len(stream.rows()) == 4


def test_what_has_no_value_is_kept_as_the_no_data_value(http: httpx.Client, stream: Datastream) -> None:
    body = (
        b'{"fields":["value","timestamp"],"data":[[NaN,"2026-01-01 00:00:00"],[null,"2026-01-01T01:00:00+00"],["2.5","2026-01-01T02:00"]]}'
    )
    answer = http.post(f"{stream.path}/bulk-create", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    assert stream.rows() == [(at(0), -9999), (at(1), -9999), (at(2), 2.5)]


def test_columns_are_read_as_rows_are(http: httpx.Client, stream: Datastream) -> None:
    body = {"phenomenonTime": [at(1), at(0)], "result": [1, 0], "resultQualifierCodes": []}
    assert http.post(f"{stream.path}/bulk-create", json=body).status_code == 201
    assert stream.rows() == [(at(0), 0), (at(1), 1)]


def test_each_mode_lets_in_what_it_says(stream: Datastream) -> None:
    stream.loaded([[at(2), 2], [at(4), 4]], mode=None)
    assert refused(stream.load([[at(4), 9], [at(5), 9]], None), 400) == APPEND_WORDS
    assert refused(stream.load([[at(5), 9], [at(2), 9]], "append"), 400) == APPEND_WORDS
    stream.loaded([[at(6), 6], [at(5), 5]], "append")
    words = "All observations must occur before the datastream's begin time for backfill mode"
    assert refused(stream.load([[at(1), 9], [at(2), 9]], "backfill"), 400) == words
    stream.loaded([[at(1), 1]], "backfill")
    assert refused(stream.load([[at(3), 9], [at(4), 9]], "insert"), 409) == DUPLICATE_WORDS
    stream.loaded([[at(3), 3], [at(0), 0]], "insert")
    assert stream.rows() == [(at(hour), hour) for hour in range(7)]
    stream.loaded([[at(1), 10], [at(5), 50]], "replace")
    assert stream.rows() == [(at(0), 0), (at(1), 10), (at(5), 50), (at(6), 6)]
    assert stream.extent() == (4, at(0), at(6))
    stream.loaded([])
    for mode in ("insert", "append", "backfill", "replace"):
        assert refused(stream.load([[at(9), 1], [at(9), 2]], mode), 409) == DUPLICATE_WORDS
    assert "none of insert, append" in refused(stream.load([[at(9), 1]], "upsert"), 422)


def test_a_deletion_includes_its_bounds_and_makes_room(http: httpx.Client, stream: Datastream) -> None:
    stream.loaded([[at(hour), hour] for hour in range(8)])

    def delete(**body: str) -> None:
        answer = http.post(f"{stream.path}/bulk-delete", json=body)
        assert (answer.status_code, answer.content) == (204, b""), answer.text

    delete(phenomenonTimeStart=at(2), phenomenonTimeEnd=at(3))
    delete(phenomenonTimeStart=at(7))
    delete(phenomenonTimeEnd=at(0))
    delete(phenomenonTimeStart=at(6), phenomenonTimeEnd=at(1))
    assert stream.rows() == [(at(hour), hour) for hour in (1, 4, 5, 6)]
    assert stream.extent() == (4, at(1), at(6))
    stream.loaded([[at(7), 70]], "append")
    stream.loaded([[at(0), 0]], "backfill")
    stream.loaded([[at(2), 20]], "insert")
    delete()
    assert (stream.rows(), stream.extent()) == ([], (0, None, None))
    stream.loaded([[at(0), 1]], "append")


def test_one_observation_is_made_told_and_deleted(http: httpx.Client, stream: Datastream) -> None:
    body = {"phenomenonTime": "2026-01-01T00:00:00.123456", "result": 1.5, "resultQualifierCodes": []}
    one = told(http.post(stream.path, json=body), 201)
    assert (one["phenomenonTime"], one["result"], one["resultQualifierCodes"]) == ("2026-01-01T00:00:00.123456Z", 1.5, [])
    assert refused(http.post(stream.path, json=body), 409) == DUPLICATE_WORDS
    assert http.delete(f"{stream.path}/{one['id']}").status_code == 204
    assert "there is no observation" in refused(http.get(f"{stream.path}/{one['id']}"), 404)
    assert refused(http.delete(f"{stream.path}/{one['id']}"), 404)
    assert refused(http.get(f"{stream.path}/{uuid.uuid4()}"), 404)
    assert stream.extent() == (0, None, None)


def test_a_null_of_another_door_is_no_observation(http: httpx.Client, stream: Datastream) -> None:
    rows = {"series_id": stream.id, "valid_time": [at(0), at(1), at(2)], "value": [None, 1.0, None]}
    assert http.post("/api/v1/points", json=rows).status_code == 200
    assert (stream.rows(), stream.extent()) == ([(at(1), 1)], (1, at(1), at(1)))
    stream.loaded([[at(2), 2]], "append")
    stream.loaded([[at(0), 0]], "insert")


@pytest.mark.parametrize("mode", ["insert", "append", "backfill", "replace"])
def test_a_request_that_is_sent_again_counts_once(stream: Datastream, mode: str) -> None:
    key = str(uuid.uuid4())
    first, again = (stream.load([[at(1), 1]], mode, key) for _ in range(2))
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert first.headers["Varve-Token"] == again.headers["Varve-Token"]
    assert "Idempotency-Key was used for another body" in refused(stream.load([[at(9), 9]], mode, key), 409)
    assert stream.rows() == [(at(1), 1)]


def test_what_is_too_much_for_one_record_is_told_in_words(http: httpx.Client, stream: Datastream) -> None:
    rows = [[f"2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z", 1] for n in range(60_000)]
    assert "60000 observations (2026-01-01T00:00:00Z to 2026-01-01T16:39:59Z) are more than" in refused(stream.load(rows), 413)
    assert stream.rows() == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "not JSON"),
        (b'[{"phenomenonTime":NaN}', 422, "not JSON"),
        (b"[]", 422, "neither fields and data"),
        (b'{"fields":["result"],"data":[[1]]}', 422, "phenomenonTime is missing"),
        (b'{"fields":["phenomenonTime","result","x"],"data":[]}', 422, "'x' is none of"),
        (b'{"fields":["phenomenonTime","timestamp"],"data":[]}', 422, "named twice"),
        (b'{"fields":["phenomenonTime","result"],"data":[["2026-01-01T00:00:00Z"]]}', 422, "row 0 is no list of 2"),
        (b'{"fields":["phenomenonTime","result"],"data":[["2026-01-01T00:00:00Z",1],"ab"]}', 422, "row 1 is no list of 2"),
        (b'{"fields":["phenomenonTime","result"],"data":[["noon",1]]}', 422, "row 0 'noon' is not an ISO 8601 time"),
        (b'{"fields":["phenomenonTime","result"],"data":[[17,1]]}', 422, "row 0: 17 is no text"),
        (b'{"fields":["phenomenonTime","result"],"data":[["2026-01-01T00:00:00Z","x"]]}', 422, "row 0: 'x' is no number"),
        (b'{"fields":["phenomenonTime","result"],"data":[["2026-01-01T00:00:00Z",Infinity]]}', 422, "row 0: inf is infinite"),
        (b'{"fields":["phenomenonTime","result","resultQualifierCodes"],"data":[["2026-01-01T00:00:00Z",1,"A"]]}', 422, "no list of codes"),
        (b'{"phenomenonTime":["2026-01-01T00:00:00Z"],"result":[]}', 422, "as long as the others"),
    ],
)
def test_a_body_that_is_wrong_is_refused_in_words(http: httpx.Client, body: bytes, status: int, words: str, shared: Datastream) -> None:
    assert words in refused(shared.http.post(f"{shared.path}/bulk-create", content=body), status)


@pytest.fixture(scope="module")
def shared(served: Any) -> Any:
    """One that is never written to."""
    with httpx.Client(base_url=served.url, timeout=60, headers={"X-Tenant": str(uuid.uuid4())}) as client:
        yield Datastream(client)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"format": "table"}, "format: 'table' is none of record, row, column"),
        ({"order_by": "result"}, "none of phenomenonTime"),
        ({"phenomenon_time_min": "noon"}, "phenomenon_time_min"),
        ({"page": 0}, "page begins at 1"),
        ({"page_size": 100_001}, "page_size is 0 to 100000"),
    ],
)
def test_what_a_page_cannot_be_asked_is_told_in_words(shared: Datastream, params: dict[str, Any], words: str) -> None:
    assert words in refused(shared.http.get(shared.path, params=params), 422)


def test_observations_of_what_is_not_there_are_not_found(http: httpx.Client) -> None:
    path = f"{API}/datastreams/{uuid.uuid4()}/observations"
    body = orjson.dumps({"fields": ["phenomenonTime", "result"], "data": []})
    for answer in (http.get(path), http.post(f"{path}/bulk-create", content=body), http.post(f"{path}/bulk-delete", json={})):
        assert "there is no datastream" in refused(answer, 404)
