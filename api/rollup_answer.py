"""A table of points or of a rollup as the client asked for it: rows in JSON, NDJSON or CSV, or columns in Arrow or Parquet. Pure.

Before: a route has the table. After: answer.py frames and compresses. Columns are as those of reads of values: series_id unless
one series was asked for, valid_time, then one a function; null where a row has nothing to say.
"""

import io
from collections.abc import AsyncIterator, Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from api.answer import PARQUET
from api.request import ARROW, CSV
from sink.rollups import RollupTable


def written(table: RollupTable, media: str, *, with_series: bool) -> bytes:
    """JSON and NDJSON alike are one row a line."""
    columns = columns_of(table, with_series=with_series)
    sink = io.BytesIO()
    if media == ARROW:
        with pa.ipc.new_stream(sink, columns.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(columns)
    elif media == PARQUET:
        pq.write_table(columns, sink, compression="zstd")
    elif media == CSV:
        pc.write_csv(_worded(columns), sink)
    else:
        return _lines(_worded(columns))
    return sink.getvalue()


async def whole(rows: bytes) -> AsyncIterator[bytes]:
    """For answer.py, which streams."""
    yield rows


def columns_of(table: RollupTable, *, with_series: bool) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    if with_series:
        ids = pa.array([one.bytes for one in table.series], pa.binary(16)).take(pa.array(table.index))
        columns["series_id"] = pa.ExtensionArray.from_storage(pa.uuid(), ids)
    columns["valid_time"] = pa.array(table.bucket, pa.timestamp("ns", "UTC"))
    absent = None if table.valid is None else ~table.valid
    for name, value in table.values.items():
        shown = value.astype(np.int64) if name == "count" and np.array_equal(value, np.floor(value)) else value
        columns[name] = pa.array(shown, mask=absent)
    return pa.table(columns)


def _worded(columns: pa.Table) -> pa.Table:
    """Instants and ids as the text that ClickHouse writes of them."""
    texts = np.datetime_as_string(columns.column("valid_time").combine_chunks().cast(pa.int64()).to_numpy().view("datetime64[ns]"))
    found = columns.set_column(columns.column_names.index("valid_time"), "valid_time", pa.array(np.char.add(texts, "Z"), pa.string()))
    if "series_id" not in columns.column_names:
        return found
    ids = columns.column("series_id").combine_chunks().storage.dictionary_encode()
    words = pa.DictionaryArray.from_arrays(ids.indices, [str(one) for one in _uuids(ids.dictionary)])
    return found.set_column(0, "series_id", words.cast(pa.string()))


def _uuids(ids: pa.Array) -> list[object]:
    found: list[object] = pa.ExtensionArray.from_storage(pa.uuid(), ids).to_pylist()
    return found


def _lines(columns: pa.Table) -> bytes:
    """Each column written at once, its pieces laid between the names: no loop over rows."""
    if not columns.num_rows:
        return b""
    pieces: list[bytes] = [b""] * (2 * columns.num_columns * columns.num_rows)
    stride = 2 * columns.num_columns
    for at, name in enumerate(columns.column_names):
        before = b'{"' if at == 0 else b',"'
        pieces[2 * at :: stride] = [(b"}\n" if at == 0 else b"") + before + name.encode() + b'":'] * columns.num_rows
        pieces[2 * at + 1 :: stride] = _each(columns.column(name))
    pieces[0] = pieces[0].removeprefix(b"}\n")
    return b"".join(pieces) + b"}\n"


def _each(column: pa.ChunkedArray) -> Sequence[bytes]:
    """The JSON of every item; what is no finite number is null."""
    if pa.types.is_floating(column.type):
        written_ = orjson.dumps(np.ascontiguousarray(column.to_numpy()), option=orjson.OPT_SERIALIZE_NUMPY)
    else:
        written_ = orjson.dumps(column.to_pylist())
    return written_[1:-1].split(b",")
