"""An uploaded CSV, line by line of (UTC ns or number, value) without a header, made an Arrow file of rows that are right; or the first
line that is not, in words. In pieces, so that a file of any length takes little memory; no row is touched one by one in Python.

Before: files.py has the bytes on disk. After: apply.py makes events of the pieces. Empty and nan are nulls (I10). What the first value
that is there is (a number, True or False, else text), all of them are: no series is named yet that could say it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from varve.clock import new_id
from varve.durable import sync
from varve.errors import Incorrect
from varve.events import ValueType
from varve.instants import EARLIEST, LATEST

BLOCK_BYTES = 4 << 20  # read at once; no line may be longer
TEXT_BYTES_MAX = 1 << 20  # of one value
PIECE_ROWS_MAX, PIECE_BYTES_MAX = 1 << 17, 4 << 20  # of what goes on the log as one record
_NAMES = ("at", "value")
_BOOLS = ("True", "False", "true", "false")
_TYPES: dict[ValueType, pa.DataType] = {"number": pa.float64(), "bool": pa.bool_(), "text": pa.string()}
_NOUNS: dict[ValueType, str] = {"number": "a finite number", "bool": "True or False", "text": "text"}


@dataclass(frozen=True)
class Checked:
    """kind: None where no value is there. first, last: UTC ns, 0 and -1 where there are no rows."""

    rows: int
    first: int
    last: int
    kind: ValueType | None


def check(csv: Path, out: Path, kind: ValueType | None = None) -> Checked:
    """Writes `out` whole, or raises Incorrect with the line; kind: what the values must be, found out where it is None."""
    if csv.stat().st_size == 0:
        _write(out, pa.float64(), iter(()))
        return Checked(0, 0, -1, None)
    _refuse_nul(csv)
    found = kind or _kind_of(csv)
    try:
        return _checked(csv, out, found)
    except Incorrect:
        if kind is None and found == "bool":
            return _checked(csv, out, "text")  # words that began with True
        raise


def pieces(rows: Path) -> Iterator[pa.RecordBatch]:
    """at: int64, value: float64, bool or string; cut where a record of the log ends, the same way each time."""
    with pa.memory_map(str(rows)) as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _checked(csv: Path, out: Path, kind: ValueType | None) -> Checked:
    seen = _Seen()
    _write(out, _TYPES[kind or "number"], seen.followed(_batches(csv, kind or "number")))
    return Checked(seen.rows, seen.first, seen.last, kind)


class _Seen:
    """What the batches so far say, so that the next ones can be compared with it."""

    def __init__(self) -> None:
        self.rows, self.first, self.last = 0, 0, -1

    def followed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            times = batch.column(0).to_numpy(zero_copy_only=True)
            if not len(times):
                continue
            self._refuse_unsorted(times)
            self._refuse_long(batch.column(1))
            if self.rows == 0:
                self.first = int(times[0])
            self.rows, self.last = self.rows + len(times), int(times[-1])
            yield from _cut(batch)

    def _refuse_long(self, values: pa.Array) -> None:
        if pa.types.is_string(values.type) and values.nbytes > TEXT_BYTES_MAX:
            long = np.flatnonzero(pc.binary_length(values).fill_null(0).to_numpy(zero_copy_only=False) > TEXT_BYTES_MAX)
            if len(long):
                raise _refused(self.rows + int(long[0]) + 1, f"the text is longer than {TEXT_BYTES_MAX >> 20} MiB")

    def _refuse_unsorted(self, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        before = np.concatenate(([self.last if self.rows else times[0] - 1], times[:-1]))
        wrong = np.flatnonzero((times <= before) | (times < EARLIEST) | (times >= LATEST))
        if not len(wrong):
            return
        at = int(wrong[0])
        line, time, previous = self.rows + at + 1, int(times[at]), int(before[at])
        if not EARLIEST <= time < LATEST:
            raise _refused(line, f"the time {time} lies outside 1900-01-01 to 2262-04-11, in nanoseconds since 1970")
        word = "comes twice" if time == previous else f"comes after {previous}"
        raise _refused(line, f"the time {time} {word}: sort the rows by time, each time once")


def _write(out: Path, kind: pa.DataType, batches: Iterator[pa.RecordBatch]) -> None:
    """A file of its own until it is whole: another server may be reading `out`, and what is mapped must not become shorter."""
    schema, draft = pa.schema([pa.field("at", pa.int64()), pa.field("value", kind)]), out.with_name(f"{out.name}.{new_id().hex}.new")
    try:
        with draft.open("xb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
            writer.close()
            sync(file)
        draft.rename(out)
    finally:
        draft.unlink(missing_ok=True)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if len(batch) <= 1 or (len(batch) <= PIECE_ROWS_MAX and batch.nbytes <= PIECE_BYTES_MAX):
        yield batch
        return
    middle = len(batch) // 2
    yield from _cut(batch.slice(0, middle))
    yield from _cut(batch.slice(middle))


def _batches(csv: Path, kind: ValueType) -> Iterator[pa.RecordBatch]:
    """As their types say; what cannot be read so is looked for once more, slowly, to name its line."""
    try:
        for batch in _opened(csv, pa.int64(), _TYPES[kind], _BOOLS if kind == "bool" else ()):
            _refuse_none(batch)
            yield batch.set_column(1, "value", _finite(batch.column(1))) if kind == "number" else batch
    except (pa.ArrowException, _Suspect) as reason:
        raise _explained(csv, kind, str(reason)) from None


class _Suspect(Exception):
    """Something is wrong in a batch, somewhere."""


def _refuse_none(batch: pa.RecordBatch) -> None:
    if batch.column(0).null_count:
        raise _Suspect("a time is missing")


def _finite(values: pa.Array) -> pa.Array:
    """nan is a null; what is not finite cannot be stored."""
    held = values.fill_null(0.0).to_numpy(zero_copy_only=False)
    if np.isinf(held).any():
        raise _Suspect("infinite")
    absent = np.isnan(held)
    return pc.if_else(pa.array(absent), pa.scalar(None, pa.float64()), values) if absent.any() else values


def _opened(
    csv: Path, time: pa.DataType, value: pa.DataType, bools: tuple[str, ...] = (), strange: list[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """strange: takes the numbers of rows that have not two fields; without it they are an error."""

    def other(row: pyarrow.csv.InvalidRow) -> str:
        assert strange is not None
        strange.append(row.number or 0)
        return "error"

    reader = pyarrow.csv.open_csv(
        str(csv),
        read_options=pyarrow.csv.ReadOptions(column_names=_NAMES, block_size=BLOCK_BYTES, use_threads=strange is None),
        parse_options=pyarrow.csv.ParseOptions(
            newlines_in_values=value == pa.string(), ignore_empty_lines=False, invalid_row_handler=None if strange is None else other
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={"at": time, "value": value}, null_values=["", "nan", "NaN"] if value != pa.string() else [""],
            strings_can_be_null=True, quoted_strings_can_be_null=False, true_values=list(bools[::2]), false_values=list(bools[1::2]),
        ),
    )  # fmt: skip
    with reader:
        yield from reader


def _kind_of(csv: Path) -> ValueType | None:
    """Of the first value that is there."""
    try:
        for batch in _opened(csv, pa.string(), pa.string()):
            there = batch.column(1).drop_null()
            words = next((word for word in there.slice(0, 1_000).to_pylist() if word.strip().lower() != "nan"), None)
            if words is not None:
                return _kind_of_word(words)
    except pa.ArrowException as reason:
        raise _explained(csv, "text", str(reason)) from None
    return None


def _kind_of_word(word: str) -> ValueType:
    if word in _BOOLS:
        return "bool"
    try:
        pa.array([word]).cast(pa.float64())
    except pa.ArrowInvalid:
        return "text"
    return "number"


def _explained(csv: Path, kind: ValueType, reason: str) -> Incorrect:
    """The first line that cannot be read, found by reading everything as words."""
    rows, strange = 0, list[int]()
    try:
        for batch in _opened(csv, pa.string(), pa.string(), (), strange):
            times, values = batch.column(0), batch.column(1)
            if (at := _first(len(batch), partial(_times_until, times))) is not None:
                words = f"the time '{(times[at].as_py() or '')[:40]}' is not a whole number of nanoseconds since 1970 that can be stored"
                return _refused(rows + at + 1, words)
            if (at := _first(len(batch), partial(_values_until, values, kind))) is not None:
                return _refused(rows + at + 1, f"the value '{values[at].as_py()[:40]}' is not {_NOUNS[kind]}, as those before it are")
            rows += len(batch)
    except pa.ArrowException as error:
        if strange:
            return _refused(strange[0], "is not a time and a value with a comma between them; text with a comma is quoted")
        if "UTF8" in str(error):
            return _refused(rows + 1, "or one of those after it is not UTF-8")
        if "straddl" in str(error):
            return _refused(rows + 1, f"or one of those after it is longer than {BLOCK_BYTES >> 20} MiB, or a quote is not closed")
        reason = str(error)
    return Incorrect("file-malformed", f"the file is not lines of a time and a value: {reason.splitlines()[0][:200]}")


def _first(length: int, right: Callable[[int], bool]) -> int | None:
    """The first row that is wrong; right: whether all up to there are."""
    if right(length):
        return None
    low, high = 0, length  # right(low) and not right(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if right(middle) else (low, middle)
    return low


def _times_until(words: pa.Array, until: int) -> bool:
    try:
        return bool(words.slice(0, until).cast(pa.int64()).null_count == 0)
    except pa.ArrowInvalid:
        return False


def _values_until(words: pa.Array, kind: ValueType, until: int) -> bool:
    """Finite ones only."""
    words = words.slice(0, until)
    if kind == "text":
        return True
    if kind == "bool":
        return bool(pc.all(pc.is_in(words, pa.array([*_BOOLS, None], pa.string()))).as_py())
    try:
        return not bool(np.isinf(words.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)).any())
    except pa.ArrowInvalid:
        return False


def _refuse_nul(csv: Path) -> None:
    """A byte order mark and the zero bytes of other encodings would be read as part of the first time."""
    with csv.open("rb") as file:
        if b"\0" in file.read(64):
            raise _refused(1, "has zero bytes: send UTF-8")


def _refused(line: int, words: str) -> Incorrect:
    return Incorrect("file-incorrect", f"line {line}: {words}")
