"""A series' UTC days as text, one line a value: the list of those that hold something, each with the MD5 of its text and an address that
is signed, and the text itself. A day's path and MD5 change only when its bytes do, since the client keeps what it has by them.

Before: routes.py. After: the client, which asks for the days' texts side by side. The address names the version that the list saw, so
that the bytes are those of its MD5, whatever is written meanwhile.
"""

import base64
import hashlib
import io
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sink.queries.days import days, newest_deletion
from sink.queries.flat import FLAT
from sink.queries.selection import Selection
from sink.reads import page_of
from sink.store import Store
from varve.instants import EARLIEST, LATEST

DAY_NS = 86_400 * 10**9
TOGETHER_LAYERS = 500_000  # days that are read by one query hold so many; one alone may hold more
PIECE_BYTES = 1 << 20
KNOWN_MAX = 200_000  # MD5s that are kept
_BREAKS = "[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+"  # where the client's parser ends a line


@dataclass(frozen=True)
class Day:
    """day: since 1970. md5: of its text."""

    day: int
    md5: bytes

    @property
    def base64(self) -> str:
        return base64.b64encode(self.md5).decode()


@dataclass(frozen=True)
class _Held:
    """What the MD5 of a day is known by: these layers, and no newer deletion."""

    day: int
    version: int
    layers: int


class Digests:
    """MD5s by what they are of; None where a day has no text, since all it holds is hidden or null. In memory: they can be had anew."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], bytes | None] = OrderedDict()

    def of(self, store: Store, whole: Selection, first: int, last: int) -> Iterator[Day]:
        """The days that hold text, from first to last, by day; whole: of one series, with no span of its own."""
        asked = spanned(whole, first, last)
        held = [_Held(row["day"], row["version"], row["layers"]) for row in store.rows(days(asked))]
        hidden = store.rows(newest_deletion(asked))[0]["version"]
        for some in _together(held):
            keys = {one.day: (whole.tenant, whole.single, hidden, one) for one in some}
            if any(key not in self._known for key in keys.values()):
                found = _digests(store, spanned(whole, some[0].day, some[-1].day))
                self._known |= {key: found.get(day) for day, key in keys.items()}
            for day, key in keys.items():
                self._known.move_to_end(key)
                if (md5 := self._known[key]) is not None:
                    yield Day(day, md5)
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)


def text(store: Store, whole: Selection, day: int) -> Iterator[bytes]:
    """A day's lines, in pieces."""
    held = bytearray()
    for batch in _rows(store, spanned(whole, day, day)):
        held += _lines(batch)
        if len(held) >= PIECE_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def day_of(instant: int) -> int:
    return instant // DAY_NS


def spanned(whole: Selection, first: int, last: int) -> Selection:
    """Whole days; the first and the last that can be stored are cut."""
    from_, until = max(first * DAY_NS, EARLIEST), (last + 1) * DAY_NS
    return replace(whole, from_=from_, until=until if until < LATEST else None)


def _together(held: Sequence[_Held]) -> Iterator[list[_Held]]:
    some: list[_Held] = []
    for one in held:
        if some and sum(each.layers for each in some) + one.layers > TOGETHER_LAYERS:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _digests(store: Store, asked: Selection) -> dict[int, bytes]:
    found: dict[int, hashlib._Hash] = {}
    for batch in _rows(store, asked):
        of_row = batch.column(0).to_numpy() // DAY_NS
        starts = np.flatnonzero(np.diff(of_row, prepend=of_row[0] - 1))
        for at, end in zip(starts.tolist(), [*starts[1:].tolist(), len(of_row)], strict=True):
            digest = found.setdefault(int(of_row[at]), hashlib.md5(usedforsecurity=False))
            digest.update(_lines(batch.slice(at, end - at)))
    return {day: digest.digest() for day, digest in found.items()}


def _rows(store: Store, asked: Selection) -> Iterator[pa.RecordBatch]:
    """at (Int64 ns) and value, by time, without nulls: an empty value would make words of a day's numbers."""
    query = page_of(store, FLAT, replace(asked, columns=("valid_time", "value"), limit=None)).query
    for batch in store.batches(query):
        found = batch if not batch.column(1).null_count else batch.filter(batch.column(1).is_valid())
        if len(found):
            yield pa.RecordBatch.from_arrays([found.column(0).cast(pa.int64()), found.column(1)], ["at", "value"])


def _lines(batch: pa.RecordBatch) -> bytes:
    """Values unquoted, as the client reads them: it ends a line at any line break, so that one inside a text shows as a space."""
    values = batch.column(1)
    if pa.types.is_floating(values.type):
        out = io.BytesIO()
        pyarrow.csv.write_csv(batch, out, pyarrow.csv.WriteOptions(include_header=False))
        return out.getvalue()
    words = pc.if_else(values, "True", "False") if pa.types.is_boolean(values.type) else _unbroken(values)
    lines = pc.binary_join_element_wise(batch.column(0).cast(pa.string()), pc.binary_join_element_wise(words, "", "\n"), ",")
    return "".join(lines.to_pylist()).encode()


def _unbroken(words: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(words, _BREAKS, " ") if pc.any(pc.match_substring_regex(words, _BREAKS)).as_py() else words


def path_of(ident: uuid.UUID, day: Day) -> str:
    return f"{ident}/{day.day}/{day.md5.hex()}"
