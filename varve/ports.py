"""Loopback ports: free ones to listen on, and whether a Kafka broker answers on one (a connection alone proves nothing).

Before: varve/broker.py, varve/up.py and varve/doctor.py. After: they listen, wait or complain.
"""

import random
import socket
import struct
from pathlib import Path

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_METADATA_V4_NO_TOPICS = struct.pack(">hhih5sib", 3, 4, 1, 5, b"varve", 0, 0)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_free(host: str = "127.0.0.1") -> int:
    """A free port below the range from which the kernel numbers outgoing connections: while a broker is down, a client
    that keeps asking for a port of that range can be connected to itself and so take the port for good."""
    low = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32768
    candidates = random.SystemRandom().sample(range(10_000, low), 100) if low > 11_000 else []
    for port in candidates:
        if is_free(port, host):
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def kafka_answers(address: str) -> bool:
    return cluster_at(address) is not None


def cluster_at(address: str, timeout_seconds: float = 2.0) -> str | None:
    """The id of the cluster whose broker at host:port names at least one live broker: one Metadata request without topics, spoken by
    hand. None where nobody answers so."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_seconds) as line:
            line.sendall(struct.pack(">i", len(_METADATA_V4_NO_TOPICS)) + _METADATA_V4_NO_TOPICS)
            size = struct.unpack(">i", _read(line, 4))[0]
            answer = _read(line, min(size, 65_536))
        return _cluster_in(answer)
    except (OSError, ValueError, struct.error):
        return None


def _cluster_in(answer: bytes) -> str | None:
    """Of a Metadata response of version 4: correlation and throttle, the brokers (id, host, port, rack), the cluster's id."""
    _correlation, _throttle, brokers = struct.unpack_from(">iii", answer)
    at = 12
    for _ in range(brokers):
        at = _after_text(answer, _after_text(answer, at + 4) + 4)
    size = struct.unpack_from(">h", answer, at)[0]
    return answer[at + 2 : at + 2 + max(0, size)].decode() if brokers > 0 else None


def _after_text(answer: bytes, at: int) -> int:
    return int(at + 2 + max(0, struct.unpack_from(">h", answer, at)[0]))


def _read(line: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        more = line.recv(count - len(received))
        if not more:
            raise OSError("closed")
        received += more
    return received
