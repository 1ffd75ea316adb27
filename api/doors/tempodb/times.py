"""TempoDB's times: naive ones are UTC, answers have milliseconds and the offset of the zone asked for. Pure (I10)."""

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from varve.errors import Incorrect
from varve.instants import NS_PER_SECOND, parse_instant

DAY_SECONDS = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET = re.compile(r"(T.*) (\d\d:?\d\d)$")


@dataclass(frozen=True)
class Zone:
    """An IANA zone and how instants are said in it."""

    name: str
    rules: zoneinfo.ZoneInfo

    def texts(self, instants: NDArray[np.int64]) -> list[str]:
        """n texts of n UTC nanoseconds: 2012-01-01T00:00:00.000Z, or with the zone's offset; microseconds where any needs them."""
        if not len(instants):
            return []
        unit: Literal["us", "ms"] = "us" if (instants % 1_000_000).any() else "ms"
        if self.name == "UTC":
            return [f"{text}Z" for text in np.datetime_as_string(_moments(instants // 1000), unit).tolist()]
        minutes = self._offsets(instants)
        local = _moments(instants // 1000 + minutes * 60_000_000)
        said = {one: _offset_text(one) for one in np.unique(minutes).tolist()}
        return [text + said[one] for text, one in zip(np.datetime_as_string(local, unit).tolist(), minutes.tolist(), strict=True)]

    def text(self, instant: int) -> str:
        return self.texts(np.array([instant], np.int64))[0]

    def _offsets(self, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        """Whole minutes east of UTC; asked of the zone once a day, and by the second on days that change."""
        seconds = instants // NS_PER_SECOND
        days, which = np.unique(seconds // DAY_SECONDS, return_inverse=True)
        ends = np.array([self._minutes(int(day) * DAY_SECONDS) for day in [*days, *(days + 1)]], np.int64).reshape(2, -1)
        found: NDArray[np.int64] = ends[0][which]
        changing = np.flatnonzero((ends[0] != ends[1])[which])
        if len(changing):
            moments, at = np.unique(seconds[changing], return_inverse=True)
            found[changing] = np.array([self._minutes(int(moment)) for moment in moments], np.int64)[at]
        return found

    def _minutes(self, second: int) -> int:
        offset = (_EPOCH + timedelta(seconds=second)).astimezone(self.rules).utcoffset()
        assert offset is not None
        return round(offset.total_seconds() / 60)


def zone_of(name: str | None) -> Zone:
    wanted = name or "UTC"
    try:
        return Zone(wanted, zoneinfo.ZoneInfo(wanted))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise Incorrect("zone-unknown", f"tz: '{wanted[:80]}' is not an IANA time zone such as America/Chicago") from None


def instant_of(name: str, text: str) -> int:
    """A + that came unescaped in an address reads as a space; naive is UTC."""
    return parse_instant(_OFFSET.sub(r"\1+\2", text.strip()), naive_is_utc=True, where=name)


def _moments(microseconds: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """A local time of 2262 may lie beyond what nanoseconds count."""
    return microseconds.view("M8[us]")


def _offset_text(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
