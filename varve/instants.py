"""Instants: UTC int64 nanoseconds inside (I10); ISO 8601 with an offset outside. Naive instants are refused unless a
door's contract reads them as UTC. The store holds 1900-01-01 to 2262-04-11 (ClickHouse DateTime64(9))."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect

ABSENT = np.iinfo(np.int64).min  # an instant that was not given; never a valid instant
EARLIEST = -2_208_988_800 * 10**9  # 1900-01-01T00:00:00Z
LATEST = 9_223_372_036_854_775_807
NS_PER_SECOND = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(text: str | int, *, naive_is_utc: bool = False, where: str = "the time") -> int:
    """Nanoseconds of one ISO 8601 text (or an int of nanoseconds already)."""
    if isinstance(text, int):
        return _within(text, where)
    return int(parse_instants([text], naive_is_utc=naive_is_utc, column=where)[0])


def parse_instants(
    texts: Sequence[Any] | pa.Array, *, naive_is_utc: bool = False, column: str = "valid_time", absent: bool = False
) -> NDArray[np.int64]:
    """int64[n] nanoseconds of ISO texts, ints (nanoseconds) or Arrow timestamps; Incorrect lists the bad rows.

    Nulls become ABSENT where `absent`, else they are bad rows.
    """
    try:
        array = texts if isinstance(texts, pa.Array) else pa.array(texts)
        if isinstance(array, pa.DictionaryArray):
            array = array.dictionary_decode()
        nanoseconds = _to_nanoseconds(array, naive_is_utc)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return _parse_each(texts, naive_is_utc, column, absent)
    missing = nanoseconds.is_null().to_numpy(zero_copy_only=False)
    found: NDArray[np.int64] = filled(nanoseconds, ABSENT).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    bad = (found < EARLIEST) & ~(missing if absent else np.zeros(len(found), bool))
    if bad.any():
        reasons = [
            BadRow(int(row), column, "is missing" if missing[row] else "lies before 1900-01-01, the earliest instant stored")
            for row in np.flatnonzero(bad)[:ROWS_LISTED_MAX]
        ]
        raise _refusal(column, reasons, int(bad.sum()))
    return found


def format_instant(nanoseconds: int) -> str:
    """RFC 3339 in UTC with as many decimals as needed: 2025-01-01T00:00:00Z, 2025-01-01T00:00:00.5Z."""
    seconds, rest = divmod(nanoseconds, NS_PER_SECOND)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return whole + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


def _to_nanoseconds(array: pa.Array, naive_is_utc: bool) -> pa.Array:
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64())
    if pa.types.is_timestamp(array.type):
        if array.type.tz is None and not naive_is_utc:
            raise pa.ArrowInvalid("naive")
        return array.cast(pa.timestamp("ns", array.type.tz)).cast(pa.int64())
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.int64())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise pa.ArrowInvalid("neither text, integer nor timestamp")
    try:
        return array.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        if not naive_is_utc:
            raise
        return array.cast(pa.timestamp("ns")).cast(pa.int64())


def _parse_each(texts: Any, naive_is_utc: bool, column: str, absent: bool) -> NDArray[np.int64]:
    """The slow way, taken only when the fast one refused: finds the bad rows, accepts rarer forms of ISO 8601."""
    found, bad = np.full(len(texts), ABSENT, np.int64), []
    for row, item in enumerate(texts):
        text = item.as_py() if isinstance(item, pa.Scalar) else item
        try:
            if text is None and absent:
                continue
            found[row] = _parse_one(text, naive_is_utc)
        except ValueError as reason:
            bad.append(BadRow(row, column, str(reason)))
    if bad:
        raise _refusal(column, bad[:ROWS_LISTED_MAX], len(bad))
    return found


def _parse_one(text: object, naive_is_utc: bool) -> int:
    if isinstance(text, bool) or not isinstance(text, str | int | datetime):
        raise ValueError("is missing" if text is None else f"{text!r} is not an ISO 8601 time")
    if isinstance(text, int):
        nanoseconds = text
    else:
        try:
            moment = text if isinstance(text, datetime) else datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"'{text}' is not an ISO 8601 time such as 2025-01-01T00:00:00+00:00") from None
        if moment.tzinfo is None:
            if not naive_is_utc:
                raise ValueError(f"'{text}' has no offset: add Z or +00:00, so that it names one instant")
            moment = moment.replace(tzinfo=UTC)
        span = moment - _EPOCH
        nanoseconds = (span.days * 86_400 + span.seconds) * NS_PER_SECOND + span.microseconds * 1000
        if isinstance(text, str):
            nanoseconds += _beyond_microseconds(text)
    if not EARLIEST <= nanoseconds <= LATEST:
        raise ValueError(f"'{text}' lies outside 1900-01-01 to 2262-04-11, the instants that can be stored")
    return nanoseconds


def _beyond_microseconds(text: str) -> int:
    """datetime keeps six decimals; the seventh to ninth are read here."""
    _, dot, rest = text.partition(".")
    digits = rest[: next((i for i, c in enumerate(rest) if not c.isdigit()), len(rest))]
    return int(digits[6:9].ljust(3, "0")) if dot and len(digits) > 6 else 0


def _within(nanoseconds: int, where: str) -> int:
    if not EARLIEST <= nanoseconds <= LATEST:
        raise Incorrect("time-out-of-range", f"{where} lies outside 1900-01-01 to 2262-04-11, the instants that can be stored")
    return nanoseconds


def _refusal(column: str, rows: list[BadRow], count: int) -> Incorrect:
    first = rows[0]
    return Incorrect("time-malformed", f"{column}: {count} bad row(s); row {first.row} {first.reason}", tuple(rows))


def filled(array: pa.Array, value: float) -> pa.Array:
    """Nulls replaced; an array without any is handed back, since looking the kernel up takes longer than a small record's decoding."""
    return pc.fill_null(array, value) if array.null_count else array
