"""A CSV file as chunks, in bounded memory: what a row or cell lacks is told by its line, and the rest is read.

Before: reading.py says which columns are wanted. After: chunks go to whoever appends them. Blocks are parsed by Arrow as they should be;
one that is not so is read once more as words, to find what is wrong. Columns that nobody wants are not looked at.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from streams.loading.chunks import Chunk
from streams.loading.csv_blocks import Block, blocks, has_comment, is_comment, opening
from streams.loading.csv_mending import Layout, mended
from streams.loading.encodings import opened
from streams.loading.numbers import empty_of, without_no_data
from streams.loading.rows import Rows, chunks_of
from streams.loading.specs import DELIMITERS, Source
from streams.loading.timestamps import Clock
from varve.errors import Incorrect

_LINE_BYTES_MAX = 1 << 20
_LISTED_MAX, _SHOWN = 30, 200


def chunks(path: Path, source: Source, wanted: Sequence[str], rows_max: int) -> Iterator[Chunk]:
    with opened(path, source.encoding) as file:
        opening(file)
        layout, first = _layout(file, source, wanted)
        pieces = (_parsed(block, layout) for block in blocks(file, first, source.delimiter))
        yield from chunks_of(pieces, source.timestamp_key, Clock(source), rows_max)


def _parsed(block: Block, layout: Layout) -> Rows:
    """As numbers at once where all is well; else by way of words."""
    try:
        if has_comment(block.text):
            raise pa.ArrowInvalid("comments")
        read = pyarrow.csv.read_csv(
            pa.BufferReader(block.text),
            pyarrow.csv.ReadOptions(column_names=layout.names, block_size=1 << 20),
            pyarrow.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=False, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() if name == str(layout.time) else pa.float64() for name in layout.included},
                include_columns=layout.included, null_values=empty_of(layout.writing), strings_can_be_null=True,
                decimal_point=layout.writing.decimal_point,
            ),
        ).combine_chunks()  # fmt: skip
    except pa.ArrowInvalid:
        return mended(block, layout)
    times = read.column(str(layout.time))
    if times.null_count or read.num_rows != block.text.count(b"\n"):
        return mended(block, layout)
    lines = np.arange(block.first, block.first + read.num_rows)
    values = {name: _flat(read.column(str(at))) for name, at in layout.values.items()}
    if any(np.isinf(one.fill_null(0.0).to_numpy(zero_copy_only=False)).any() for one in values.values()):
        return mended(block, layout)
    values = {name: without_no_data(one, layout.writing) for name, one in values.items()}
    return Rows(_flat(times), values, lines, read.num_rows)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    )


def _layout(file: BinaryIO, source: Source, wanted: Sequence[str]) -> tuple[Layout, int]:
    """Reads to where the readings begin, and looks at the first of them; also the line they begin in."""
    counted = _counted(file)
    above = list(islice(counted, source.rows_from - 1))
    headers = _cells(above[source.headers_at - 1], source.delimiter) if 0 < source.headers_at <= len(above) else None
    if headers is None and source.headers_at:
        raise Incorrect("source-header", f"header_row is {source.headers_at}, but the source has {len(above)} row(s)")
    start, line = file.tell(), 1 + above[-1][0] if above else 1
    here = next(counted, None)
    while here is not None and not here[1].strip():
        here = next(counted, None)
    file.seek(start)
    sample = _split(here[1].decode(errors="replace"), source.delimiter) if here else headers or []
    if headers is None:
        return Layout(source.delimiter, len(sample), source.timestamp_key, *_numbered(source, wanted, len(sample)), source), line
    _refuse_page(headers)
    time, values = _named(source, wanted, headers)
    width = len(sample) if len(sample) > max(time, *values.values(), 0) and not any(sample[len(headers) :]) else len(headers)
    return Layout(source.delimiter, width, source.timestamp_key, time, values, source), line


def _counted(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, without comments: those do not count as rows."""
    for number, line in enumerate(iter(lambda: file.readline(_LINE_BYTES_MAX + 1), b""), 1):
        if len(line) > _LINE_BYTES_MAX:
            raise Incorrect("source-row", f"line {number} is longer than {_LINE_BYTES_MAX >> 20} MiB: this is no CSV")
        if not is_comment(line):
            yield number, line


def _cells(row: tuple[int, bytes], delimiter: str) -> list[str]:
    number, line = row
    try:
        return _split(line.decode(), delimiter)
    except UnicodeDecodeError as wrong:
        words = f"line {number}: byte {wrong.start + 1} (0x{line[wrong.start]:02X}) is not UTF-8: the source must be UTF-8"
        raise Incorrect("source-encoding", words) from None


def _split(text: str, delimiter: str) -> list[str]:
    line = text.rstrip("\r\n")
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a cell of more than 128 KiB
        return [cell.strip() for cell in line.split(delimiter)]


def _named(source: Source, wanted: Sequence[str], headers: Sequence[str]) -> tuple[int, dict[str, int]]:
    def at(name: str) -> int:
        found = [place for place, header in enumerate(headers) if header == name.strip()]
        if len(found) > 1:
            places = ", ".join(str(place + 1) for place in found)
            raise Incorrect("column-twice", f"column '{name}' is in the source {len(found)} times (columns {places}): rename one")
        if not found:
            raise Incorrect("column-missing", f"column '{name}' is not in the source; {_those(headers, source)}")
        return found[0]

    return at(source.timestamp_key), {name: at(name) for name in wanted}


def _those(headers: Sequence[str], source: Source) -> str:
    if not any(headers):
        return f"its header row, row {source.headers_at}, is empty: set header_row"
    more = f" and {len(headers) - _LISTED_MAX} more" if len(headers) > _LISTED_MAX else ""
    words = f"it has: {', '.join(header[:_SHOWN] for header in headers[:_LISTED_MAX])}{more}"
    if len(headers) == 1:
        spoken = next(name for name, one in DELIMITERS.items() if one == source.delimiter)
        words += f". That is one column: is the delimiter right ({spoken}), and is row {source.headers_at} the header row?"
    return words


def _numbered(source: Source, wanted: Sequence[str], width: int) -> tuple[int, dict[str, int]]:
    def at(name: str) -> int:
        if not name.isdigit() or not int(name):
            words = f"column '{name}': columns are known by their numbers here, since timestamp_key is one ({source.timestamp_key})"
            raise Incorrect("column-missing", f"{words}; set header_row to know them by name")
        if int(name) > width:
            raise Incorrect("column-missing", f"column {name} is not in the source; its rows have {width} column(s)")
        return int(name) - 1

    return at(source.timestamp_key), {name: at(name) for name in wanted}


def _refuse_page(headers: Sequence[str]) -> None:
    if headers and headers[0].lower().startswith(("<!doctype", "<html", "<?xml")):
        raise Incorrect("source-form", "the source is a page (HTML or XML), not CSV: look at it in a browser; it may ask for a log-in")
