"""How the client names things to the server: series in paths and queries, instants, fields that are given or kept. Pure.

Before: varve/client.py. After: parameters and bodies. Instants need a zone (I10).
"""

import urllib.parse
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final

from varve.errors import Incorrect
from varve.instants import format_instant
from varve.series import series_id

QUERY_CHARACTERS_MAX = 6_000
Name = str | uuid.UUID


class Kept(Enum):
    """What an update leaves as it is: None would clear it."""

    KEEP = "keep"


KEEP: Final = Kept.KEEP


def instant_text(given: Any, name: str) -> str | None:
    """ISO 8601 of a text, a datetime, a pandas Timestamp or UTC nanoseconds; None stays None."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return format_instant(given)
    if isinstance(given, datetime):  # pandas' Timestamp is one
        if given.tzinfo is None:
            words = f"{name}: {given.isoformat()} has no time zone: give one, e.g. datetime(..., tzinfo=UTC), so that it names one instant"
            raise Incorrect("time-naive", words)
        return given.isoformat()
    raise Incorrect(
        "time-unknown", f"{name} is a {type(given).__name__}: give a datetime with a zone, or ISO 8601 text such as 2025-01-01T00:00:00Z"
    )


def path_name(series: Name) -> str:
    return str(series) if isinstance(series, uuid.UUID) else "key:" + urllib.parse.quote(series, safe="")


def named_series(series: Name | Sequence[Name], tenant: uuid.UUID) -> dict[uuid.UUID, str]:
    """The ids of what is asked for and how the caller calls them: a str is a key, a UUID an id."""
    listed = [series] if isinstance(series, str | uuid.UUID) else list(series)
    if not listed:
        raise Incorrect("series-missing", "the list of series is empty: name at least one")
    return {one if isinstance(one, uuid.UUID) else series_id(tenant, one): str(one) for one in listed}


def selections(names: Mapping[uuid.UUID, str]) -> Iterator[dict[str, list[str]]]:
    """Parameters that name the series, as many in one question as an address line can hold."""
    listed = list(names.items())
    while listed:
        keys: list[str] = []
        ids: list[str] = []
        size = 0
        while listed and (not size or size + len(listed[0][1]) < QUERY_CHARACTERS_MAX):
            ident, called = listed.pop(0)
            (ids if called == str(ident) else keys).append(called)
            size += len(urllib.parse.quote(called)) + len("&series_id=")
        yield {"key": keys, "series_id": ids}


def fields_given(**fields: Any) -> dict[str, Any]:
    return {name: given for name, given in fields.items() if given is not KEEP}


def bounds_of(start: Any, until: Any, bounds: Mapping[str, Any]) -> dict[str, Any]:
    times = {"from": start, "until": until}
    times |= {name: bounds[name] for name in ("as_of", "as_of_recorded", "known_from", "known_until") if name in bounds}
    rest = {name: given for name, given in bounds.items() if name not in times}
    unknown = sorted(set(rest) - {"run_id", "after"})
    if unknown:
        raise Incorrect(
            "bound-unknown", f"{', '.join(unknown)}: known are as_of, as_of_recorded, known_from, known_until, run_id and after"
        )
    return {name: instant_text(given, name) for name, given in times.items()} | {name: str(given) for name, given in rest.items() if given}


def pairs_of(given: Mapping[str, str] | None) -> list[str]:
    return [f"{name}:{value}" for name, value in (given or {}).items()]


def asked_of(names: Mapping[uuid.UUID, str], chosen: Mapping[str, Sequence[str]]) -> dict[uuid.UUID, str]:
    """Those of the names that this question was about."""
    called = {*chosen["key"], *chosen["series_id"]}
    return {ident: name for ident, name in names.items() if name in called}
