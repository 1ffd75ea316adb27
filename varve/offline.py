"""The log as a command needs it: of a running Varve, or of a data directory on which nothing runs, with its broker for as long.

Before: rebuild, backup, restore, replay, dead letters. After: the log is open. Where VARVE_LOG__BROKERS names a broker, that is it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from streams.log_kafka import KafkaLog, log_of
from varve.broker import broker_in
from varve.errors import NotFound
from varve.running import directory_held, found_running
from varve.settings import Settings, cache_directory, java_home
from varve.up import end_left_overs

T = TypeVar("T")


def run_with_log(settings: Settings, work: Callable[[KafkaLog], Awaitable[T]]) -> T:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what ails the broker is said in our own words

    async def opened() -> T:
        async with log_of(settings) as log:
            return await work(log)

    return asyncio.run(opened())


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


def refuse_without_log(settings: Settings) -> None:
    if not settings.log.brokers and not (settings.data / "broker" / "log").is_dir():
        raise NotFound("no-log", f"{settings.data} holds no log: name the data directory with --data, or a broker in VARVE_LOG__BROKERS")


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
