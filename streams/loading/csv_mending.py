"""A block of CSV that is not as it should be: short rows are filled up, empty cells too many are dropped, what is wrong is told by line.

Before: csv_source.py could not read the block at once. After: the same Rows. Everything is read as words; only rows that are odd are
looked at one by one.
"""

import csv
import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv

from streams.loading.chunks import REJECTED_LISTED_MAX, Rejected
from streams.loading.csv_blocks import Apart, Block, Int64s, apart, has_quotes
from streams.loading.numbers import POINT, numbers, why
from streams.loading.rows import Rows
from streams.loading.specs import Writing
from varve.errors import Incorrect


@dataclass(frozen=True)
class Layout:
    """What every row is to look like: its width, and where the wanted columns stand (from 0), by name."""

    delimiter: str
    width: int
    time_name: str
    time: int
    values: dict[str, int]
    writing: Writing = POINT

    @property
    def names(self) -> list[str]:
        return [str(at) for at in range(self.width)]

    @property
    def included(self) -> list[str]:
        return [str(at) for at in dict.fromkeys((self.time, *self.values.values()))]


class _Refused:
    """The first of them, and how many."""

    def __init__(self) -> None:
        self.listed, self.count = list[Rejected](), 0

    def add(self, lines: Int64s, column: str, reasons: list[str]) -> None:
        """reasons: of the first of the lines."""
        self.listed += [Rejected(int(line), column, reason) for line, reason in zip(lines, reasons, strict=False)]
        self.count += len(lines)


def mended(block: Block, layout: Layout) -> Rows:
    found = apart(block, layout.delimiter)
    refused = _Refused()
    text, lines = _of_one_width(found, layout, refused)
    read = _words(text, layout)
    if read.num_rows != len(lines):
        last = block.first + block.text.count(b"\n") - 1
        raise Incorrect("source-quotes", f"lines {block.first} to {last}: quotes do not pair up there; quote whole cells, or none")
    times, strange = _text(read.column(str(layout.time)))
    refused.add(lines[strange], layout.time_name, ["the time is not UTF-8"] * min(len(strange), REJECTED_LISTED_MAX))
    values = {}
    for name, at in layout.values.items():
        words, no_text = _text(read.column(str(at)))
        values[name], wrong = numbers(words, layout.writing)
        refused.add(lines[no_text], name, ["the cell is not UTF-8"] * min(len(no_text), REJECTED_LISTED_MAX))
        refused.add(lines[wrong], name, [why(words[row].as_py(), layout.writing) for row in wrong[:REJECTED_LISTED_MAX].tolist()])
    kept = np.ones(len(lines), bool)
    kept[strange] = False
    if len(strange):
        times, lines, values = times.filter(kept), lines[kept], {name: one.filter(kept) for name, one in values.items()}
    return Rows(times, values, lines, len(found.lines), sorted(refused.listed), refused.count)


def _of_one_width(found: Apart, layout: Layout, refused: _Refused) -> tuple[bytes, Int64s]:
    """The rows that have the right number of cells, or can be given it, in their order."""
    widths = _widths(found, layout.delimiter)
    right = widths == layout.width
    if right.all():
        return found.text, found.lines
    ends = np.append(found.starts[1:], len(found.text))
    raw = np.frombuffer(found.text, np.uint8)
    rows, lines = list[bytes](), list[int]()
    for at in np.flatnonzero(~right).tolist():
        row = _fitted(found.text[found.starts[at] : ends[at]].rstrip(b"\r\n"), int(widths[at]), layout)
        if row is None:
            said = f"the row has {widths[at]} cells, the others {layout.width}"
            refused.add(found.lines[at : at + 1], layout.time_name, [said] if len(refused.listed) < REJECTED_LISTED_MAX else [])
        else:
            rows.append(row)
            lines.append(int(found.lines[at]))
    kept = raw[np.repeat(right, ends - found.starts)].tobytes()
    if not rows:
        return kept, found.lines[right]
    return _in_order(kept, found.lines[right], rows, lines)


def _in_order(kept: bytes, kept_lines: Int64s, rows: list[bytes], lines: list[int]) -> tuple[bytes, Int64s]:
    """Rows that were mended, put back between the others."""
    splits = np.searchsorted(kept_lines, lines)
    starts = np.concatenate(([0], np.flatnonzero(np.frombuffer(kept, np.uint8) == 10) + 1))
    if len(starts) != len(kept_lines) + 1:  # cells over several lines: no order is kept among rows of this block
        return kept + b"".join(row + b"\n" for row in rows), np.concatenate((kept_lines, np.array(lines, np.int64)))
    pieces, at = list[bytes](), 0
    for split, row in zip(splits.tolist(), rows, strict=True):
        pieces += [kept[starts[at] : starts[split]], row + b"\n"]
        at = split
    pieces.append(kept[starts[at] :])
    return b"".join(pieces), np.insert(kept_lines, splits, lines)


def _widths(found: Apart, delimiter: str) -> Int64s:
    """Cells of each row; those with quotes are taken apart one by one."""
    raw = np.frombuffer(found.text, np.uint8)
    ends = np.append(found.starts[1:], len(raw))
    places = np.flatnonzero(raw == ord(delimiter))
    widths = np.searchsorted(places, ends) - np.searchsorted(places, found.starts) + 1
    if has_quotes(found.text, delimiter):
        quotes = np.flatnonzero(raw == ord('"'))
        for at in np.flatnonzero(np.searchsorted(quotes, ends) > np.searchsorted(quotes, found.starts)).tolist():
            widths[at] = len(_cells(found.text[found.starts[at] : ends[at]], delimiter))
    return widths


def _cells(row: bytes, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(row.decode("latin-1"), newline=""), delimiter=delimiter), [])
    except csv.Error:  # a cell of more than 128 KiB
        return row.decode("latin-1").split(delimiter)


def _fitted(row: bytes, width: int, layout: Layout) -> bytes | None:
    """Empty cells at the end that are too many go, those that lack come; a row without its time stays out."""
    if layout.time < width < layout.width:
        return row + layout.delimiter.encode() * (layout.width - width)
    if width > layout.width and not any(cell.strip() for cell in _cells(row, layout.delimiter)[layout.width :]):
        return row.rsplit(layout.delimiter.encode(), width - layout.width)[0]
    return None


def _words(text: bytes, layout: Layout) -> pa.Table:
    if not text:
        return pa.table({name: pa.array([], pa.binary()) for name in layout.included})
    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=layout.names, block_size=len(text) + 1, use_threads=False),
            pyarrow.csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(layout.included, pa.binary()), include_columns=layout.included, strings_can_be_null=False
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as reason:
        raise Incorrect("source-form", f"the source cannot be read as CSV: {str(reason).splitlines()[0][:200]}") from None


def _text(column: pa.ChunkedArray) -> tuple[pa.Array, Int64s]:
    """Strings, null where the bytes are no UTF-8: those rows."""
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    try:
        return whole.cast(pa.string()), np.zeros(0, np.int64)
    except pa.ArrowInvalid:
        words = [_decoded(one) for one in whole.to_pylist()]
        return pa.array(words, pa.string()), np.flatnonzero([one is None for one in words])


def _decoded(word: bytes) -> str | None:
    try:
        return word.decode()
    except UnicodeDecodeError:
        return None
