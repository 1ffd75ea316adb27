"""CSV and JSON as chunks: delimiters, headers, ragged and empty rows, encodings, quotes; however a file is cut; each fault in words."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.loading import csv_blocks
from streams.loading.chunks import REJECTED_LISTED_MAX, Rejected
from streams.loading.reading import read
from streams.loading.specs import Source, source_of
from tests.cases import cases
from varve.errors import Incorrect, TooLarge, VarveError


class Loaded:
    """All chunks of a source."""

    def __init__(self, path: Path, text: str | bytes, wanted: Sequence[str], rows: int = 100_000, **fields: Any) -> None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.chunks = list(read(path, source(**fields), wanted, rows))
        self.times = [int(one) // 10**9 for chunk in self.chunks for one in chunk.valid_time]
        self.lines = [int(one) for chunk in self.chunks for one in chunk.lines]
        self.values = {name: [one for chunk in self.chunks for one in chunk.values[name].to_pylist()] for name in wanted}
        self.rejected = [one for chunk in self.chunks for one in chunk.rejected]
        self.rejected_count = sum(chunk.rejected_count for chunk in self.chunks)
        self.read = sum(chunk.rows_read for chunk in self.chunks)


def source(**fields: object) -> Source:
    return source_of({"url": "http://example.com", "timestamp_key": "Time", **fields})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "source"


JANUARY = 1_704_067_200


@pytest.mark.parametrize("delimiter", [",", "|", "\t", ";", " "])
def test_each_delimiter(path: Path, delimiter: str) -> None:
    rows = [["Time", "Level", "Temp"], ["2024-01-01", "1.5", "20"], ["2024-01-02", "", "-3e1"]]
    found = Loaded(path, "\n".join(delimiter.join(row) for row in rows), ["Temp", "Level"], delimiter=delimiter)
    assert found.values == {"Temp": [20.0, -30.0], "Level": [1.5, None]}
    assert (found.times, found.lines, found.read) == ([JANUARY, JANUARY + 86_400], [2, 3], 2)


def test_headers_and_readings_begin_where_they_are_said_to(path: Path) -> None:
    text = "Station 7\n# a comment is no row\n\nTime,Level\nUTC,m\n2024-01-01,1\n"
    found = Loaded(path, text, ["Level"], header_row=3, data_start_row=5)
    assert (found.values["Level"], found.lines) == ([1.0], [6])


def test_columns_by_number_where_there_are_no_headers(path: Path) -> None:
    found = Loaded(path, "2024-01-01,1,2\n2024-01-02,3,4\n", ["3"], timestamp_key="1")
    assert found.values == {"3": [2.0, 4.0]}


def test_comments_and_empty_lines_are_passed_over_and_lines_counted_right(path: Path) -> None:
    found = Loaded(path, "Time,Level\n\n2024-01-01,1\r\n# so,so\r\n  \n2024-01-02,2\n\t# 3\n2024-01-03,x", ["Level"])
    assert (found.values["Level"], found.lines, found.read) == ([1.0, 2.0, None], [3, 6, 8], 3)
    assert found.rejected == [Rejected(8, "Level", "'x' is not a number")]


def test_what_is_empty_is_no_fault_and_what_is_no_number_is(path: Path) -> None:
    words = ["", "NaN", "nan", "NA", "null", " ", '""', "ICE", "1,5", "inf", "+2.5", " 7 ", "1e400"]
    text = "Time;Level\n" + "".join(f"2024-01-01;{word}\n" for word in words)
    found = Loaded(path, text, ["Level"], delimiter=";")
    assert found.values["Level"] == [None] * 10 + [2.5, 7.0, None]
    assert [(one.line, one.reason) for one in found.rejected] == [
        (9, "'ICE' is not a number"),
        (10, "'1,5' is not a number: decimals are written with a point"),
        (11, "'inf' is not a finite number"),
        (14, "'1e400' is not a number"),
    ]


def test_rows_too_short_are_filled_up_and_rows_too_long_refused(path: Path) -> None:
    text = "Time,Level,Note\n2024-01-01,1,a\n2024-01-02,2\n2024-01-03,3,a,,\n2024-01-04,4,a,b\n2024-01-05\n2024-01-06,6,c\n"
    found = Loaded(path, text, ["Level"])
    assert found.values["Level"] == [1.0, 2.0, 3.0, None, 6.0]
    assert found.lines == [2, 3, 4, 6, 7]
    assert found.rejected == [Rejected(5, "Time", "the row has 4 cells, the others 3")]


def test_headers_with_a_delimiter_too_many_and_rows_without_it(path: Path) -> None:
    assert Loaded(path, "Time,Level,\n2024-01-01,1\n2024-01-02,2\n", ["Level"]).values["Level"] == [1.0, 2.0]
    assert Loaded(path, "Time,Level\n2024-01-01,1,\n2024-01-02,2,\n", ["Level"]).values["Level"] == [1.0, 2.0]


def test_quoted_cells_may_hold_delimiters_and_lines_and_an_inch_is_a_character(path: Path) -> None:
    text = 'Time,Note,Level\n2024-01-01,"a, ""b""\nc",1\n2024-01-02,5" pipe,2\n"2024-01-03","",x\n'
    found = Loaded(path, text.replace('5" pipe', "5 pipe"), ["Level"])
    assert (found.values["Level"], found.lines) == ([1.0, 2.0, None], [2, 4, 5])
    plain = Loaded(path, 'Time,Note,Level\n2024-01-01,5" pipe,1\n2024-01-02,6" pipe,x\n', ["Level"])
    assert (plain.values["Level"], plain.rejected[0].line) == ([1.0, None], 3)


def test_a_byte_order_mark_is_no_part_of_the_first_header(path: Path) -> None:
    assert Loaded(path, b"\xef\xbb\xbfTime,Level\n2024-01-01,1\n", ["Level"]).values["Level"] == [1.0]


def test_bytes_that_are_no_utf_8_cost_the_cell_the_row_or_nothing(path: Path) -> None:
    text = b"Time,Level,Note\n2024-01-01,1,\xb0C\n2024-01-02,2\xb0,b\n2024-\xb0,3,c\n2024-01-04,4,d\n"
    found = Loaded(path, text, ["Level"])
    assert (found.values["Level"], found.lines) == ([1.0, None, 4.0], [2, 3, 5])
    assert found.rejected == [Rejected(3, "Level", "the cell is not UTF-8"), Rejected(4, "Time", "the time is not UTF-8")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"Time,Temperatur \xb0C\n", "line 1: byte 17 (0xB0) is not UTF-8"),
        (b"", "the source is empty"),
        (b" \n\n", "the source is empty"),
        (b"\0" * 2_000_000, "zero bytes"),
        ("Time,Level\n".encode("utf-16"), "the source is UTF-16"),
        (b"<!DOCTYPE html><html>", "the source is a page (HTML or XML), not CSV"),
        (b"Time;Level\n1;2\n", "column 'Time' is not in the source; it has: Time;Level. That is one column: is the delimiter right"),
        (b"Time,Temperature,Humidity\n", "column 'Temprature' is not in the source; it has: Time, Temperature, Humidity"),
        (b"time,Temprature\n", "column 'Time' is not in the source; it has: time, Temprature"),
        (b"Time,Temprature,Temprature\n", "column 'Temprature' is in the source 2 times (columns 2, 3)"),
        (b"\nTime,Temprature\n2024-01-01,1\n", "its header row, row 1, is empty: set header_row"),
        (b"Time,Temprature\n01/15/2024,1\n", "no row of the source has a time that can be read: line 2: '01/15/2024' is no ISO 8601 time"),
        (b"Time,Temprature\n2024-01-01," + b'"' + b"xxxxxxxx\n" * (csv_blocks.ROW_BYTES_MAX // 7), "is a quote open?"),
        (b"Time" + b"x" * 2_000_000, "line 1 is longer than 1 MiB"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_read_says_why(path: Path, text: bytes, words: str) -> None:
    with pytest.raises(Incorrect) as refusal:
        Loaded(path, text, ["Temprature"])
    assert words in refusal.value.message


def test_rows_and_cells_without_measure_take_no_time_and_are_told(path: Path) -> None:
    wide = "2024-01-02,2" + "," * 2_000_000
    found = Loaded(path, f"Time,Level\n2024-01-01,1\n{wide}\n{wide}x\n2024-01-03,{'9' * 200_000}\n2024-01-04,4\n", ["Level"])
    assert found.values["Level"] == [1.0, 2.0, None, 4.0]
    assert [one.line for one in found.rejected] == [4, 5]
    quoted = Loaded(path, f'Time,Level,Note\n2024-01-01,1,"{"n" * 200_000}"\n2024-01-02,x,"n"\n', ["Level"])
    assert quoted.values["Level"] == [1.0, None]
    with pytest.raises(Incorrect, match="column 'Level' is not in the source; it has: hhh"):
        Loaded(path, "h" * 200_000 + "\n1\n", ["Level"], timestamp_key="Level")


def test_only_so_many_rejections_are_listed_and_all_are_counted(path: Path) -> None:
    found = Loaded(path, "Time,Level\n2024-01-01,1\n" + "2024-01-01,x\n" * 500 + "y,2\n" * 500, ["Level"])
    assert (len(found.rejected), found.rejected_count, found.read) == (REJECTED_LISTED_MAX, 1_000, 1_001)


def test_chunks_are_no_longer_than_asked_and_cut_alike(path: Path) -> None:
    text = "Time,Level\n" + "".join(f"2024-01-01T00:00:{n % 60:02d},{n}\n" for n in range(1_000))
    found = Loaded(path, text, ["Level"], rows=300)
    assert [len(chunk.valid_time) for chunk in found.chunks] == [250, 250, 250, 250]
    assert [one for chunk in found.chunks for one in chunk.values["Level"].to_pylist()] == list(map(float, range(1_000)))


cells = st.sampled_from(["1", "2.5", "", "NaN", "x", '"3"', '"a,b"', '"c\nd"', '"say ""so"""', " 4", "1e3"])
lines = st.one_of(
    st.builds(lambda day, one, two: f"2024-01-{day:02d},{one},{two}", st.integers(1, 40), cells, cells), st.sampled_from(["", "# so", "  "])
)


@settings(max_examples=cases(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines, min_size=1, max_size=30), st.integers(20, 200), st.sampled_from(["\n", "\r\n"]))
def test_whatever_way_a_file_is_cut_its_rows_are_those_of_the_csv_module(
    path: Path, monkeypatch: pytest.MonkeyPatch, body: list[str], block: int, ending: str
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", block)
    text = ending.join(["Time,A,B", *body]) + ending
    kept = [line for line in body if line.strip() and not line.startswith("#")]
    rows = list(csv.reader(io.StringIO("\n".join(kept), newline="")))
    right = [row for row in rows if int(row[0][-2:]) <= 31]
    try:
        found = Loaded(path, text, ["A", "B"])
    except Incorrect:
        assert not right
        return
    assert found.times == [JANUARY + (int(row[0][-2:]) - 1) * 86_400 for row in right]
    for at, name in enumerate(("A", "B"), 1):
        assert found.values[name] == [_number(row[at]) for row in right]
    wrong = sum(1 for row in rows for cell in row[1:] if cell.strip() not in ("", "NaN") and _number(cell) is None)
    assert found.rejected_count == wrong + len(rows) - len(right)
    starts = np.cumsum([1, *(line.count("\n") + 1 for line in body)])[:-1] + 1
    numbers = [int(start) for start, line in zip(starts, body, strict=True) if line in kept and int(line[8:10]) <= 31]
    assert found.lines == numbers


def _number(cell: str) -> float | None:
    try:
        return None if cell.strip() == "NaN" else float(cell)
    except ValueError:
        return None


JSON: dict[str, Any] = {"payload": "JSON", "timestamp_key": "datetime"}


def test_records_of_a_document(path: Path) -> None:
    text = (
        '{"data": [{"datetime": "2024-01-01T00:00:00Z", "temperature": 22.5}, {"datetime": "2024-01-01T01:00:00Z", "temperature": "22.8"}]}'
    )
    found = Loaded(path, text, ["temperature"], jmespath="data[*]", **JSON)
    assert (found.values["temperature"], found.lines) == ([22.5, 22.8], [1, 2])


def test_records_that_lack_something_are_told_of_by_number(path: Path) -> None:
    records = [{"datetime": "2024-01-01", "v": None}, {"v": 1}, {"datetime": 5, "v": 1}, {"datetime": "2024-01-02", "v": True}]
    found = Loaded(path, json.dumps([*records, {"datetime": "2024-01-03", "v": float("nan")}, {"datetime": "2024-01-04"}]), ["v"], **JSON)
    assert found.values["v"] == [None] * 4
    assert [(one.line, one.column) for one in found.rejected] == [(2, "datetime"), (3, "datetime"), (4, "v")]
    assert found.rejected[0].reason == "the time is missing"


def test_one_record_alone_and_none_at_all(path: Path) -> None:
    assert Loaded(path, '{"datetime": "2024-01-01", "v": 1}', ["v"], **JSON).values["v"] == [1.0]
    assert Loaded(path, '{"data": []}', ["v"], jmespath="data[*]", **JSON).read == 0


@pytest.mark.parametrize(
    ("text", "expression", "words"),
    [
        (b'{"data": []}', "records[*]", "jmespath 'records[*]' selects nothing in the document; the document has: data"),
        (b'{"data": [1]}', "length(data)", "selects a number, not a list of records"),
        (b'{"data": [1]}', "data", "selects a list with a number in it: records must be objects"),
        (b'{"data": 1}', "length(data)", "cannot be applied to the document"),
        (b'{"data": [{"time": 1, "v": 2}]}', "data", "time field 'datetime' is not in the records; they have: time, v"),
        (b'{"data": [{"datetime": "2024-01-01", "V": 2}]}', "data", "field 'v' is not in the records; they have: datetime, V"),
        (b'{"data": [\n', "data", "the source is not JSON: Expecting value in line 2, column 1"),
        (b"<html>", "data", "the source is a page (HTML or XML), not JSON"),
        (b'{"a":\n"\xff"}', "data", "line 2: byte 0xFF is not UTF-8"),
        (b"  ", "data", "the source is empty"),
        (b"[" * 200_000, "data", "nested too deeply"),
    ],
)
def test_a_document_that_cannot_be_read_says_why(path: Path, text: bytes, expression: str, words: str) -> None:
    with pytest.raises(VarveError) as refusal:
        Loaded(path, text, ["v"], jmespath=expression, **JSON)
    assert words in refusal.value.message


def test_a_document_larger_than_memory_may_well_hold_is_refused(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(TooLarge, match="at most 64 are read"):
        list(read(path, source(**JSON), ["v"]))


@pytest.mark.parametrize("odd", ["", "x"], ids=["as it should be", "with a row that is not so"])
def test_cells_that_mean_no_reading_and_decimals_with_a_comma(path: Path, odd: str) -> None:
    words = ["1,5", "-9999", "-9999,00", "---", "-,5e1", "7", odd]
    text = "Time;Level\n" + "".join(f"2024-01-01;{word}\n" for word in words)
    found = Loaded(path, text, ["Level"], delimiter=";", decimal_point=",", no_data=["-9999", "---"])
    assert found.values["Level"] == [1.5, None, None, None, -5.0, 7.0, None]
    assert found.rejected_count == bool(odd)


def test_a_point_is_refused_where_decimals_have_a_comma(path: Path) -> None:
    found = Loaded(path, "Time;Level\n2024-01-01;1.5\n2024-01-01;1.234,5\n", ["Level"], delimiter=";", decimal_point=",")
    assert [one.reason for one in found.rejected] == [
        "'1.5' is not a number: decimals are written with a comma", "'1.234,5' is not a number",
    ]  # fmt: skip
    with pytest.raises(Incorrect, match="decimal_point is ',' and so is the delimiter"):
        source(decimal_point=",")


def test_json_knows_cells_that_mean_no_reading(path: Path) -> None:
    text = json.dumps([{"Time": "2024-01-01", "Level": -9999.0}, {"Time": "2024-01-02", "Level": "2"}])
    found = Loaded(path, text, ["Level"], payload="JSON", jmespath="[*]", no_data=["-9999"])
    assert (found.values["Level"], found.rejected) == ([None, 2.0], [])
    with pytest.raises(Incorrect, match="are for CSV"):
        source(payload="JSON", encoding="latin-1")


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16", "utf-16-le", "cp037"])
def test_another_encoding_is_read_where_it_is_said(path: Path, encoding: str) -> None:
    text = "Time,Température\r\n" + "2024-01-01,1\r\n" * 700_000
    found = Loaded(path, text.encode(encoding), ["Température"], encoding=encoding)
    assert (found.read, sum(found.values["Température"]), found.lines[-1]) == (700_000, 700_000, 700_001)


def test_bytes_that_are_not_of_the_encoding_are_told_with_their_line(path: Path) -> None:
    with pytest.raises(Incorrect, match=r"line 3: 0x81 is not windows-1252"):
        Loaded(path, b"Time,Level\n2024-01-01,1\n2024-01-02,\x81\n", ["Level"], encoding="windows-1252")
    with pytest.raises(Incorrect, match="encoding 'klingon' is not known here"):
        source(encoding="klingon")
    with pytest.raises(Incorrect, match="encoding 'base64' is not known here"):
        source(encoding="base64")
