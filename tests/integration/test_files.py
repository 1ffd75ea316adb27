"""`varve export` and `varve import`: what comes out of one tenant goes into another and reads alike."""

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.integration.api_server import Served
from tests.integration.conftest import client_of
from varve.cli import app
from varve.client_http import Line, line_to
from varve.errors import VarveError
from varve.importing import BODY_ROWS, Said, import_all
from varve.series_files import pieces

HOUR, NEXT, THIRD = "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z", "2025-01-01T02:00:00Z"
EARLY, LATE = "2024-12-30T00:00:00Z", "2024-12-31T00:00:00Z"


def varve(served: Served, http: httpx.Client, *words: str) -> str:
    """The command in this process: its modules are loaded once. What it says."""
    said = ["--url", served.url, "--tenant", http.headers["X-Tenant"]]
    done = CliRunner().invoke(app, [*words, *said])
    if done.exception is not None:
        raise done.exception
    return done.output


def refused(served: Served, http: httpx.Client, *words: str) -> str:
    with pytest.raises(VarveError) as refusal:
        varve(served, http, *words)
    return refusal.value.message


def post(http: httpx.Client, path: str, body: Any, method: str = "POST", **params: Any) -> Any:
    answer = http.request(method, f"/api/v1/{path}", json=body, params=params)
    assert answer.is_success, answer.text
    return answer.json()


def fill(http: httpx.Client) -> None:
    """Numbers, switches and words; forecasts of two times, an update, increments, a deletion, what was never set."""
    described = {
        "name": "Power",
        "unit": "MW",
        "description": "at the meter",
        "tags": ["a"],
        "attributes": {"x": "1"},
        "labels": {"site": "n"},
    }
    post(http, "series", {"key": "p/number", **described})
    post(http, "series", {"key": "p/empty", "value_type": "text", "unit": "kg"})
    for known, value in ((EARLY, 1.5), (LATE, 2.5)):
        rows = {"valid_time": [HOUR, NEXT, THIRD], "value": [value, None, value], "annotation": [None, 'a "word",\nanother', ""]}
        post(http, "points", {"series": "p/number", "known_time": known, "tags": ["x", "y,z"], **rows})
    post(
        http, "points", {"updates": [{"series": "p/number", "valid_time": HOUR, "annotation": "checked", "valid_time_end": NEXT}]}, "PATCH"
    )
    for _ in range(2):
        post(http, "increments", {"series": "p/counter", "valid_time": HOUR, "value": 0.1})
    post(http, "points", {"series": "p/gone", "valid_time": [HOUR, NEXT], "value": [1.0, 2.0]})
    post(http, "series/key:p/gone/points", None, "DELETE", **{"from": HOUR, "until": NEXT})
    post(http, "points", {"series": "p/switch", "valid_time": [HOUR, NEXT], "value": [True, None]})
    post(http, "points", {"series": "p/word", "valid_time": [HOUR, NEXT, THIRD], "value": ["null", "", "it's"]})


KEYS = ("p/counter", "p/empty", "p/gone", "p/number", "p/switch", "p/word")
FLAT = "valid_time,value,valid_time_end,known_time,annotation,tags"


def answers(http: httpx.Client, shape: str, columns: str = FLAT, **bounds: str) -> dict[str, Any]:
    found = {}
    for key in KEYS:
        answer = http.get(f"/api/v1/values/{shape}", params={"key": key, "columns": columns, **bounds})
        assert answer.is_success, answer.text
        found[key] = answer.json()["data"]
    return found


def descriptions(http: httpx.Client) -> list[Any]:
    fields = ("key", "name", "unit", "description", "value_type", "tags", "attributes", "labels")
    return [[one[field] for field in fields] for one in http.get("/api/v1/series").json()["series"]]


@pytest.mark.parametrize(("shape", "form"), [("flat", "csv"), ("overlapping", "parquet"), ("history", "csv"), ("history", "parquet")])
def test_what_was_exported_reads_alike_elsewhere_and_counts_once(
    http: httpx.Client, served: Served, tmp_path: Path, shape: str, form: str
) -> None:
    fill(http)
    out = varve(served, http, "export", "--prefix", "p/", f"{tmp_path}/out/", "--shape", shape, "--format", form)
    assert {line.split(":")[0].rpartition("/")[2] for line in out.splitlines()} == {f"number.{form}", f"bool.{form}", f"text.{form}"}
    with client_of(served) as there:
        told = varve(served, there, "import", f"{tmp_path}/out")
        assert ("1 that deletions had hidden" in told) == (shape == "history")
        assert descriptions(there) == descriptions(http)
        shapes = ("flat", "overlapping") if shape != "flat" else ("flat",)
        assert {one: answers(there, one) for one in shapes} == {one: answers(http, one) for one in shapes}
        if shape != "flat":
            assert answers(there, "flat", as_of=EARLY) == answers(http, "flat", as_of=EARLY)
        if shape == "history":
            layers = f"{FLAT},deleted_time"
            shown = {key: [row for row in rows if row["deleted_time"] is None] for key, rows in answers(http, "history", layers).items()}
            assert answers(there, "history", layers) == shown
        before = answers(there, "history", FLAT)
        varve(served, there, "import", f"{tmp_path}/out")
        assert answers(there, "history", FLAT) == before


def test_a_csv_file_is_a_body_for_post_too_and_a_file_of_ones_own_needs_no_description(
    http: httpx.Client, served: Served, tmp_path: Path
) -> None:
    fill(http)
    file = tmp_path / "one.csv"
    varve(served, http, "export", "p/number", str(file))
    with client_of(served) as there:
        there.post("/api/v1/points", content=file.read_bytes(), headers={"Content-Type": "text/csv"}).raise_for_status()
        posted = there.get("/api/v1/values/flat", params={"key": "p/number", "columns": FLAT}).json()
        assert posted == http.get("/api/v1/values/flat", params={"key": "p/number", "columns": FLAT}).json()
    own = tmp_path / "own.csv"
    own.write_text(f"valid_time,value\n{HOUR},1\n{NEXT},2.5\n")
    assert "no column says which series" in refused(served, http, "import", str(own))
    varve(served, http, "import", str(own), "--series", "own", "--changed-by", "eva")
    rows = http.get("/api/v1/values/history", params={"key": "own", "columns": "value,changed_by"}).json()["data"]
    assert rows == [{"value": 1.0, "changed_by": "eva"}, {"value": 2.5, "changed_by": "eva"}]


def test_a_span_as_of_a_time_of_named_series(http: httpx.Client, served: Served, tmp_path: Path) -> None:
    fill(http)
    file = tmp_path / "one.parquet"
    varve(served, http, "export", "p/number", "p/counter", str(file), "--from", HOUR, "--until", NEXT, "--as-of", EARLY)
    rows = pq.read_table(file).to_pylist()
    assert [(row["series"], row["value"], row["annotation"], row["tags"]) for row in rows] == [("p/number", 1.5, None, ["x", "y,z"])]


def test_what_cannot_be_done_is_said_before_anything_is_written(http: httpx.Client, served: Served, tmp_path: Path) -> None:
    fill(http)
    file, missing = tmp_path / "one.parquet", tmp_path / "no" / "one.csv"
    assert "bool and number and text: name a directory" in refused(served, http, "export", str(file))
    assert "no series key:p/nothing" in refused(served, http, "export", "p/nothing", str(file))
    assert "no series matches" in refused(served, http, "export", "--prefix", "q/", str(file))
    assert "ends in .parquet or .csv, or a directory" in refused(served, http, "export", "p/number")
    assert "is not a directory" in refused(served, http, "export", "p/number", str(missing))
    assert "not both" in refused(served, http, "export", "p/number", str(file), "--unit", "MW")
    assert "no offset" in refused(served, http, "export", "p/number", str(file), "--from", "2025-01-01")
    assert list(tmp_path.iterdir()) == []
    varve(served, http, "export", "p/number", str(file))
    assert "is there already" in refused(served, http, "export", "p/number", str(file))
    file.write_bytes(b"nonsense")
    assert str(file) in refused(served, http, "import", str(file))
    assert "is not there" in refused(served, http, "import", str(missing))
    wrong = tmp_path / "wrong.csv"
    for text, words in (
        (f"series,valid_time,value\na,{HOUR},1\na,noon,2\n", "row 2, valid_time: 'noon' is not an ISO 8601 time"),
        (f"series,valid_time,valeur\na,{HOUR},1\n", "unknown column(s) valeur"),
        (f"series,valid_time,value,tags\na,{HOUR},1,x\n", "row 1, tags: is not a JSON list of words"),
    ):
        wrong.write_text(text)
        said = refused(served, http, "import", str(wrong))
        assert str(wrong) in said and words in said
    assert http.get("/api/v1/series", params={"key": "a"}).json()["series"] == []
    edited = tmp_path / "edited.csv"
    varve(served, http, "export", "p/counter", str(edited))
    edited.write_text(edited.read_text().replace("0.2", "often"))
    assert "invalid value 'often'" in refused(served, http, "import", str(edited))  # its description says that these are numbers


def test_rows_beyond_a_body_go_in_order_and_a_bad_one_is_counted_in_the_file(http: httpx.Client, served: Served, tmp_path: Path) -> None:
    count = BODY_ROWS + 50_000
    file = tmp_path / "long.parquet"
    table = {"series": ["long"] * count, "valid_time": pa.array(range(count), pa.timestamp("ms", "UTC")), "value": [0.5] * count}
    pq.write_table(pa.table(table), file, row_group_size=30_000)
    assert "150,000 row(s)" in varve(served, http, "import", str(file))
    with line_to(served.url, http.headers["X-Tenant"]) as line:
        assert sum(page.num_rows for page in line.pages("/api/v1/values/history", {"key": "long"})) == count
    table["value"] = [0.5] * (count - 1) + [float("nan")]
    pq.write_table(pa.table(table), file)
    said = refused(served, http, "import", str(file))
    assert f"row {count}, value: is nan" in said and f"{BODY_ROWS} row(s) before are written" in said


class CutLine(Line):
    """Breaks before its n-th write of points, as a machine that goes down."""

    def __init__(self, line: Line, left: int) -> None:
        self.__dict__.update(line.__dict__)
        self._left = left

    def write(self, method: str, path: str, body: Any, params: Any = None, key: str | None = None) -> Any:
        if path == "/api/v1/points":
            self._left -= 1
            if self._left < 0:
                raise KeyboardInterrupt
        return super().write(method, path, body, params, key)


def test_an_import_that_was_cut_short_is_finished_by_another(http: httpx.Client, served: Served, tmp_path: Path) -> None:
    count = 3 * BODY_ROWS
    file = tmp_path / "long.parquet"
    pq.write_table(pa.table({"valid_time": pa.array(range(count), pa.timestamp("ms", "UTC")), "value": [0.5] * count}), file)
    assert [piece.num_rows for piece in pieces(file, BODY_ROWS, [])] == [BODY_ROWS] * 3
    with line_to(served.url, uuid.UUID(http.headers["X-Tenant"])) as line:
        with pytest.raises(KeyboardInterrupt):
            list(import_all(CutLine(line, 2), file, Said("cut")))
        assert [done.rows for done in import_all(line, file, Said("cut"))] == [count]
        assert sum(page.num_rows for page in line.pages("/api/v1/values/history", {"key": "cut"})) == count


def test_the_command_says_what_it_did_and_what_is_wrong_without_a_traceback(http: httpx.Client, served: Served, tmp_path: Path) -> None:
    post(http, "points", {"series": "a", "valid_time": HOUR, "value": 1.0})
    words = [
        sys.executable,
        "-m",
        "varve.cli",
        "export",
        "a",
        f"{tmp_path}/a.csv",
        "--url",
        served.url,
        "--tenant",
        http.headers["X-Tenant"],
    ]
    done, again = (subprocess.run(words, capture_output=True, text=True, timeout=120) for _ in range(2))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}/a.csv: 1 row(s) of 1 series\n", "")
    assert (again.returncode, again.stderr) == (78, f"varve: {tmp_path}/a.csv is there already: name another file, or remove it first\n")
