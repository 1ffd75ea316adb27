"""DataReservoir's door, by its client's requests: an address, the lines, commit, status, create or add; days and their texts."""

import base64
import hashlib
import re
import uuid
from typing import Any

import httpx
import pytest

from api.doors.datareservoir.files import File, Order
from tests.conftest import wait_until
from tests.integration.api_server import Served
from varve.clock import SystemClock

API = "/datareservoir/api"
DAY = 86_400 * 10**9


def put(http: httpx.Client, csv: str | bytes) -> str:
    """The id of a committed file."""
    told = http.post(f"{API}/files/upload").json()
    content = csv.encode() if isinstance(csv, str) else csv
    answer = httpx.put(told["Endpoint"], content=content, headers={"x-ms-blob-type": "BlockBlob"})
    assert answer.status_code == 201, answer.text
    assert http.post(f"{API}/files/commit", json={"FileId": told["FileId"]}).status_code == 204
    return str(told["FileId"])


def status(http: httpx.Client, file: str) -> tuple[str, str]:
    told = http.get(f"{API}/files/{file}/status").json()
    return told["State"], told["StateMessage"]


def created(http: httpx.Client, csv: str) -> str:
    file = put(http, csv)
    assert status(http, file) == ("Ready", "")
    answer = http.post(f"{API}/timeseries/create", data={"FileId": file})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["TimeSeriesId"])


def added(http: httpx.Client, ident: str, csv: str) -> httpx.Response:
    file = put(http, csv)
    assert status(http, file) == ("Ready", "")
    return http.post(f"{API}/timeseries/add", data={"TimeSeriesId": ident, "FileId": file})


def days(http: httpx.Client, ident: str, start: int = 0, end: int = 9214646399999999999) -> list[dict[str, Any]]:
    answer = http.get(f"{API}/timeseries/{ident}/data/days?start={start}&end={end}")
    assert answer.status_code == 200, answer.text
    return [chunk for file in answer.json()["Files"] for chunk in file["Chunks"]]


def texts(http: httpx.Client, ident: str) -> dict[int, str]:
    return {chunk["DaysSinceEpoch"]: httpx.get(chunk["Endpoint"]).text for chunk in days(http, ident)}


def test_a_file_becomes_a_series_of_days_each_with_its_md5(http: httpx.Client) -> None:
    ident = created(http, f"5,1.5\n{DAY - 1},2\n{DAY},-3e300\n{3 * DAY},\n{4 * DAY + 1},0.1\n")
    chunks = days(http, ident)
    assert [chunk["DaysSinceEpoch"] for chunk in chunks] == [0, 1, 4]  # a day of nothing but a null has no text
    for chunk in chunks:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/datareservoir/days/.*", chunk["Endpoint"])
        body = httpx.get(chunk["Endpoint"], headers={"Accept-Encoding": "gzip"})
        assert base64.b64encode(hashlib.md5(body.content).digest()).decode() == chunk["ContentMd5"]
    assert [float(line.split(",")[1]) for text in texts(http, ident).values() for line in text.splitlines()] == [1.5, 2, -3e300, 0.1]
    assert [chunk["DaysSinceEpoch"] for chunk in days(http, ident, DAY, 2 * DAY - 1)] == [1]
    assert http.get(f"{API}/timeseries/{ident}/data/days?start={DAY * 9}&end={DAY * 10}").json() == {"Files": []}


def test_a_day_keeps_path_and_md5_until_its_bytes_change(http: httpx.Client) -> None:
    ident = created(http, "".join(f"{day * DAY + second},{second}\n" for day in range(3) for second in range(5)))
    before = days(http, ident)
    assert added(http, ident, f"{3 * DAY},1\n").status_code == 200
    after = days(http, ident)
    kept = [(one["Path"], one["ContentMd5"]) for one in before]
    assert [(one["Path"], one["ContentMd5"]) for one in after[:3]] == kept and len(after) == 4
    assert added(http, ident, "0,0\n").status_code == 200  # the same value once more
    assert [(one["Path"], one["ContentMd5"]) for one in days(http, ident)[:3]] == kept
    assert added(http, ident, f"{DAY},7\n").status_code == 200
    changed = [(one["Path"], one["ContentMd5"]) for one in days(http, ident)]
    assert [one == two for one, two in zip(changed[:3], kept, strict=True)] == [True, False, True]
    old = httpx.get(after[1]["Endpoint"]).content  # what the list of then saw
    assert base64.b64encode(hashlib.md5(old).digest()).decode() == after[1]["ContentMd5"]


def test_a_long_day_is_served_in_order_and_has_the_md5_of_its_bytes(http: httpx.Client) -> None:
    csv = "".join(f"{second * 500_000_000},{second / 8}\n" for second in range(2 * 86_400))
    ident = created(http, csv)
    (chunk,) = days(http, ident)
    content = httpx.get(chunk["Endpoint"]).content
    assert [(int(at), float(value)) for at, value in (line.split(b",") for line in content.splitlines())] == [
        (second * 500_000_000, second / 8) for second in range(2 * 86_400)
    ]
    assert base64.b64encode(hashlib.md5(content).digest()).decode() == chunk["ContentMd5"]


def test_the_same_calls_again_are_the_same_series_and_count_once(http: httpx.Client) -> None:
    file = put(http, "0,1\n1,2\n")
    first, again = (http.post(f"{API}/timeseries/create", data={"FileId": file}).json() for _ in range(2))
    assert first == again
    assert http.post(f"{API}/files/commit", json={"FileId": file}).status_code == 204
    history = http.get("/api/v1/values/history", params={"series_id": first["TimeSeriesId"]}).json()
    assert len(history["data"]) == 2
    other = http.put(f"{API}/timeseries/{uuid.uuid4()}").json()["TimeSeriesId"]
    refused = http.post(f"{API}/timeseries/add", data={"TimeSeriesId": other, "FileId": file})
    assert refused.status_code == 409 and "taken already" in refused.json()["Message"]


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ("0,1\n1\n", "line 2: is not a time and a value"),
        ("0,1\n1,2,3\n", "line 2: is not a time and a value"),
        ("0,1\n1,much\n", "line 2: the value 'much' is not a finite number"),
        ("0,1\n1,inf\n", "line 2: the value 'inf' is not a finite number"),
        ("0,1\n5,2\n4,3\n", "line 3: the time 4 comes after 5"),
        ("0,1\n0,2\n", "line 2: the time 0 comes twice"),
        ("0,1\nnoon,2\n", "line 2: the time 'noon' is not a whole number"),
        ("0,1\n99999999999999999999,2\n", "line 2: the time '99999999999999999999' is not"),
        ("-9214560000000000000,1\n", "line 1: the time -9214560000000000000 lies outside"),
        ("0,1\n\n1,2\n", "line 2: the time '' is not"),
        ("0,a\n1," + "b" * (1 << 21) + "\n", "line 2: the text is longer than"),
        (b"0,\xff\xfe\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_wrong_fails_with_its_line_and_is_ignored(http: httpx.Client, csv: str | bytes, words: str) -> None:
    file = put(http, csv)
    state, message = status(http, file)
    assert state == "Failed" and words in message, message
    told = http.post(f"{API}/timeseries/create", data={"FileId": file})
    assert told.status_code == 200 and told.json()["State"] == "Failed"
    assert http.get("/api/v1/series").json()["series"] == []


def test_words_are_served_as_they_are_and_numbers_among_them_too(http: httpx.Client) -> None:
    ident = created(http, '0,a\n1,"b,c"\n2,"d""e"\n3,"f\r\ng\u2028h\x85i\tj\\n"\n4,\n')
    assert added(http, ident, "5,1.50\n").status_code == 200
    assert texts(http, ident) == {0: '0,a\n1,b,c\n2,d"e\n3,f g h i\tj\\n\n5,1.50\n'}
    exact = http.get("/api/v1/values/flat", params={"series_id": ident}).json()["data"]
    assert [row["value"] for row in exact] == ["a", "b,c", 'd"e', "f\r\ng\u2028h\x85i\tj\\n", None, "1.50"]
    flags = created(http, "0,True\n1,False\n")
    assert texts(http, flags) == {0: "0,True\n1,False\n"}
    assert added(http, flags, "2,5\n").status_code == 422


def test_one_file_is_words_for_one_series_and_numbers_for_another(http: httpx.Client, served: Served) -> None:
    words, numbers = (str(uuid.UUID(int=number)) for number in (1, 2))
    for ident, csv in ((words, "0,a\n"), (numbers, "0,1\n")):
        http.put(f"{API}/timeseries/{ident}").raise_for_status()
        assert added(http, ident, csv).status_code == 200
    told = http.post(f"{API}/files/upload").json()
    httpx.put(told["Endpoint"], content="1,nan\n2,3\n").raise_for_status()
    (home,) = (served.data / "files").glob(f"*/{told['FileId']}")
    for ident in (words, numbers):  # as two calls at once leave them
        File(home).order(Order(ident, new=False, recorded_time=SystemClock().now()))
    http.post(f"{API}/files/commit", json={"FileId": told["FileId"]}).raise_for_status()
    wait_until(lambda: File(home).verdict() is not None and not File(home).pending(), 30, "both are carried out")
    assert [order.refused for order in File(home).orders()] == ["", ""]
    assert (texts(http, words), texts(http, numbers)) == ({0: "0,a\n1,nan\n2,3\n"}, {0: "0,1\n2,3\n"})


def test_an_empty_series_takes_its_type_from_its_first_points(http: httpx.Client) -> None:
    ident = str(uuid.uuid4())
    assert http.put(f"{API}/timeseries/{ident}").json() == {"TimeSeriesId": ident}
    about = http.get(f"{API}/timeseries/{ident}").json()
    assert (about["TimeOfFirstSample"], about["TimeOfLastSample"]) == (0, -1)
    assert added(http, ident, "0,a\n").status_code == 200
    assert added(http, ident, "1,b\n").json()["TimeOfLastSample"] == 1
    assert http.get(f"/api/v1/series/{ident}").json()["value_type"] == "text"
    assert texts(http, ident) == {0: "0,a\n1,b\n"}


def test_a_series_that_is_deleted_is_gone(http: httpx.Client) -> None:
    ident = created(http, "0,1\n")
    assert http.delete(f"{API}/timeseries/{ident}").status_code == 204
    for path in (f"timeseries/{ident}", f"timeseries/{ident}/data/days?start=0&end=1", "timeseries/none", "files/none/status"):
        answer = http.get(f"{API}/{path}")
        assert answer.status_code == 404 and "there is no" in answer.json()["Message"]
    assert http.post(f"{API}/timeseries/add", data={"TimeSeriesId": ident, "FileId": put(http, "1,1\n")}).status_code == 404


def pages(http: httpx.Client, path: str) -> list[list[tuple[str, Any]]]:
    """Following nextLink as it stands."""
    found, link = [], f"{http.base_url}{API}/reservoir/timeseries/{path}"
    while link:
        answer = http.get(link)
        assert answer.status_code == 200, answer.text
        found.append([(one["Timestamp"], one["Value"]) for one in answer.json()["value"]])
        link = answer.json().get("@odata.nextLink", "")
    return found


SPAN = "start=1970-01-01T00:00:00%2B00:00&end=1970-01-01T00:01:00%2B00:00"


def test_samples_come_raw_page_by_page_at_one_moment(http: httpx.Client) -> None:
    ident = created(http, "0,1.5\n1,\n1000000000,3\n60000000000,4\n")
    first, second = pages(http, f"{ident}/samples/raw?{SPAN}&maxPageSize=2")
    assert first == [("1970-01-01T00:00:00.000000000Z", 1.5), ("1970-01-01T00:00:00.000000001Z", None)]
    assert second == [("1970-01-01T00:00:01.000000000Z", 3.0)]  # the end is left out
    link = http.get(f"{API}/reservoir/timeseries/{ident}/samples/raw?{SPAN}&maxPageSize=2").json()["@odata.nextLink"]
    assert added(http, ident, "2,9\n").status_code == 200
    assert [one["Value"] for one in http.get(link).json()["value"]] == [3.0]
    assert http.get(link.replace("start=1970", "start=1971")).status_code == 422


def test_aggregates_step_over_gaps_and_fill_them_where_asked(http: httpx.Client) -> None:
    ident = created(http, "0,1\n1000,3\n59999999999,8\n")
    wanted = f"{ident}/samples/aggregate?{SPAN}&aggregationFunction=avg&aggregationPeriod="
    assert pages(http, f"{wanted}1tick&maxPageSize=10") == [
        [("1970-01-01T00:00:00.000000000Z", 1.0), ("1970-01-01T00:00:00.000001000Z", 3.0), ("1970-01-01T00:00:59.999999900Z", 8.0)]
    ]
    later = wanted.replace("start=1970", "start=1969")  # the next sample is the one at 0
    assert [value for page in pages(http, f"{later}1s&maxPageSize=10") for _, value in page] == [2.0, 8.0]
    assert pages(http, f"{wanted}1h") == [[("1970-01-01T00:00:00.000000000Z", 4.0)]]
    filled = pages(http, f"{wanted}20s&includeEmptyAggregations=True&maxPageSize=2")
    assert [[value for _, value in page] for page in filled] == [[2.0, None], [8.0]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aggregationPeriod", "2d"), ("aggregationPeriod", "0s"), ("aggregationFunction", "median"), ("maxPageSize", "0"),
        ("start", "noon"), ("end", "1969-01-01"), ("cursor", "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_aggregated_is_refused_in_words(http: httpx.Client, name: str, text: str) -> None:
    ident = created(http, "0,1\n")
    asked = {"start": "1970-01-01", "end": "1970-01-02", "aggregationPeriod": "1h", "aggregationFunction": "Max"} | {name: text}
    answer = http.get(f"{API}/reservoir/timeseries/{ident}/samples/aggregate", params=asked)
    assert answer.status_code == 422 and name in answer.json()["Message"]
