"""The page on which a person gives a file: without a script, in the words of `varve load`, for who may write."""

import csv
import io
from collections.abc import Mapping

import httpx
import pytest

from tests.integration.api_server import Served
from tests.integration.guarded_server import Guarded

FILE = "Zeit;Temp;Pegel\n15.01.2024 08:30;21.5;1.25\n15.01.2024 08:45;ICE;1.5\n31.02.2024 09:00;1;2\n"
FORM = {"time": "Zeit", "format": "%d.%m.%Y %H:%M", "timezone": "America/Denver", "delimiter": "semicolon"}


def send(
    http: httpx.Client, values: str = "Temp=page/temp\nPegel=page/level", text: str | bytes = FILE, form: Mapping[str, str] = FORM,
    path: str = "/load", **headers: str
) -> httpx.Response:  # fmt: skip
    content = text.encode() if isinstance(text, str) else text
    return http.post(path, data={**form, "values": values}, files={"file": ("<b>.csv", content, "text/csv")}, headers=headers)


def held(http: httpx.Client, key: str) -> list[str]:
    answer = http.get("/api/v1/values/flat", params={"key": key}, headers={"Accept": "text/csv"})
    rows = csv.DictReader(io.StringIO(answer.text)) if answer.is_success else []
    return [f"{row['valid_time'][:19]} {row['value']}" for row in rows]


def test_the_form_asks_without_a_script_and_nobody_may_frame_it(http: httpx.Client) -> None:
    answer = http.get("/load")
    assert answer.headers["content-type"].startswith("text/html") and "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert '<form method="post" enctype="multipart/form-data">' in answer.text and "<script" not in answer.text
    assert 'name="key"' not in answer.text


def test_a_file_is_loaded_and_what_is_wrong_in_it_is_told_by_line(http: httpx.Client) -> None:
    answer = send(http)
    assert answer.status_code == 200
    assert "&lt;b&gt;.csv: 3 row(s) read, 3 value(s) loaded, 2 rejected." in answer.text
    assert "<td class=n>3<td>Temp<td>&#x27;ICE&#x27; is not a number" in answer.text
    assert "<td class=n>4<td>Zeit<td>&#x27;31.02.2024 09:00&#x27; does not match Format of times" in answer.text
    assert held(http, "page/temp") == ["2024-01-15T15:30:00 21.5"]
    assert len(held(http, "page/level")) == 2


def test_the_same_file_counts_once_and_a_look_writes_nothing(http: httpx.Client) -> None:
    looks = [send(http, "Pegel=once", path="/load?check=1"), send(http, "Pegel=once", form=FORM | {"do": "check"})]
    assert all("2 value(s) would be loaded; nothing is written yet" in look.text for look in looks)
    assert "It has times from 2024-01-15T15:30:00" in looks[0].text
    assert http.get("/api/v1/series/key:once").status_code == 404
    histories, told = [], list[bool]()
    for _ in range(2):
        answer = send(http, "Pegel=once")
        assert answer.status_code == 200
        told.append("All of it had been loaded before" in answer.text)
        histories.append(http.get("/api/v1/values/history", params={"key": "once"}).json())
    assert histories[0] == histories[1]
    assert told == [False, True]


@pytest.mark.parametrize(
    ("changed", "values", "text", "words"),
    [
        ({}, "Tmep", FILE, "column &#x27;Tmep&#x27; is not in the source; it has: Zeit, Temp, Pegel"),
        ({"delimiter": "comma"}, "Temp", FILE, "That is one column: is the delimiter right (comma)"),
        ({"time": ""}, "Temp", FILE, "say which column holds the times"),
        ({"timezone": "Mars"}, "Temp", FILE, "no IANA time zone"),
        ({"header_row": "x"}, "Temp", FILE, "a row is a number from 1"),
        ({"header_row": "0"}, "Temp", FILE, "Header row"),
        ({"decimal": "dot"}, "Temp", FILE, "Decimals"),
        ({"encoding": "klingon"}, "Temp", FILE, "Encoding &#x27;klingon&#x27; is not known here"),
        ({}, "", FILE, "no column of values is named"),
        ({"format": ""}, "Temp", FILE, "no row of the source has a time that can be read: line 2"),
        ({}, "Temp", "", "the source is empty"),
        ({}, "Temp", b"Zeit;Temp\xb0\n", "line 1: byte 10 (0xB0) is not UTF-8"),
    ],
)
def test_what_is_wrong_is_told_on_the_page_and_what_was_written_stays_there(
    http: httpx.Client, changed: Mapping[str, str], values: str, text: str | bytes, words: str
) -> None:
    answer = send(http, values, text, {**FORM, **changed})
    assert answer.status_code == 422
    assert words in answer.text
    assert changed.get("time") == "" or 'value="Zeit"' in answer.text


def test_a_file_beyond_the_bound_and_a_form_that_is_none(http: httpx.Client) -> None:
    assert send(http, text=b"x" * (17 << 20)).status_code == 413
    assert http.post("/load", data=FORM).status_code == 415
    broken = http.post("/load", content=b"--a\r\nnothing", headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert broken.status_code == 422 and "not multipart/form-data as it should be" in broken.text


def test_a_form_of_another_site_is_refused(http: httpx.Client, served: Served) -> None:
    assert send(http, "Pegel=csrf", Origin="https://evil.example").status_code == 403
    assert http.get("/api/v1/series/key:csrf").status_code == 404
    assert send(http, "Pegel=csrf", Origin=served.url).status_code == 200


def test_with_access_on_the_form_asks_for_a_key_that_may_write(guarded: Guarded) -> None:
    with guarded.client("") as nobody:
        assert 'name="key"' in nobody.get("/load").text
        for key, status in (("", 401), ("varve_" + "x" * 43, 401), (guarded.keys["gone"], 401), (guarded.keys["read"], 403)):
            refused = send(nobody, "Pegel=guarded", form={"key": key, **FORM})
            assert refused.status_code == status
            assert key == "" or key not in refused.text
        assert send(nobody, "Pegel=guarded", form={"key": guarded.keys["write"], **FORM}).status_code == 200
    with guarded.client("write") as writer:
        assert len(held(writer, "guarded")) == 2
        assert send(writer, "Pegel=shown").status_code == 200
        history = writer.get("/api/v1/values/history", params={"key": "guarded"}).text
        assert "write@example.org" in history
    with guarded.client("other") as other:
        assert held(other, "guarded") == []
