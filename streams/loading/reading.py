"""A fetched or uploaded file as an iterator of chunks, whatever its form.

Before: the runner, `varve load`, the page's upload. After: csv_source.py or json_source.py.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from streams.loading import csv_source, json_source
from streams.loading.chunks import Chunk, rows_at_once
from streams.loading.specs import Source


def read(path: Path, source: Source, wanted: Sequence[str], rows: int | None = None) -> Iterator[Chunk]:
    """wanted: source identifiers; rows: of a chunk, at the most. Cut alike whenever the same file is read so.

    Faults are varve.errors, in words for a person; they come when the chunks are asked for.
    """
    chunks = csv_source.chunks if source.payload == "CSV" else json_source.chunks
    identifiers = list(dict.fromkeys(wanted))
    return chunks(path, source, identifiers, rows or rows_at_once(len(identifiers)))
