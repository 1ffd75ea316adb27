"""A CSV file in blocks of whole rows, each with the line it starts at: what is not a row (comments, empty lines) is taken out, and
every row's line is known. No row is touched one by one in Python.

Before: csv_source.py asks, for a file of any length. After: it parses the blocks. A row may go over several lines where a cell is quoted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from varve.errors import Incorrect

Int64s = NDArray[np.int64]
BLOCK_BYTES = 8 << 20
ROW_BYTES_MAX = 32 << 20
_NEWLINE, _QUOTE, _HASH = 10, 34, 35
_WIDE = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


@dataclass(frozen=True)
class Block:
    """text: whole rows, the last with its line's end. first: the line (from 1) of the first of them."""

    text: bytes
    first: int


def opening(file: BinaryIO) -> None:
    """Steps over a byte order mark; what is no UTF-8 by its first bytes is refused."""
    head = file.read(512)
    for mark, name in _WIDE.items():
        if head.startswith(mark):
            raise Incorrect("source-encoding", f"the source is {name}: it must be UTF-8")
    if b"\0" in head:
        raise Incorrect("source-encoding", "the source has zero bytes in its first line: it is no text")
    if not head.strip() and not file.read(1):
        raise Incorrect("source-empty", "the source is empty: it has no rows and no headers")
    file.seek(3 if head.startswith(b"\xef\xbb\xbf") else 0)


def blocks(file: BinaryIO, first: int, delimiter: str) -> Iterator[Block]:
    """From where the file stands, at the start of line `first`."""
    rest = b""
    while piece := file.read(BLOCK_BYTES):
        text = rest + piece
        end = _end_of_rows(text, delimiter)
        if end:
            yield Block(text[:end], first)
            first += text.count(b"\n", 0, end)
        elif len(text) > ROW_BYTES_MAX:
            words = f"line {first}: the row that starts here does not end within {ROW_BYTES_MAX >> 20} MiB: is a quote open?"
            raise Incorrect("source-row", words)
        rest = text[end:]
    if rest:
        yield Block(rest + b"\n", first)


class Apart(NamedTuple):
    """A block's rows alone, without comments and empty lines: where each starts in text, and the line of each."""

    text: bytes
    starts: Int64s
    lines: Int64s


def apart(block: Block, delimiter: str) -> Apart:
    raw = np.frombuffer(block.text, np.uint8)
    newlines = np.flatnonzero(raw == _NEWLINE)
    ends = newlines[~_inside(raw, newlines)] if has_quotes(block.text, delimiter) else newlines
    ends = ends if len(ends) and ends[-1] == len(raw) - 1 else np.append(ends, len(raw) - 1)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lines = block.first + np.searchsorted(newlines, starts)
    kept = _is_row(block.text, raw, starts, ends)
    if kept.all():
        return Apart(block.text, starts, lines)
    lengths = ends - starts + 1
    text = raw[np.repeat(kept, lengths)].tobytes()
    return Apart(text, np.concatenate(([0], np.cumsum(lengths[kept])))[:-1], lines[kept])


def has_quotes(text: bytes, delimiter: str) -> bool:
    """Whether a cell may be quoted; a quote inside a cell (an inch) is a character like others."""
    return b'"' in text and (text[:1] == b'"' or b'\n"' in text or delimiter.encode() + b'"' in text)


def is_comment(line: bytes) -> bool:
    return line.lstrip()[:1] == b"#"


def has_comment(text: bytes) -> bool:
    """Whether a line may be one."""
    return b"#" in text and (is_comment(text[: text.find(b"\n")]) or b"\n#" in text or b" #" in text or b"\t#" in text)


def _is_row(text: bytes, raw: NDArray[np.uint8], starts: Int64s, ends: Int64s) -> NDArray[np.bool_]:
    head = raw[starts]
    kept: NDArray[np.bool_] = (head != _NEWLINE) & (head != _HASH)
    for at in np.flatnonzero((head == 32) | (head == 9) | (head == 13)).tolist():  # few begin so
        line = text[starts[at] : ends[at]].strip()
        kept[at] = bool(line) and not line.startswith(b"#")
    return kept


def _inside(raw: NDArray[np.uint8], places: Int64s) -> NDArray[np.bool_]:
    """Which of the places are inside a quoted cell."""
    inside: NDArray[np.bool_] = np.searchsorted(np.flatnonzero(raw == _QUOTE), places) % 2 == 1
    return inside


def _end_of_rows(text: bytes, delimiter: str) -> int:
    """Where the last whole row ends; 0 where none does."""
    if not has_quotes(text, delimiter):
        return text.rfind(b"\n") + 1
    raw = np.frombuffer(text, np.uint8)
    newlines = np.flatnonzero(raw == _NEWLINE)
    ends = newlines[~_inside(raw, newlines)]
    return int(ends[-1]) + 1 if len(ends) else 0
