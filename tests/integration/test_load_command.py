"""`varve load`: a file of somebody's own making, told apart, loaded once, its faults told by line."""

import csv
import io
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from tests.integration.api_server import Served
from varve.cli import app
from varve.cli_load import EXIT_REJECTED
from varve.errors import Incorrect, NotFound, VarveError

FILE = """Station 7; north
Zeit;Temperatur;Pegel
°C;;m
15.01.2024 08:30;21.5;1.25
15.01.2024 08:45;ICE;1.5
# the logger was changed
15.01.2024 09:00;;1.75

31.02.2024 09:15;22.5;2
15.01.2024 09:30;23.5;2.25
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "logger.csv"
    path.write_text(FILE)
    return path


def load(served: Served, http: httpx.Client, *words: object, sent: bool = True) -> Result:
    where = ["--url", served.url, "--tenant", http.headers["X-Tenant"]] if sent else []
    return CliRunner().invoke(app, ["load", *map(str, words), *where])


HOW = ("--time", "Zeit", "--format", "%d.%m.%Y %H:%M", "--timezone", "-07", "--delimiter", "semicolon", "--header-row", 2, "--data-row", 4)


def values(http: httpx.Client, key: str) -> list[tuple[str, float]]:
    answer = http.get("/api/v1/values/flat", params={"key": key}, headers={"Accept": "text/csv"})
    return [(row["valid_time"], float(row["value"])) for row in csv.DictReader(io.StringIO(answer.text))]


def test_a_file_comes_in_and_what_is_wrong_in_it_is_told_by_line(served: Served, http: httpx.Client, file: Path) -> None:
    done = load(served, http, file, *HOW, "--value", "Temperatur=north/temp", "--value", "Pegel")
    assert done.exit_code == EXIT_REJECTED
    assert done.stdout.splitlines() == [
        f"{file}: Temperatur: 2 value(s) into north/temp",
        f"{file}: Pegel: 4 value(s) into Pegel",
        f"{file}: 5 row(s) read, 6 value(s) loaded, 2 rejected",
        f"{file}: times from 2024-01-15T15:30:00Z to 2024-01-15T16:30:00Z",
    ]
    assert done.stderr.splitlines() == [
        f"{file}:5: Temperatur: 'ICE' is not a number",
        f"{file}:9: Zeit: '31.02.2024 09:15' does not match --format '%d.%m.%Y %H:%M', or is no such date or time",
    ]
    assert [value for _, value in values(http, "north/temp")] == [21.5, 23.5]
    assert [str(time)[:16] for time, _ in values(http, "Pegel")] == [f"2024-01-15T{at}" for at in ("15:30", "15:45", "16:00", "16:30")]


def test_a_load_that_is_repeated_adds_nothing(served: Served, http: httpx.Client, file: Path) -> None:
    layers, told = [], list[bool]()
    for _ in range(2):
        done = load(served, http, file, *HOW, "--value", "Pegel=again")
        told.append("all of it had been loaded before, from the same file" in done.stdout)
        layers.append(http.get("/api/v1/values/history", params={"key": "again"}).json())
    assert layers[0] == layers[1]
    assert told == [False, True]


def test_a_file_in_another_encoding_with_decimal_commas(served: Served, http: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "zagreb.csv"
    path.write_bytes("Čas;Širina\n2024-01-01;1,5\n2024-01-02;-999\n2024-01-03;2\n".encode("windows-1250"))
    how = ("--time", "Čas", "--value", "Širina=zagreb", "--delimiter", ";", "--no-data", "-999", "--decimal-comma")
    done = load(served, http, path, *how, "--encoding", "windows-1250")
    assert "3 row(s) read, 2 value(s) loaded, 0 rejected" in done.stdout
    assert [value for _, value in values(http, "zagreb")] == [1.5, 2.0]
    refused = load(served, http, path, *how).exception
    assert isinstance(refused, Incorrect)
    assert "not UTF-8: the source must be UTF-8, or --encoding must say what it is" in refused.message


def test_a_file_without_faults_ends_well_and_json_is_read_too(served: Served, http: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    path.write_text('{"data": [{"at": "2024-01-01T00:00:00Z", "v": 1}, {"at": "2024-01-01T01:00:00-07", "v": "2.5"}]}')
    done = load(served, http, path, "--time", "at", "--records", "data[*]", "--value", "v=json/v")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [value for _, value in values(http, "json/v")] == [1.0, 2.5]


def test_a_check_sends_nothing_and_needs_no_server(served: Served, http: httpx.Client, file: Path) -> None:
    done = load(served, http, file, *HOW, "--value", "Pegel=never", "--check", sent=False)
    assert done.exit_code == EXIT_REJECTED
    assert f"{file}: 5 row(s) read, 4 value(s) found, 1 rejected" in done.stdout
    assert http.get("/api/v1/series/key:never").status_code == 404


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("--time", "Zeit", "--value", "Pegel"), Incorrect, "column 'Zeit' is not in the source; it has: Station 7; north"),
        ((*HOW, "--value", "pegel"), Incorrect, "column 'pegel' is not in the source; it has: Zeit, Temperatur, Pegel"),
        ((*HOW, "--value", "Pegel", "--value", "Pegel=b"), Incorrect, "column 'Pegel' is named twice"),
        ((*HOW, "--value", "Pegel=a", "--value", "Temp=a"), Incorrect, "column 'Pegel' goes to series a already"),
        ((*HOW, "--value", "=b"), Incorrect, "names no column"),
        ((*HOW, "--timezone", "Mars/Base", "--value", "Pegel"), Incorrect, "no IANA time zone"),
        ((*HOW, "--format", "%Q", "--value", "Pegel"), Incorrect, "%Q cannot be read"),
        ((*HOW, "--delimiter", "#", "--value", "Pegel"), Incorrect, "delimiter"),
        ((*HOW, "--format", "%m/%d/%Y", "--value", "Pegel"), Incorrect, "no row of the source has a time that can be read: line 4"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_words(
    served: Served, http: httpx.Client, file: Path, words: tuple[object, ...], kind: type[VarveError], said: str
) -> None:
    done = load(served, http, file, *words)
    assert isinstance(done.exception, kind)
    assert said in done.exception.message


def test_a_file_that_is_not_there(served: Served, http: httpx.Client, tmp_path: Path) -> None:
    assert isinstance(load(served, http, tmp_path / "no.csv", *HOW, "--value", "Pegel").exception, NotFound)


def test_what_the_server_refuses_is_told_with_its_lines(served: Served, http: httpx.Client, file: Path) -> None:
    http.post("/api/v1/series", json={"key": "words", "value_type": "text"}).raise_for_status()
    done = load(served, http, file, *HOW, "--value", "Pegel=words")
    assert isinstance(done.exception, VarveError)
    assert done.exception.message.endswith("lines 4 to 10 are not loaded")
