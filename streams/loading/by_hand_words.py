"""How a person says what a file holds: decimals, timezones, columns and the series they go to. Pure.

Before: varve/cli_load.py's options, the form of api/load. After: specs.py's Source, and a series for each column.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from varve.errors import Incorrect

DECIMALS = {"point": ".", "comma": ","}

# what the reader says of a source, how `varve load` calls it, and how the page's form does
_WORDS = (
    ("timezone_type 'offset', such as -0700", "--timezone with an offset, such as -0700", "Timezone with an offset, such as -0700"),
    ("timezone_type and timezone", "--timezone", "Timezone"),
    ("timestamp_format", "--format", "Format of times"),
    ("timestamp_key", "--time", "Column of times"),
    ("timezone '", "--timezone '", "Timezone '"),
    ("header_row", "--header-row", "Header row"),
    ("data_start_row", "--data-row", "First row of readings"),
    ("jmespath", "--records", "jmespath"),
    ("no_data", "--no-data", "No reading"),
    ("encoding", "--encoding", "Encoding"),
    (
        "the source must be UTF-8",
        "the source must be UTF-8, or --encoding must say what it is",
        "the source must be UTF-8, or Encoding must say what it is",
    ),
    (
        "decimals are written with a point",
        "decimals are written with a point; --decimal-comma reads a comma",
        "decimals are written with a point, unless Decimals says otherwise",
    ),
    ("decimal_point", "--decimal-comma", "Decimals"),
)


def zone_of(text: str | None) -> dict[str, Any]:
    """Whether it is an offset or a zone is seen by its look."""
    if text is None:
        return {}
    if text.upper() in ("UTC", "Z"):
        return {"timezone_type": "utc"}
    return {"timezone_type": "offset" if text[:1] in "+-" else "iana", "timezone": text}


def series_of(said: Sequence[str]) -> dict[str, str | uuid.UUID]:
    """COLUMN=SERIES: a key or an id; COLUMN alone: the series is called so."""
    found: dict[str, str | uuid.UUID] = {}
    for one in said:
        column, _, series = (part.strip() for part in one.partition("="))
        if not column or column in found:
            words = "names no column" if not column else f"column '{column}' is named twice"
            raise Incorrect("value-column", f"{one}: {words}; write COLUMN=SERIES, once for each column")
        target = _named(series or column)
        other = next((name for name, taken in found.items() if taken == target), None)
        if other is not None:
            words = f"{one}: column '{other}' goes to series {target} already, where each would overwrite the other: give each its own"
            raise Incorrect("value-column", words)
        found[column] = target
    if not found:
        raise Incorrect("value-column", "no column of values is named: write COLUMN=SERIES")
    return found


def in_options(words: str) -> str:
    """What the reader says of a source, in the words of `varve load`."""
    return _said(words, {setting: option for setting, option, _ in _WORDS})


def in_form(words: str) -> str:
    """The same in the words of the page's form."""
    return _said(words, {setting: field for setting, _, field in _WORDS})


def _said(words: str, names: Mapping[str, str]) -> str:
    for setting, name in names.items():
        words = words.replace(setting, name)
    return words


def _named(text: str) -> str | uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return text.removeprefix("key:")
