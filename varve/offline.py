"""The log of a data directory on which nothing runs: its broker, for as long as a command needs it.

Before: rebuild, backup, restore. After: settings that name a broker. Where VARVE_LOG__BROKERS names one, that is it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from varve.broker import broker_in
from varve.running import directory_held, found_running
from varve.settings import Settings, cache_directory, java_home
from varve.up import end_left_overs


@contextmanager
def offline(settings: Settings) -> Iterator[Settings]:
    """Refused in words while a supervisor has the directory."""
    settings = settings.model_copy(update={"data": settings.data.resolve()})
    with directory_held(settings.data):
        end_left_overs(settings.data)
        if settings.log.brokers:
            yield settings
            return
        embedded = broker_in(settings.data, cache_directory(settings.data), settings.log.heap_mb, java_home())
        try:
            yield _reached_at(settings, embedded.start())
        finally:
            embedded.stop()


@contextmanager
def running_or_offline(settings: Settings) -> Iterator[Settings]:
    note = found_running(settings.data)
    if note is not None and not settings.log.brokers:
        yield _reached_at(settings, note.brokers)
        return
    with offline(settings) as reached:
        yield reached


def _reached_at(settings: Settings, brokers: str) -> Settings:
    return settings.model_copy(update={"log": settings.log.model_copy(update={"brokers": brokers})})
