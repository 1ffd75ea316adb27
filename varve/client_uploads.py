"""Uploads of the client: a table is cut into bodies, each with a key derived from the upload's, sent in order or several at
a time; runs are uploads under one known_time.

Before: varve/client.py. After: client_http.py. A body that is sent again counts once (I3); bodies are not one whole.
"""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from varve.client_frames import Missing, tables_of
from varve.client_http import Line, Params
from varve.client_progress import transfer
from varve.errors import BadRow, VarveError

if TYPE_CHECKING:
    import pandas as pd

BODY_ROWS = 500_000
Wait = Literal["log", "view"]


@dataclass(frozen=True)
class Written:
    """token: for after= of a read by anybody that must see this write."""

    rows: int
    token: str


@dataclass(frozen=True)
class Upload:
    """Where it goes and how: see Client.write."""

    path: str
    params: Params
    missing: Missing | None
    wait: Wait
    key: str
    parallel: int
    progress: bool | None


class Run:
    """An open run; its points get its known_time."""

    def __init__(self, line: Line, run_id: uuid.UUID, key: str, progress: bool | None) -> None:
        self.run_id, self.rows = run_id, 0
        self._line, self._key, self._progress, self._writes = line, key, progress, 0

    def write(
        self,
        series: "str | uuid.UUID | pd.Series[Any] | pd.DataFrame | pa.Table",
        values: "pd.Series[Any] | pd.DataFrame | pa.Table | None" = None,
        *,
        changed_by: str | None = None,
        missing: Missing | None = None,
        wait: Wait = "view",
        parallel: int = 1,
    ) -> Written:
        """As Client.write; a run that is repeated with its key and the same writes in the same order counts once."""
        name, given = named_values(series, values)
        key, self._writes = f"{self._key}-{self._writes}", self._writes + 1
        path = f"/api/v1/runs/{self.run_id}/points"
        how = Upload(path, {"changed_by": changed_by}, missing, wait, key, parallel, self._progress)
        written = upload(self._line, name, given, how)
        self.rows += written.rows
        return written


def named_values(series: Any, values: Any) -> tuple[str | uuid.UUID | None, Any]:
    """write(values) and write(series, values) told apart."""
    return (None, series) if values is None else (series, values)


def upload(line: Line, name: str | uuid.UUID | None, given: Any, how: Upload) -> Written:
    tables = tables_of(given, None if name is None else str(name), how.missing)
    if isinstance(name, uuid.UUID):
        tables = [
            table.rename_columns(["series_id" if column == "series" else column for column in table.column_names]) for table in tables
        ]
    bodies = [table.slice(at, BODY_ROWS) for table in tables for at in range(0, table.num_rows, BODY_ROWS)]
    if not bodies:
        return Written(0, line.token or "")
    alone = len(bodies) == 1
    params = {**how.params, "wait": how.wait if alone else "log"}

    def send(number: int) -> int:
        line.write("POST", how.path, bodies[number], params, how.key if alone else f"{how.key}-{number}")
        return int(bodies[number].num_rows)

    rows = sum(body.num_rows for body in bodies)
    with transfer("writing", rows, how.progress) as advance:
        _send_all(bodies, send, advance, how.parallel)
    if not alone and how.wait == "view":
        line.wait_for()
    return Written(rows, str(line.token))


def _send_all(bodies: Sequence[pa.Table], send: Callable[[int], int], advance: Callable[[int], None], parallel: int) -> None:
    """In order, or several at a time; a refusal says how much of the upload came before it."""
    done = 0
    with ThreadPoolExecutor(max(1, parallel)) as pool:
        try:
            for rows in pool.map(send, range(len(bodies))) if parallel > 1 else map(send, range(len(bodies))):
                done += 1
                advance(rows)
        except VarveError as refusal:
            pool.shutdown(cancel_futures=True)
            raise _placed(refusal, done, bodies) from None


def _placed(refusal: VarveError, number: int, bodies: Sequence[pa.Table]) -> VarveError:
    """The refusal of the number-th body in the words of the whole upload: its rows counted from the beginning."""
    if len(bodies) == 1:
        return refusal
    base = sum(body.num_rows for body in bodies[:number])
    rows = tuple(BadRow(bad.row + base, bad.column, bad.reason) for bad in refusal.rows)
    words = f"{refusal.message} (rows {base} to {base + bodies[number].num_rows - 1} failed; the {base} before them are written)"
    return type(refusal)(refusal.code, words, rows)
