"""Timetric's door, by requests as its client sends them: fields twice, a fixed multipart boundary, answers of which it reads little."""

import base64
import uuid

import httpx
import pytest

BOUNDARY = "tHiSiStHeBoUnDaRyStRiNg"
ROWS = "1236735000.0,1.0\r\n1236735000.5,\r\n1236735001.25,2.5\r\n"


def multipart(csv: str, **fields: str) -> tuple[bytes, dict[str, str]]:
    lines: list[str] = []
    for name, text in fields.items():
        lines += [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', "", text]
    lines += [f"--{BOUNDARY}", 'Content-Disposition: form-data; name="csv"; filename="csv"', "Content-Type: application/octet-stream", ""]
    return "\r\n".join([*lines, csv, "", f"--{BOUNDARY}--", ""]).encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def created(http: httpx.Client, csv: str | None = None, prefix: str = "") -> str:
    """The id, as the client finds it."""
    fields = {"title": "Sheep", "caption": "in the meadow", "source": "counted"}
    if csv is None:
        answer = http.post(f"{prefix}/create/", params=fields, data=fields)
    else:
        body, headers = multipart(csv, **fields)
        answer = http.post(f"{prefix}/create/", params=fields, content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].split("/")[-2]


def rows(http: httpx.Client, ident: str) -> list[tuple[float, float]]:
    answer = http.get(f"/series/{ident}/csv/")
    assert answer.status_code == 200
    return [(float(time), float(value)) for time, value in (line.split(",") for line in answer.text.splitlines())]


def test_a_series_is_made_with_its_rows_and_described(http: httpx.Client) -> None:
    ident = created(http, ROWS)
    assert len(ident) == 22
    assert rows(http, ident) == [(1236735000.0, 1.0), (1236735001.25, 2.5)]
    found = http.get(f"/api/v1/series/{uuid.UUID(bytes=base64.urlsafe_b64decode(ident + '=='))}").json()
    assert (found["name"], found["description"], found["attributes"]) == ("Sheep", "in the meadow", {"source": "counted"})
    assert http.get(f"/series/{ident}/value/json/").json() == {"timestamp": 1236735001.25, "value": 2.5}


def test_rows_are_merged_and_replaced_and_cleared(http: httpx.Client) -> None:
    ident = created(http)
    assert rows(http, ident) == []
    assert http.get(f"/series/{ident}/value/json/").status_code == 404
    for csv in (ROWS, "1236735000,7\n1236735002,8\n"):
        body, headers = multipart(csv)
        assert http.post(f"/series/{ident}/", content=body, headers=headers).status_code == 204
    assert rows(http, ident) == [(1236735000.0, 7.0), (1236735001.25, 2.5), (1236735002.0, 8.0)]
    put = http.put(f"/series/{ident}/", content="1.5,3\n", headers={"Content-Type": "text/csv"})
    assert put.status_code == 204 and rows(http, ident) == [(1.5, 3.0)]
    assert http.delete(f"/series/{ident}/").status_code == 204
    assert http.get(f"/series/{ident}/csv/").content == b""


def test_a_value_of_now_and_amounts_count_once_though_they_are_sent_twice(http: httpx.Client) -> None:
    ident = created(http, prefix="/timetric")
    for fields in ({"value": "14"}, {"increment": "4.5"}, {"increment": "-2"}, {"decrement": "0.5"}):
        assert http.post(f"/series/{ident}/", params=fields, data=fields).status_code == 204
    assert [value for _, value in rows(http, ident)] == [14, 18.5, 16.5, 16]
    assert http.get(f"/timetric/series/{ident}/value/json/").json()["value"] == 16
    assert http.post(f"/series/{ident}/", params={"increment": "1"}).status_code == 204  # in the address alone
    assert http.get(f"/series/{ident}/value/json/").json()["value"] == 17


def test_more_rows_than_a_page_come_in_order(http: httpx.Client) -> None:
    csv = "".join(f"{1236735000 + number},{number}\n" for number in range(25_000))
    assert rows(http, created(http, csv)) == [(1236735000.0 + number, float(number)) for number in range(25_000)]


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        ("1236735000,1\nyesterday,2\n", "yesterday"),
        ("1236735000,1\n1236735001,nan\n", "first in row 2"),
        ("1e30,1\n", "not an instant"),
        ("1236735000,1,2\n", "rows of seconds"),
    ],
)
def test_a_bad_file_is_refused_whole_and_says_where(http: httpx.Client, csv: str, words: str) -> None:
    ident = created(http)
    body, headers = multipart(csv)
    refused = http.post(f"/series/{ident}/", content=body, headers=headers)
    assert refused.status_code == 422 and words in refused.json()["error"], refused.text
    assert rows(http, ident) == []


def test_what_is_not_there_or_says_nothing_is_refused_in_words(http: httpx.Client) -> None:
    for ident in ("p-DpewL0TO-iBE4nMBCTsQ", "short", "x" * 22):
        assert "there is no series" in http.get(f"/series/{ident}/csv/").json()["error"]
        assert http.post(f"/series/{ident}/", data={"value": "1"}).status_code == 404
    ident = created(http)
    assert http.post(f"/series/{ident}/", data={"value": "much"}).status_code == 422
    assert "send one of" in http.post(f"/series/{ident}/", data={"value": "1", "increment": "1"}).json()["error"]
