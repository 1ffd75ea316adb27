"""What a source's rows become: chunks of instants and numbers, with the lines that they stood in and the lines that were refused.

Before: csv_source.py and json_source.py make them. After: the runner, `varve load` and the page's upload append them.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

REJECTED_LISTED_MAX = 100  # of a chunk
VALUES_MAX = 200_000  # of a chunk, so that it is one record on the log
_INSTANT = pa.timestamp("ns", "UTC")


class Rejected(NamedTuple):
    """line: in the file, from 1; of JSON, the record's number from 1.

    column: whose cell it is; the timestamp's where the whole row is lost.
    """

    line: int
    column: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """valid_time: UTC ns. values: float64 by source identifier, as long; null where a cell is empty or was rejected.

    lines: where each row stood. rows_read: rows of the source that this chunk is made of. rejected: the first of them;
    rejected_count: how many cells and rows were. assumed_utc: rows whose time names no zone, where the source sets none either.
    """

    valid_time: NDArray[np.int64]
    values: Mapping[str, pa.Array]
    lines: NDArray[np.int64]
    rows_read: int
    rejected: tuple[Rejected, ...] = ()
    rejected_count: int = 0
    assumed_utc: int = 0


def assumed_words(count: int) -> str:
    return f"{count:,} time(s) name no timezone and were read as UTC: set timezone_type and timezone if they are local times"


def rows_at_once(columns: int) -> int:
    return max(1, VALUES_MAX // max(1, columns))


def points_of(chunk: Chunk, series: Mapping[str, str | uuid.UUID]) -> list[pa.Table]:
    """Bodies of POST /api/v1/points: what the source identifiers hold goes to series by key, or by id. Empty cells are no points."""
    by_key = {name: one for name, one in series.items() if isinstance(one, str)}
    by_id = {name: str(one) for name, one in series.items() if isinstance(one, uuid.UUID)}
    tables = [_points(chunk, named, column) for named, column in ((by_key, "series"), (by_id, "series_id")) if named]
    return [table for table in tables if table.num_rows]


def _points(chunk: Chunk, named: Mapping[str, str], column: str) -> pa.Table:
    times = pa.array(chunk.valid_time).cast(_INSTANT)
    parts = [(times, chunk.values[name]) for name in named]
    kept = [(at, values) if not values.null_count else (at.filter(values.is_valid()), values.drop_null()) for at, values in parts]
    which = np.repeat(np.arange(len(kept), dtype=np.int32), [len(at) for at, _ in kept])
    names = pa.DictionaryArray.from_arrays(which, pa.array(list(named.values())))
    return pa.table(
        {column: names, "valid_time": pa.concat_arrays([at for at, _ in kept]), "value": pa.concat_arrays([values for _, values in kept])}
    )
