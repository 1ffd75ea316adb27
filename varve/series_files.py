"""Series as files: Parquet, with how the series are described in its schema, or CSV, with that beside it as FILE.series.json.

Before: varve/export.py has tables of rows, varve/importing.py wants some. After: the disk. Both go piece by piece: a file may be
larger than the memory. A file that is being written has another name until it is whole.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from varve.client_frames import INSTANT
from varve.errors import Incorrect

PARQUET, CSV = ".parquet", ".csv"
GROUP_ROWS = 200_000  # of Parquet: what a reader must hold at once
CSV_BLOCK_BYTES = 2 << 20
DESCRIBED = b"varve.series"
Described = Sequence[Mapping[str, Any]]
_WORDS = ("series", "series_id", "valid_time", "valid_time_end", "known_time", "text", "annotation", "tags", "deleted_time")


class Sink(Protocol):
    def write(self, table: pa.Table) -> None: ...


def form_of(path: Path) -> str:
    if path.suffix not in (PARQUET, CSV):
        raise Incorrect("file-form", f"{path}: a file of series ends in {PARQUET} or {CSV}")
    return path.suffix


@contextmanager
def written(path: Path, schema: pa.Schema, described: Described) -> Iterator[Sink]:
    """Takes tables of this schema; the file is there when the block ends well."""
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file, (_parquet if form_of(path) == PARQUET else _csv)(file, schema, described) as sink:
            gathered = _Gathered(sink)
            yield gathered
            gathered.flush()
        if form_of(path) == CSV:
            _beside(path).write_bytes(orjson.dumps(list(described), option=orjson.OPT_INDENT_2))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def described_in(path: Path) -> Described:
    """How its series are described; of a file that somebody else made, nothing."""
    if form_of(path) == CSV:
        text = _beside(path).read_bytes() if _beside(path).exists() else b"[]"
    else:
        text = (_opened(path).schema_arrow.metadata or {}).get(DESCRIBED, b"[]")
    try:
        found: list[dict[str, Any]] = orjson.loads(text)
        return [{**one, "key": one["key"], "value_type": one["value_type"]} for one in found]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        where = _beside(path) if form_of(path) == CSV else f"{path}: {DESCRIBED.decode()} in its schema"
        raise Incorrect("descriptions-malformed", f"{where} is not what `varve export` writes: export again") from None


def rows_of(path: Path) -> int | None:
    """Where the file says so."""
    return None if form_of(path) == CSV else int(_opened(path).metadata.num_rows)


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pieces(path: Path, rows_max: int, described: Described) -> Iterator[pa.Table]:
    """The rows in the order of the file, always cut alike."""
    if form_of(path) == PARQUET:
        file = _opened(path)
        batches = file.iter_batches(rows_max)
    else:
        batches = _csv_batches(path, described)
    try:
        for batch in batches:
            for at in range(0, batch.num_rows, rows_max):
                yield pa.Table.from_batches([batch.slice(at, rows_max)])
    except (pa.ArrowException, OSError) as reason:
        raise Incorrect("file-malformed", f"{path}: {str(reason).splitlines()[0]}") from None


class _Gathered:
    """Small pages become pieces worth a row group."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self._tables, self._rows = sink, list[pa.Table](), 0

    def write(self, table: pa.Table) -> None:
        self._tables.append(table)
        self._rows += table.num_rows
        if self._rows >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._tables:
            self._sink.write(pa.concat_tables(self._tables).unify_dictionaries())
        self._tables, self._rows = [], 0


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._writer.schema), row_group_size=GROUP_ROWS)


class _Csv:
    def __init__(self, writer: pyarrow.csv.CSVWriter) -> None:
        self._writer = writer

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(pa.table({name: _text(table.column(name)) for name in table.column_names}))


@contextmanager
def _parquet(file: Any, schema: pa.Schema, described: Described) -> Iterator[Sink]:
    with pq.ParquetWriter(file, schema.with_metadata({DESCRIBED: orjson.dumps(list(described))}), compression="zstd") as writer:
        yield _Parquet(writer)


@contextmanager
def _csv(file: Any, schema: pa.Schema, _described: Described) -> Iterator[Sink]:
    plain = pa.schema([(name, _text(pa.chunked_array([], kind)).type) for name, kind in zip(schema.names, schema.types, strict=True)])
    with pyarrow.csv.CSVWriter(file, plain) as writer:
        yield _Csv(writer)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Instants as ISO 8601, lists as JSON: what POST reads."""
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    if pa.types.is_list(column.type):
        coded = [_json_of(chunk) for chunk in column.chunks]
        return pa.chunked_array(coded, pa.string())
    return column


def _json_of(chunk: pa.ListArray) -> pa.Array:
    """Null where a row has no tags."""
    return pa.array([orjson.dumps(one).decode() if one else None for one in chunk.to_pylist()], pa.string())


def _csv_batches(path: Path, described: Described) -> Iterator[pa.RecordBatch]:
    kinds = {one["value_type"] for one in described}
    types: dict[str, pa.DataType] = {name: pa.string() for name in _WORDS}
    if len(kinds) == 1:
        types["value"] = {"number": pa.float64(), "bool": pa.bool_(), "text": pa.string()}[kinds.pop()]
    else:  # as the first block looks
        with _csv_reader(path, types) as reader:
            found = reader.schema.field("value").type if "value" in reader.schema.names else pa.null()
        types["value"] = found if found in (pa.bool_(), pa.string()) else pa.float64()
    with _csv_reader(path, types) as reader:
        yield from reader


def _csv_reader(path: Path, types: Mapping[str, pa.DataType]) -> pyarrow.csv.CSVStreamingReader:
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict(types), null_values=["", "null"], strings_can_be_null=True, quoted_strings_can_be_null=False, timestamp_parsers=[]
    )
    reading = pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False)
    return pyarrow.csv.open_csv(path, reading, pyarrow.csv.ParseOptions(newlines_in_values=True), convert)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as reason:
        raise Incorrect("file-malformed", f"{path}: {str(reason).splitlines()[0]}") from None


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".series.json")


def instant_schema(kind: pa.DataType, names: Sequence[str]) -> pa.Schema:
    """Of an export: `kind` is the values' type."""
    types = {"series": pa.dictionary(pa.int32(), pa.string()), "value": kind, "tags": pa.list_(pa.string())}
    types |= dict.fromkeys(("valid_time", "valid_time_end", "known_time", "recorded_time", "deleted_time"), INSTANT)
    types |= {"mask": pa.uint8(), "version": pa.uint64()}
    return pa.schema([(name, types.get(name, pa.string())) for name in ("series", *names)])
