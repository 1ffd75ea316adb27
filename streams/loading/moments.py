"""Instants of documents as text and as UTC nanoseconds, without Arrow: a loader that waits stays small. Pure.

Before: documents that this service wrote, or a client's times that its door has read. After: schedule.py and tasks.py.
"""

from datetime import UTC, datetime, timedelta

SECOND = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(nanoseconds: int) -> datetime:
    """To the microsecond."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def nanoseconds_of(moment: datetime) -> int:
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * SECOND + span.microseconds * 1000


def read_time(text: str) -> int:
    """Of a time with an offset; finer than microseconds is cut off."""
    return nanoseconds_of(datetime.fromisoformat(text))


def said_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC, to the microsecond, with as many decimals as needed."""
    found = moment_of(nanoseconds)
    return found.strftime("%Y-%m-%dT%H:%M:%S") + (f".{found.microsecond:06d}".rstrip("0") if found.microsecond else "") + "Z"
