"""TempoDB's bodies of points to columns, with what is wrong of each item in its words. Pure.

Before: write.py read the JSON. After: write.py finds the series and makes one record of the good items. No item is touched
twice in Python: types are looked at in bulk, the slow way is taken only where that refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.doors.tempodb.names import Named
from api.doors.tempodb.words import NO_SERIES, NO_TIME, NO_VALUE
from varve.errors import Incorrect
from varve.instants import ABSENT, parse_instant, parse_instants
from varve.series import KEY_LENGTH_MAX


@dataclass(frozen=True)
class Items:
    """n items: valid_time int64[n], value float64[n]; series int32[n], indexes into named, -1 where it is not told well.
    messages: of the items that cannot be written, by number."""

    valid_time: NDArray[np.int64]
    value: NDArray[np.float64]
    series: NDArray[np.int32]
    named: tuple[Named, ...]
    messages: dict[int, list[str]]

    @property
    def good(self) -> NDArray[np.bool_]:
        found = np.ones(len(self.value), bool)
        found[list(self.messages)] = False
        return found


def series_items(found: Any, named: Named) -> Items:
    """[{t, v}] of one series."""
    rows = _rows(found)
    value, valued = _values([row.get("v") for row in rows])
    valid_time = _times([row.get("t") for row in rows])
    messages: dict[int, list[str]] = {}
    _complain(messages, ~valued, NO_VALUE)
    _complain(messages, valid_time == ABSENT, NO_TIME)
    return Items(valid_time, value, np.zeros(len(rows), np.int32), (named,), messages)


def bulk_items(found: Any) -> Items:
    """{t, data: [{id or key, v}]}: one instant of many series."""
    if not isinstance(found, dict) or not isinstance(found.get("data"), list):
        raise Incorrect("body-malformed", 'the body is not {"t": time, "data": [{"key": ..., "v": ...}]}')
    rows = _rows(found["data"])
    return _many(rows, [found.get("t")] * len(rows))


def multi_items(found: Any) -> Items:
    """[{t, id or key, v}]."""
    rows = _rows(found)
    return _many(rows, [row.get("t") for row in rows])


def _many(rows: list[dict[str, Any]], times: list[Any]) -> Items:
    """Of the documented messages the value's comes first; the time is only told where nothing else is wrong, as documented."""
    value, valued = _values([row.get("v") for row in rows])
    series, named, wrong = _series(rows)
    valid_time = _times(times)
    messages: dict[int, list[str]] = {}
    _complain(messages, ~valued, NO_VALUE)
    for at in np.flatnonzero(series < 0).tolist():
        messages.setdefault(at, []).append(wrong[at])
    _complain(messages, (valid_time == ABSENT) & valued & (series >= 0), NO_TIME)
    return Items(valid_time, value, series, named, messages)


def _rows(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list) or any(type(row) is not dict for row in found):
        raise Incorrect("body-malformed", 'the body is not a list of objects such as {"t": "2012-01-01T00:00:00", "v": 1.5}')
    return found


def _values(given: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Booleans count as 1 and 0."""
    try:
        array = np.array(given) if given else np.empty(0)
    except (ValueError, OverflowError):
        array = np.empty(0, object)
    if array.dtype.kind in "biuf" and array.shape == (len(given),):
        value = array.astype(np.float64)
    else:
        value = np.array([_number(one) for one in given], np.float64)
    valued = np.isfinite(value)
    return np.where(valued, value, 0.0), valued


def _number(given: Any) -> float:
    try:
        return float(given) if isinstance(given, bool | int | float) else np.nan
    except OverflowError:
        return np.nan


def _times(given: list[Any]) -> NDArray[np.int64]:
    """ABSENT where it is no time. Only texts are: what an integer counts TempoDB does not say."""
    if all(type(one) is str for one in given):
        try:
            return parse_instants(given, naive_is_utc=True) if given else np.empty(0, np.int64)
        except Incorrect:
            pass
    return np.array([_time(one) for one in given], np.int64)


def _time(given: Any) -> int:
    try:
        return parse_instant(given, naive_is_utc=True) if isinstance(given, str) else ABSENT
    except Incorrect:
        return ABSENT


def _series(rows: Sequence[dict[str, Any]]) -> tuple[NDArray[np.int32], tuple[Named, ...], dict[int, str]]:
    """Each item's series as an index; why not, by item, where it is -1."""
    pairs = [(_word(row.get("id")), _word(row.get("key"))) for row in rows]
    places: dict[Named, int] = {}
    index: dict[tuple[str, str], int] = {}
    reasons: dict[tuple[str, str], str] = {}
    for ident, key in dict.fromkeys(pairs):
        reason = _refused(ident, key)
        if reason:
            reasons[(ident, key)], index[(ident, key)] = reason, -1
        else:
            index[(ident, key)] = places.setdefault(Named("id", ident) if ident else Named("key", key), len(places))
    series = np.array([index[pair] for pair in pairs], np.int32)
    return series, tuple(places), {at: reasons[pair] for at, pair in enumerate(pairs) if pair in reasons} if reasons else {}


def _word(given: Any) -> str:
    return given if isinstance(given, str) else ""


def _refused(ident: str, key: str) -> str:
    if not ident and not key:
        return NO_SERIES
    if len(ident or key) > KEY_LENGTH_MAX:
        return f"Must provide a series key of at most {KEY_LENGTH_MAX} characters"
    return f"{NO_SERIES}, not both" if ident and key and ident != key else ""


def _complain(messages: dict[int, list[str]], wrong: NDArray[np.bool_], message: str) -> None:
    for at in np.flatnonzero(wrong).tolist():
        messages.setdefault(at, []).append(message)
