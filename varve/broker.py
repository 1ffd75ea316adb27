"""The embedded broker: a real single-node Apache Kafka (KRaft) in the data directory, synchronous and simple.

Before: `varve up` without VARVE_LOG__BROKERS, and the tests. After: everything that speaks Kafka, at its address.
Killed at any moment it loses nothing acknowledged (I12): the page cache survives a process. A power cut is docs/OPERATIONS.md.
"""

import base64
import fcntl
import hashlib
import json
import logging
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from varve.clock import SystemClock, new_id
from varve.errors import Conflict, Fault, Unavailable, VarveError
from varve.java import class_path, find_java, java_version
from varve.ports import choose_free, cluster_at, is_free
from varve.process import Remembered, end, end_left_over, remember, rotate, spawn, tail
from varve.running import write_whole

START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0
PORT_SECONDS_MAX = 5.0
JAVA_VERSION_AHEAD = 25
CLOCK = SystemClock()
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ports:
    """Remembered in the data directory, so that producers find the broker where it was."""

    clients: int
    controller: int


class EmbeddedBroker:
    def __init__(self, directory: Path, cache: Path, heap_mb: int = 512, java_home: str = "", rehearsal: Path | None = None) -> None:
        """rehearsal: what this run loads is written there as it stops, for later runs."""
        self._directory = directory.resolve()
        self._rehearsal = rehearsal
        self._cache, self._heap_mb, self._java_home = cache, heap_mb, java_home
        self._log = self._directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "start() comes first"
        return self._process.pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start, wait until it answers metadata, return host:port."""
        self._take_directory()
        try:
            return self._start()
        except OSError as reason:
            self.stop()
            words = f"the embedded broker in {self._directory} cannot start ({reason.strerror}): is there room on its disk?"
            raise Unavailable("broker-failed", words) from reason
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, STOP_SECONDS_MAX)
            with suppress(OSError):
                (self._directory / "broker.pid").unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _start(self) -> str:
        self._end_left_over()
        java, classes = find_java(self._java_home), class_path(self._cache)
        ahead = "" if self._rehearsal else loaded_ahead(java, classes, self._cache)
        rehearsing = f"-XX:AOTCacheOutput={self._rehearsal}" if self._rehearsal else ""
        ports = self._ports()
        scratch = self._directory / "tmp"  # native libraries are unpacked here; a killed JVM leaves them behind
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        properties = self._write_properties(ports)
        command = [*_jvm(java, self._heap_mb, scratch), *filter(None, (ahead,)), "-cp", classes]
        self._format(command, properties)
        self._process = spawn([*command, *filter(None, (rehearsing,)), "kafka.Kafka", str(properties)], rotate(self._log))
        write_whole(self._directory / "broker.pid", json.dumps(asdict(remember(self._process.pid))))
        address = f"127.0.0.1:{ports.clients}"
        self._wait(address)
        write_whole(self._directory / "ports.json", json.dumps(asdict(ports)))
        return address

    def _take_directory(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._lock = (self._directory / "broker.lock").open("w")
        except OSError as reason:
            raise Unavailable(
                "directory-not-writable",
                f"cannot write to {self._directory}: {reason.strerror}; give --data a directory that you may write to",
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise Conflict(
                "broker-running", f"a broker already runs in {self._directory}; stop it first, or use another directory"
            ) from None

    def _end_left_over(self) -> None:
        """We hold the lock, so a broker that still runs here was left by a supervisor that was killed."""
        note = self._directory / "broker.pid"
        if note.exists():
            with suppress(ValueError, TypeError):  # cut short by a crash: the port check then says what is wrong
                end_left_over(Remembered(**json.loads(note.read_text())), STOP_SECONDS_MAX)
            note.unlink(missing_ok=True)

    def _ports(self) -> Ports:
        note = self._directory / "ports.json"
        if not note.exists():
            clients = choose_free()
            controller = choose_free()
            return Ports(clients, controller if controller != clients else choose_free())
        ports = Ports(**json.loads(note.read_text()))
        deadline = CLOCK.monotonic() + PORT_SECONDS_MAX
        for port in (ports.clients, ports.controller):
            while not is_free(port):
                if CLOCK.monotonic() > deadline:
                    raise Conflict(
                        "broker-port-taken",
                        f"port {port}, on which the broker of {self._directory} was reached so far, is "
                        f"taken by another program: stop that program, or delete {note} to choose another port (producers "
                        "that know the old one must be told)",
                    )
                time.sleep(0.1)
        return ports

    def _write_properties(self, ports: Ports) -> Path:
        file = self._directory / "server.properties"
        rows = _properties(ports, self._directory / "log")
        write_whole(file, "".join(f"{name}={value}\n" for name, value in rows.items()))
        return file

    def _format(self, command: list[str], properties: Path) -> None:
        if (self._directory / "log" / "meta.properties").exists():
            return
        formatted = subprocess.run(
            [*command, "kafka.tools.StorageTool", "format", "-t", cluster_id(new_id()), "-c", str(properties)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if formatted.returncode != 0:
            said = (formatted.stderr or formatted.stdout).strip()[-500:]
            raise Fault("broker-format", f"the broker's directory {self._directory} could not be prepared: {said}")

    def _wait(self, address: str) -> None:
        """Until our own answers: another's may have taken the port meanwhile, and must not be taken for it."""
        deadline, own = CLOCK.monotonic() + START_SECONDS_MAX, self._cluster()
        while cluster_at(address) != own:
            if not self.alive():
                raise self._failed("stopped while starting")
            if CLOCK.monotonic() > deadline:
                raise self._failed(f"did not answer within {START_SECONDS_MAX:.0f} s")
            time.sleep(0.05)

    def _cluster(self) -> str:
        rows = (self._directory / "log" / "meta.properties").read_text().splitlines()
        return next(row.partition("=")[2] for row in rows if row.startswith("cluster.id="))

    def _failed(self, how: str) -> VarveError:
        return Unavailable("broker-failed", f"the embedded broker {how}; the end of {self._log} says:\n{tail(self._log)}")


def _jvm(java: Path, heap_mb: int, scratch: Path) -> list[str]:
    """Few threads and small areas: one node with a handful of partitions, beside the worker and the server."""
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        "-Xms64m",
        "-Xss512k",
        "-XX:TieredStopAtLevel=1",  # as fast here as with C2, for half of its processor time while it starts and idles
        "-XX:+UseSerialGC",
        "-XX:MinHeapFreeRatio=10",
        "-XX:MaxHeapFreeRatio=25",
        "-XX:MaxDirectMemorySize=128m",
        "-XX:ReservedCodeCacheSize=64m",
        f"-XX:ErrorFile={scratch}/java-error.log",
        f"-Djava.io.tmpdir={scratch}",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "--enable-native-access=ALL-UNNAMED",
    ]


def _properties(ports: Ports, log: Path) -> Mapping[str, object]:
    """Why each differs from Kafka's default stands beside it. Segments are flushed by the kernel: a killed process loses
    nothing, a power cut may lose the last seconds (start-up then refuses and names the repair)."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://127.0.0.1:{ports.clients},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports.clients}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "log.dirs": log,
        "auto.create.topics.enable": "false",  # a misspelt topic is an error, not a topic
        "message.max.bytes": 16 * 1024 * 1024,  # one event record is up to 8 MiB of columns
        "replica.fetch.max.bytes": 16 * 1024 * 1024,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,  # a worker starts at once
        "group.min.session.timeout.ms": 1000,  # the worker's session_seconds decides
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,  # default 128 MiB of heap
        "log.cleaner.io.buffer.size": 256 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "num.recovery.threads.per.data.dir": 2,
        "broker.session.timeout.ms": 3000,  # after kill -9 the node waits for its own old registration to lapse
        "broker.heartbeat.interval.ms": 500,
        "controlled.shutdown.max.retries": 1,  # there is nobody to hand partitions to
        "log.retention.check.interval.ms": 60_000,
    }


def broker_in(data: Path, cache: Path, heap_mb: int, java_home: str) -> EmbeddedBroker:
    """The broker of a data directory."""
    return EmbeddedBroker(data / "broker", cache / "kafka-jars", heap_mb, java_home)


def loaded_ahead(java: Path, classes: str, cache: Path) -> str:
    """The option by which this JVM finds Kafka's classes loaded and linked already, which halves a start; "" where it cannot.

    They are kept beside the jars, made by a broker that is started and stopped once (JEP 514: Java 25 or newer).
    """
    release = java.parent.parent / "release"
    build = release.read_text() if release.is_file() else str(java)
    kept = cache / f"{hashlib.sha256((build + classes).encode()).hexdigest()[:16]}.aot"
    if not kept.exists():
        with (cache / "aot.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                _rehearse(java, cache, kept)
    return f"-XX:AOTCache={kept}" if kept.stat().st_size else ""


def _rehearse(java: Path, cache: Path, kept: Path) -> None:
    """Leaves an empty file where this Java cannot do it: a broker that starts slowly is better than none."""
    for left_over in cache.glob("rehearsal-*"):  # of one that was killed: we hold the lock
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="rehearsal-", dir=cache) as scratch:
        made = Path(scratch) / "classes.aot"
        try:
            if java_version(java) >= JAVA_VERSION_AHEAD:
                broker = EmbeddedBroker(Path(scratch) / "broker", cache, 256, str(java.parent.parent), made)
                broker.start()
                broker.stop()
        except VarveError as error:
            LOG.warning("the broker will start slowly: %s", error.message)
        made.touch()
        made.replace(kept)


def cluster_id(made_from: uuid.UUID) -> str:
    """Kafka's form of a UUID: base64, and never a dash first, which the command line would take for an option."""
    return base64.urlsafe_b64encode(b"\0" + made_from.bytes[1:]).decode().rstrip("=")
