"""A format in strftime's words as a regular expression that takes a text apart; what it may contain, and what it must. Pure.

Before: specs.py checks a format by it. After: timestamps.py reads with it. Read as datetime.strptime does, and more: %S.%f takes whole
seconds too, %f nine digits, and an offset may follow a time though the format says nothing of it. A zone that ends the format (Z, UTC,
-07:00) counts as one that the text names.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ZONES = {"Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
OFFSET_HOURS_MAX = 14
_OFFSET = re.compile(r"([+-])(\d{2})(?::?(\d{2}))?")
_ZONE = r"(?P<z>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
_PARTS = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>1[0-2]|0[1-9]|[1-9])",
    "b": f"(?P<b>{'|'.join(name[:3] for name in MONTHS)})",
    "B": f"(?P<b>{'|'.join(MONTHS)})",
    "d": r"(?P<d>3[01]|[12]\d|0[1-9]|[1-9]| [1-9])",
    "j": r"(?P<j>36[0-6]|3[0-5]\d|[12]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])",
    "H": r"(?P<H>2[0-3]|[01]\d|\d)",
    "I": r"(?P<I>1[0-2]|0[1-9]|[1-9])",
    "M": r"(?P<M>[0-5]\d|\d)",
    "S": r"(?P<S>[0-5]\d|\d)",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>am|pm)",
    "z": _ZONE,
    "Z": r"(?P<z>[a-z]{1,5}|[+-]\d{2}(?::?\d{2})?)",
    "a": f"(?:{'|'.join(name[:3] for name in DAYS)})",
    "A": f"(?:{'|'.join(DAYS)})",
    "%": "%",
}
_SHORT = {"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "D": "%m/%d/%y"}
_TIMES = set("HIMSfp")
_CLOCK = re.compile(r":%[MS](\.%f)?(\s*%p)?$")  # what an offset may follow: no digits that run together


@dataclass(frozen=True)
class Pattern:
    """regex: in RE2's words, its groups named by directive. offset: seconds east of UTC where the format itself says so."""

    regex: str
    offset: int | None = None


ISO = Pattern(
    r"(?i)^\s*(?P<Y>\d{4})(?:-?(?P<m>\d{2})-?(?P<d>\d{2}))"
    r"(?:(?:T|\s+)(?P<H>[01]\d|2[0-3])(?::?(?P<M>[0-5]\d)(?::?(?P<S>[0-5]\d)(?:[.,](?P<f>\d+))?)?)?\s*" + _ZONE + r"?)?\s*$"
)


@lru_cache(maxsize=256)
def pattern_of(text: str) -> Pattern:
    """ValueError in words where nothing can be read with it."""
    whole = re.sub(r"%([TRFD])", lambda short: _SHORT[short[1]], text)
    found = re.findall(r"%(.?)", whole, re.DOTALL)
    _refuse(text, found)
    named = [one for one in found if one != "%"]
    out = re.sub(r"(\s+)|%(.)|([^%\s])", _piece, whole.strip(), flags=re.DOTALL)
    out = out.replace(r"\." + _PARTS["f"], r"(?:\." + _PARTS["f"] + ")?")
    ending = whole[whole.rindex("%") + 2 :]
    offset = zone_seconds(ending.strip()) if named[-1] in _TIMES and ending.strip() else None
    if _CLOCK.search(whole.strip()) and not {"z", "Z"} & set(named):
        out += rf"(?:\s*{_ZONE})?"
    return Pattern(rf"(?i)^\s*{out}\s*$", offset)


def offset_seconds(text: str) -> int | None:
    """-0700, -07 or -07:00 as seconds east of UTC; None for what is none."""
    found = _OFFSET.fullmatch(text.strip())
    if not found:
        return None
    hours, minutes = int(found[2]), int(found[3] or 0)
    if minutes > 59 or hours * 60 + minutes > OFFSET_HOURS_MAX * 60:
        return None
    return (hours * 60 + minutes) * (60 if found[1] == "+" else -60)


def zone_seconds(word: str) -> int | None:
    """Of an offset or a name that RFC 2822 knows; None for what is none. No word at all is no offset: 0."""
    if not word:
        return 0
    hours = ZONES.get(word.upper())
    return offset_seconds(word) if hours is None else hours * 3600


def _piece(found: re.Match[str]) -> str:
    if found[1]:
        return r"\s+"
    return _PARTS[found[2]] if found[2] else re.escape(found[3])


def _refuse(text: str, found: list[str]) -> None:
    unknown = [one for one in found if one not in _PARTS]
    if unknown:
        known = " ".join(f"%{one}" for one in (*_PARTS, *_SHORT))
        raise ValueError(f"timestamp_format '{text}': %{unknown[0]} cannot be read; known are {known}")
    meant = ["b" if one == "B" else "z" if one == "Z" else one for one in found if one not in "%aA"]
    twice = [one for one in meant if meant.count(one) > 1]
    if twice:
        raise ValueError(f"timestamp_format '{text}': %{twice[0]} stands in it twice")
    if not {"Y", "y"} & set(meant) or {"Y", "y"} <= set(meant):
        raise ValueError(f"timestamp_format '{text}' must name the year once (%Y, or %y of two digits), as in %Y-%m-%d %H:%M:%S")
    if ("H" in meant) == ("I" in meant) and "H" in meant:
        raise ValueError(f"timestamp_format '{text}': %H and %I are both the hour: give one of them")
