"""Times as sources write them, a column at a time, as UTC nanoseconds: ISO 8601, or a format in strftime's words. Pure.

Before: csv_source.py and json_source.py have texts. An offset in the text always wins (Z, -07, -0700, -07:00, UTC, the zones of RFC 2822;
also a Z that ends the format); the source's timezone is for times that name none. What cannot be read is told by row, in words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.loading.local_time import NS, to_utc, unfinished
from streams.loading.specs import Source
from streams.loading.time_format import ISO, MONTHS, Pattern, offset_seconds, pattern_of, zone_seconds
from varve.instants import EARLIEST

Int64s = NDArray[np.int64]
Bools = NDArray[np.bool_]
_Fields = Mapping[str, pa.Array]
_Numbers = Callable[..., Int64s]
_DAYS_MAX = 106_750  # from 1970, that int64 nanoseconds hold
_SHOWN = 60
_HELD_ROWS_MAX = 1 << 20
_ENDING_ROWS = 256  # looked at first, to see whether there is anything to hold


@dataclass(frozen=True)
class Instants:
    """utc: int64 ns, of the rows that are right; skipped: rows whose time the clocks of the zone leave out.

    assumed: rows that name no zone, where the source sets none.
    """

    utc: Int64s
    right: Bools
    skipped: Bools
    assumed: Bools


class Clock:
    """Reads one source's column of times, piece by piece: what a row means may follow from those before it."""

    def __init__(self, source: Source) -> None:
        self._format = source.timestamp_format
        self._pattern = pattern_of(self._format) if self._format else ISO
        self._fixed = (offset_seconds(source.timezone or "") or 0) * NS if source.timezone_type == "offset" else 0
        self._zone = ZoneInfo(source.timezone) if source.timezone_type == "iana" and source.timezone else None
        self._assumes = source.timezone_type is None
        self._previous: int | None = None

    def held(self, texts: pa.Array) -> int:
        """How many rows at the end to read together with those that follow: they stand in an hour that comes twice."""
        if self._zone is None or not self._held(texts.slice(max(0, len(texts) - _ENDING_ROWS)), self._zone):
            return 0
        return self._held(texts, self._zone)

    def _held(self, texts: pa.Array, zone: ZoneInfo) -> int:
        walls, embedded, right = self._walls(texts)
        naive = np.flatnonzero(right & ~embedded)
        count = unfinished(walls[naive], zone)
        rows = len(texts) - int(naive[-count]) if count else 0
        return rows if rows <= _HELD_ROWS_MAX else 0

    def read(self, texts: pa.Array) -> Instants:
        walls, embedded, right = self._walls(texts)
        utc, skipped = walls - self._fixed * ~embedded, np.zeros(len(walls), bool)
        if self._zone is not None:
            naive = right & ~embedded
            utc[naive], skipped[naive] = to_utc(walls[naive], self._zone, self._previous)
            if naive.any():
                self._previous = int(walls[naive][-1])
        right = right & ~skipped & (utc >= EARLIEST)
        return Instants(utc, right, skipped, right & ~embedded & self._assumes)

    def why(self, text: str | None, skipped: bool) -> str:
        """In words, what is wrong with one that is not right."""
        if text is None or not text.strip():
            return "the time is missing"
        shown = text.strip()[:_SHOWN]
        if skipped:
            return (
                f"'{shown}' is no time in {self._zone}: the clocks went forward over it. A logger that keeps one offset all year wants "
                "timezone_type 'offset', such as -0700"
            )
        if self._one_right(text):
            return f"'{shown}' lies outside 1900-01-01 to 2262-04-11, the times that can be stored"
        if self._format:
            return f"'{shown}' does not match timestamp_format '{self._format}', or is no such date or time"
        return (
            f"'{shown}' is no ISO 8601 time such as 2024-01-15T08:30:00Z: set timestamp_format as it is written, "
            "%d/%m/%Y %H:%M where the day comes first, %m/%d/%Y %H:%M where the month does"
        )

    def _one_right(self, text: str) -> bool:
        walls, _, right = _by_pattern(pa.array([text], pa.string()), self._pattern)
        return bool(right[0]) or bool(walls[0])

    def _walls(self, texts: pa.Array) -> tuple[Int64s, Bools, Bools]:
        """ns, in UTC where the text says an offset (embedded), else as the wall clock shows; right: it is one."""
        if self._format is None and not texts.null_count:
            for kind, embedded in ((pa.timestamp("ns"), False), (pa.timestamp("ns", "UTC"), True)):
                try:
                    walls = texts.cast(kind).cast(pa.int64()).to_numpy().copy()
                except pa.ArrowInvalid:
                    continue
                return walls, np.full(len(walls), embedded), np.ones(len(walls), bool)
        return _by_pattern(texts, self._pattern)


def _by_pattern(texts: pa.Array, pattern: Pattern) -> tuple[Int64s, Bools, Bools]:
    """Rows that are not right are 0, or 1 where they are well written but out of range."""
    parts = pc.extract_regex(texts, pattern.regex)
    right = parts.is_valid().to_numpy(zero_copy_only=False)
    fields = {parts.type.field(at).name: column for at, column in enumerate(parts.flatten())}
    count = len(texts)

    def number(name: str, default: int = 0) -> Int64s:
        if name not in fields:
            return np.full(count, default, np.int64)
        words = pc.utf8_ltrim_whitespace(fields[name]) if name == "d" else fields[name]
        empty = pc.equal(words, "")
        whole = pc.if_else(empty, str(default), words) if pc.any(empty).as_py() else words
        return _whole(pc.fill_null(whole.cast(pa.int64()), default))

    day, dated = _day(number, fields)
    hour = _hour(number, fields)
    second = ((day * 24 + hour) * 60 + number("M")) * 60 + number("S")
    offset, embedded, known = _offset(fields, count, pattern)
    second -= offset
    within = (second >= -_DAYS_MAX * 86_400) & (second < _DAYS_MAX * 86_400)
    good = right & dated & known
    walls = np.where(good & within, second, 0) * NS + np.where(good & within, _fraction(fields, count), 0)
    walls[good & ~within] = 1
    return walls, embedded, good & within


def _whole(column: pa.Array) -> Int64s:
    found: Int64s = column.to_numpy(zero_copy_only=False)
    return found


def _day(number: _Numbers, fields: _Fields) -> tuple[Int64s, Bools]:
    """Days since 1970, and whether the calendar has them."""
    year = number("Y", 1970)
    if "y" in fields:
        short = number("y")
        year = np.where(short < 69, 2000 + short, 1900 + short)
    if "j" in fields:
        first = (year - 1970).astype("M8[Y]").astype("M8[D]").astype(np.int64)
        after = (year - 1969).astype("M8[Y]").astype("M8[D]").astype(np.int64)
        day = first + number("j", 1) - 1
        return day, (day >= first) & (day < after)
    month = _months(fields["b"]) if "b" in fields else number("m", 1)
    months = (year - 1970) * 12 + month - 1
    first = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    after = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64)
    day = first + number("d", 1) - 1
    return day, (month >= 1) & (month <= 12) & (day >= first) & (day < after)


def _months(names: pa.Array) -> Int64s:
    """1 to 12, by their first three letters."""
    short = pc.utf8_slice_codeunits(pc.utf8_lower(names), 0, 3)
    found = pc.index_in(short, pa.array([name[:3] for name in MONTHS]))
    return _whole(pc.fill_null(found, -1).cast(pa.int64())) + 1


def _hour(number: _Numbers, fields: _Fields) -> Int64s:
    if "I" not in fields:
        return number("H")
    evening = np.zeros(1, np.int64)
    if "p" in fields:
        evening = pc.fill_null(pc.equal(pc.utf8_lower(fields["p"]), "pm"), False).to_numpy(zero_copy_only=False) * 12
    return number("I", 12) % 12 + evening


def _fraction(fields: _Fields, count: int) -> Int64s:
    if "f" not in fields:
        return np.zeros(count, np.int64)
    padded = pc.utf8_rpad(pc.utf8_slice_codeunits(pc.fill_null(fields["f"], ""), 0, 9), 9, "0")
    return _whole(padded.cast(pa.int64()))


def _offset(fields: _Fields, count: int, pattern: Pattern) -> tuple[Int64s, Bools, Bools]:
    """Seconds east of UTC, whether the text says so, and whether what it says is an offset. Of few different ones: each once in Python."""
    if "z" not in fields:
        return np.full(count, pattern.offset or 0), np.full(count, pattern.offset is not None), np.ones(count, bool)
    coded = pc.fill_null(fields["z"], "").dictionary_encode()
    meant = [zone_seconds(word) for word in coded.dictionary.to_pylist()]
    index = coded.indices.to_numpy(zero_copy_only=False)
    said = np.array([bool(word) for word in coded.dictionary.to_pylist()], bool)
    offsets = np.array([one or 0 for one in meant], np.int64)
    known = np.array([one is not None for one in meant], bool)
    return offsets[index], said[index], known[index]
