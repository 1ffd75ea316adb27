"""A fetched or uploaded file as an iterator of chunks, whatever its form.

Before: the runner, `varve load`, the page's upload. After: csv_source.py or json_source.py.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from streams.loading import csv_source, json_source
from streams.loading.chunks import Chunk
from streams.loading.specs import Source

ROWS = 100_000


def read(path: Path, source: Source, wanted: Sequence[str], rows: int = ROWS) -> Iterator[Chunk]:
    """wanted: source identifiers. Cut alike whenever the same file is read so. Faults are varve.errors, in words for a person."""
    chunks = csv_source.chunks if source.payload == "CSV" else json_source.chunks
    return chunks(path, source, list(dict.fromkeys(wanted)), rows)
