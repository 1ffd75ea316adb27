"""`varve import`: a file of series into a running Varve, piece by piece; the series that it describes are made first.

Before: varve/cli_files.py. After: varve/client_http.py sends. Each piece has a key derived from the file's bytes and its number, so that an
import which is run again counts once (I3). Layers come in as sets of the whole cell: see docs/OPERATIONS.md.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from varve.client_http import Line
from varve.client_progress import Advance, transfer
from varve.errors import Incorrect, NotFound, VarveError
from varve.series_files import CSV, PARQUET, described_in, digest_of, pieces, rows_of

BODY_ROWS = 100_000
BODY_BYTES = 16 << 20
SERIES_AT_A_TIME = 16
LISTED_MAX = 20
WRITTEN = ("series", "series_id", "valid_time", "valid_time_end", "known_time", "value", "text", "annotation", "tags")
PASSED_OVER = ("recorded_time", "changed_by", "run_id", "op", "mask", "version", "deleted_time")  # of an export of history


@dataclass(frozen=True)
class Said:
    """series: the key, where the rows name none."""

    series: str | None = None
    changed_by: str | None = None


@dataclass(frozen=True)
class Imported:
    """hidden: rows that a deletion hid where they came from."""

    path: Path
    series: int
    rows: int
    hidden: int


def import_all(line: Line, source: Path, said: Said, progress: bool | None = None) -> Iterator[Imported]:
    """source: a file, or a directory of them."""
    for path in _files(source):
        yield _import(line, path, said, progress)
    line.wait_for()


def _files(source: Path) -> list[Path]:
    if not source.exists():
        raise NotFound("file-missing", f"{source} is not there")
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix in (PARQUET, CSV))
    if not found:
        raise Incorrect("file-missing", f"{source} holds no {PARQUET} and no {CSV} file")
    return found


def _import(line: Line, path: Path, said: Said, progress: bool | None) -> Imported:
    described = described_in(path)
    digest = hashlib.sha256(repr((digest_of(path), said.series, said.changed_by, BODY_ROWS)).encode()).hexdigest()[:40]
    with transfer(f"importing {path.name}", rows_of(path), progress) as advance:
        _define(line, described, digest)
        rows, hidden = _send(line, path, described, said, digest, advance)
    return Imported(path, len(described), rows, hidden)


def _define(line: Line, described: Sequence[Mapping[str, Any]], digest: str) -> None:
    def define(number: int) -> None:
        given = {name: one for name, one in described[number].items() if one}
        line.write("POST", "/api/v1/series", given, {"wait": "log"}, f"import-{digest}-series-{number}")

    with ThreadPoolExecutor(SERIES_AT_A_TIME) as pool:
        list(pool.map(define, range(len(described))))


def _send(line: Line, path: Path, described: Sequence[Mapping[str, Any]], said: Said, digest: str, advance: Advance) -> tuple[int, int]:
    """Rows written and rows passed over; pieces go in order, since layers of one known_time count in the order they come."""
    params = {"wait": "log", "series": said.series, "changed_by": said.changed_by}
    at = written = 0
    for number, table in enumerate(body for piece in pieces(path, BODY_ROWS, described) for body in _bodies(piece)):
        _refuse_columns(path, table.column_names, said)
        shown = _shown(table)
        if shown.num_rows:
            try:
                line.write("POST", "/api/v1/points", shown.drop_columns(_dropped(table)), params, f"import-{digest}-{number}")
            except VarveError as refusal:
                raise _placed(refusal, path, table, at, written) from None
        at, written = at + table.num_rows, written + shown.num_rows
        advance(table.num_rows)
    return written, at - written


def _bodies(table: pa.Table) -> Iterator[pa.Table]:
    """No larger than a body may well be, always cut alike."""
    if table.num_rows > 1 and table.nbytes > BODY_BYTES:
        half = table.num_rows // 2
        yield from _bodies(table.slice(0, half))
        yield from _bodies(table.slice(half))
    else:
        yield table


def _refuse_columns(path: Path, names: Sequence[str], said: Said) -> None:
    unknown = [name for name in names if name not in (*WRITTEN, *PASSED_OVER)]
    if unknown:
        raise Incorrect("column-unknown", f"{path}: unknown column(s) {', '.join(unknown)}; known are {', '.join(WRITTEN)}")
    named = [name for name in ("series", "series_id") if name in names]
    if said.series is None and not named:
        raise Incorrect("series-missing", f"{path}: no column says which series its rows are of: say --series KEY")
    if said.series is not None and named:
        raise Incorrect("series-twice", f"{path}: the column {named[0]} names the series: leave --series out")


def _shown(table: pa.Table) -> pa.Table:
    """Without layers that a deletion hides."""
    return table.filter(table.column("deleted_time").is_null()) if "deleted_time" in table.column_names else table


def _dropped(table: pa.Table) -> list[str]:
    return [name for name in PASSED_OVER if name in table.column_names]


def _placed(refusal: VarveError, path: Path, table: pa.Table, at: int, written: int) -> VarveError:
    """In the words of the file: rows are counted from 1, below a header. `at`: rows before this body."""
    row_of = _shown(table.append_column("row", pa.array(range(table.num_rows)))).column("row")
    places = [f"\n  row {at + row_of[bad.row].as_py() + 1}, {bad.column}: {bad.reason}" for bad in refusal.rows[:LISTED_MAX]]
    rest = f"\n{written} row(s) before are written: mend the file and import it again, or the rest of it" if written else ""
    return type(refusal)(refusal.code, f"{path}: {refusal.message}{''.join(places)}{rest}")
