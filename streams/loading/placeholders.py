"""The address of a source with its {placeholders} filled in. Pure.

Before: the runner knows the instants and the task's variables. After: fetch.py. A value is written as its place in the address wants it:
in path and query all but letters, digits and -_.~:/,@ is percent-encoded (so that + stays a plus), before the path nothing is. An instant
is told in the source's timezone; latest_observation_timestamp, where there is none yet, is 1970-01-01 UTC.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from string import Formatter
from urllib.parse import quote
from zoneinfo import ZoneInfo

from streams.loading.specs import Placeholder, PlaceholderType, Source
from streams.loading.time_format import offset_seconds
from varve.errors import Incorrect

_NS = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT = "/:,@"
Instants = Mapping[PlaceholderType, int | None]


def filled(source: Source, variables: Mapping[str, str], instants: Instants) -> str:
    """variables: the task's. instants: UTC ns of run_time, latest_observation_timestamp, window_start, window_end."""
    refuse_missing(source, variables)
    known = {one.name: one for one in source.placeholders}
    url = ""
    for text, name in _parts(source.url):
        url += text
        if name is not None:
            url += _encoded(_value(known[name], source, variables, instants), url)
    return url


def refuse_missing(source: Source, variables: Mapping[str, str] | None = None) -> None:
    """Without variables: what a data connection alone can have wrong."""
    names = list(dict.fromkeys(name for _, name in _parts(source.url) if name is not None))
    known = {one.name: one for one in source.placeholders}
    for name in names:
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "there are none"
            raise Incorrect("placeholder-missing", f"the address has {{{name}}}, but no placeholder variable of that name; {there}")
        if variables is not None and known[name].type == "per_task" and not str(variables.get(name) or ""):
            there = f"they have: {', '.join(variables)}" if variables else "they are empty"
            words = f"placeholder {{{name}}} is filled by each task, but the task's variables lack '{name}'; {there}"
            raise Incorrect("task-variable-missing", words)


def unused(source: Source, variables: Mapping[str, str]) -> list[str]:
    """What was said for nothing, in words: perhaps a name was mistyped."""
    names = {name for _, name in _parts(source.url)}
    words = [f"placeholder variable '{one.name}' does not stand in the address" for one in source.placeholders if one.name not in names]
    per_task = {one.name for one in source.placeholders if one.type == "per_task"}
    return words + [f"task variable '{name}' is no per_task placeholder" for name in variables if name not in per_task]


def _parts(url: str) -> Iterator[tuple[str, str | None]]:
    try:
        parts = list(Formatter().parse(url))
    except ValueError as reason:
        words = f"the address {url}: {reason}; a placeholder is written {{name}}, a brace itself twice"
        raise Incorrect("address-malformed", words) from None
    for text, name, form, conversion in parts:
        if name is not None and (not name or form or conversion or not name.replace("_", "").replace("-", "").isalnum()):
            words = f"the address {url}: a placeholder is written {{name}}, with letters, digits, _ and - alone"
            raise Incorrect("address-malformed", words)
        yield text, name


def _value(one: Placeholder, source: Source, variables: Mapping[str, str], instants: Instants) -> str:
    if one.type == "per_task":
        return str(variables[one.name])
    instant = instants.get(one.type)
    if instant is None and one.type != "latest_observation_timestamp":
        raise Incorrect("placeholder-empty", f"placeholder {{{one.name}}}: this load has no {one.type}")
    moment = (_EPOCH + timedelta(microseconds=(instant or 0) // 1000)).astimezone(_zone(source))
    form = one.timestamp_format or source.timestamp_format
    return moment.strftime(form) if form else moment.isoformat()


def _zone(source: Source) -> tzinfo:
    if source.timezone_type == "iana":
        return ZoneInfo(source.timezone or "UTC")
    if source.timezone_type == "offset":
        return timezone(timedelta(seconds=offset_seconds(source.timezone or "") or 0))
    return UTC


def _encoded(value: str, before: str) -> str:
    _, slashes, rest = before.partition("://")
    return quote(value, safe=_KEPT) if slashes and ("/" in rest or "?" in rest) else value
