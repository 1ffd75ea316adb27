"""Which rows of a chunk are new to their series, as tables to be appended; what a run read, loaded, left out and refused, in words. Pure.

Before: runner.py has a chunk and, for each series, where it ended when the run was first begun. After: the run's message and result.
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streams.loading.chunks import REJECTED_LISTED_MAX, Chunk, assumed_words
from streams.loading.specs import Mapping as Mapped

ROWS_MAX = 100_000  # of one append, which is one record on the log


@dataclass
class Tally:
    """loaded: observations by series; rows_loaded: rows of which at least one value was."""

    rows_read: int = 0
    rows_kept: int = 0
    rows_loaded: int = 0
    loaded: dict[uuid.UUID, int] = field(default_factory=dict)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    rejected_count: int = 0
    assumed_utc: int = 0

    @property
    def total(self) -> int:
        return sum(self.loaded.values())

    def result(self) -> dict[str, Any]:
        return {
            "rowsRead": self.rows_read, "rowsLoaded": self.rows_loaded, "rowsSkipped": self.rows_kept - self.rows_loaded,
            "valuesLoaded": self.total, "rejectedCount": self.rejected_count, "rejected": self.rejected,
            "timesReadAsUtc": self.assumed_utc,
            "datastreams": {str(ident): {"valuesLoaded": count} for ident, count in self.loaded.items()},
        }  # fmt: skip

    def message(self) -> str:
        if self.total:
            said = f"Loaded {self.total} observation(s) into {sum(count > 0 for count in self.loaded.values())} datastream(s)."
        elif self.rows_read:
            said = "Already up-to-date. No new observations were loaded."
        else:
            said = "The source has no rows. No new observations were loaded."
        said += f" {self.refused()}" if self.rejected_count else ""
        return said + (f" {assumed_words(self.assumed_utc)}." if self.assumed_utc else "")

    def refused(self) -> str:
        first = self.rejected[0]
        return f"{self.rejected_count} were refused, first line {first['line']}, column '{first['column']}': {first['reason']}."


def rows_of(chunk: Chunk, mappings: Sequence[Mapped], since: Mapping[uuid.UUID, int | None], tally: Tally) -> Iterator[pa.Table]:
    """Tables to be appended. A row counts for a series where it lies behind the series' end and its cell is not empty."""
    _count(chunk, tally)
    touched, parts = np.zeros(len(chunk.valid_time), bool), []
    for mapping in mappings:
        values = chunk.values[mapping.source_identifier]
        end = since.get(mapping.series_id)
        wanted = values.is_valid().to_numpy(zero_copy_only=False)
        if end is not None:
            wanted = wanted & (chunk.valid_time > end)
        count = int(wanted.sum())
        tally.loaded[mapping.series_id] = tally.loaded.get(mapping.series_id, 0) + count
        touched |= wanted
        if count:
            parts.append(_table(mapping.series_id, chunk.valid_time[wanted], values.filter(pa.array(wanted))))
    tally.rows_loaded += int(touched.sum())
    if parts:
        whole = pa.concat_tables(parts)
        for at in range(0, whole.num_rows, ROWS_MAX):
            yield whole.slice(at, ROWS_MAX).combine_chunks()


def key_of(root: str, body: bytes) -> str:
    """The same rows of the same run, whichever attempt sends them, have one key."""
    return f"{root}-{hashlib.blake2b(body, digest_size=16).hexdigest()}"


def _count(chunk: Chunk, tally: Tally) -> None:
    tally.rows_read += chunk.rows_read
    tally.rows_kept += len(chunk.valid_time)
    tally.rejected_count += chunk.rejected_count
    tally.assumed_utc += chunk.assumed_utc
    room = REJECTED_LISTED_MAX - len(tally.rejected)
    tally.rejected += [one._asdict() for one in chunk.rejected[: max(0, room)]]


def _table(series: uuid.UUID, times: Any, values: pa.Array) -> pa.Table:
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(times), np.int32)), pa.array([str(series)]))
    instants = pa.array(times).cast(pa.timestamp("ns", "UTC"))
    return pa.table({"series_id": names.dictionary_decode(), "valid_time": instants, "value": values})
