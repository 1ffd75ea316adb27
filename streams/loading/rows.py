"""Rows that a source's reader has taken apart, made chunks: times become instants, what is wrong becomes rejections.

Before: csv_source.py and json_source.py have pieces of rows. After: chunks. Rows at the end of a piece wait for the next piece where
only that tells what their times mean (an hour that comes twice).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from streams.loading.chunks import REJECTED_LISTED_MAX, Chunk, Rejected
from streams.loading.timestamps import Clock
from varve.errors import Incorrect


@dataclass(frozen=True)
class Rows:
    """times: string; values: float64, as long. read: rows of the source, also those that are not among these.

    rejected: those of them, and cells, that were refused already, in any order; the first of rejected_count.
    """

    times: pa.Array
    values: Mapping[str, pa.Array]
    lines: NDArray[np.int64]
    read: int
    rejected: Sequence[Rejected] = field(default=())
    rejected_count: int = 0


def chunks_of(pieces: Iterator[Rows], time_name: str, clock: Clock, rows_max: int) -> Iterator[Chunk]:
    """Incorrect at the end where rows were read and not one has a time that can be."""
    held: Rows | None = None
    read = timed = 0
    first: Rejected | None = None
    for piece in pieces:
        whole = piece if held is None else _joined(held, piece)
        count = clock.held(whole.times)
        ready, held = _cut(whole, count) if count else (whole, None)
        for chunk in _chunks(ready, time_name, clock, rows_max):
            read, timed = read + chunk.rows_read, timed + len(chunk.valid_time)
            first = first or next((one for one in chunk.rejected if one.column == time_name), None)
            yield chunk
    if held is not None:
        for chunk in _chunks(held, time_name, clock, rows_max):
            timed += len(chunk.valid_time)
            yield chunk
    if read and not timed and first:
        words = (
            f"no row of the source has a time that can be read: line {first.line}: {first.reason}. Check timestamp_key and timestamp_format"
        )
        raise Incorrect("times-unreadable", words)


def _chunks(rows: Rows, time_name: str, clock: Clock, rows_max: int) -> Iterator[Chunk]:
    found = clock.read(rows.times)
    pieces = max(1, -(-len(rows.lines) // rows_max))
    even = max(1, -(-len(rows.lines) // pieces))
    for at in range(0, max(len(rows.lines), 1), even):
        here = slice(at, at + even)
        right = found.right[here]
        wrong = np.flatnonzero(~right)
        listed = [
            Rejected(int(rows.lines[at + row]), time_name, clock.why(rows.times[at + row].as_py(), bool(found.skipped[at + row])))
            for row in wrong[:REJECTED_LISTED_MAX].tolist()
        ]
        before = at == 0  # what was refused before goes with the first
        rejected = sorted([*(rows.rejected if before else ()), *listed])[:REJECTED_LISTED_MAX]
        count = len(wrong) + (rows.rejected_count if before else 0)
        kept = None if not len(wrong) else pa.array(right)
        values = {name: _those(column.slice(at, even), kept) for name, column in rows.values.items()}
        extra = rows.read - len(rows.lines) if before else 0
        yield Chunk(
            found.utc[here][right],
            values,
            rows.lines[here][right],
            len(right) + extra,
            tuple(rejected),
            count,
            int(found.assumed[here].sum()),
        )


def _those(column: pa.Array, kept: pa.Array | None) -> pa.Array:
    return column if kept is None else column.filter(kept)


def _cut(rows: Rows, held: int) -> tuple[Rows, Rows]:
    """All but the last `held`, and those."""
    at = len(rows.lines) - held
    ready = Rows(
        rows.times.slice(0, at), {name: one.slice(0, at) for name, one in rows.values.items()}, rows.lines[:at],
        rows.read - held, rows.rejected, rows.rejected_count,
    )  # fmt: skip
    return ready, Rows(rows.times.slice(at), {name: one.slice(at) for name, one in rows.values.items()}, rows.lines[at:], held)


def _joined(*parts: Rows) -> Rows:
    def two(one: Rows, other: Rows) -> Rows:
        values = {name: pa.concat_arrays([column, other.values[name]]) for name, column in one.values.items()}
        return Rows(
            pa.concat_arrays([one.times, other.times]), values, np.concatenate((one.lines, other.lines)), one.read + other.read,
            [*one.rejected, *other.rejected], one.rejected_count + other.rejected_count,
        )  # fmt: skip

    return reduce(two, parts)
