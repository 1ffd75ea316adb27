"""The resubmission guard (I3): event ids seen in the last hour of log time, at most a million, with the hash of each body.
The fold and the route agent ask it; it is remembered in blocks, so that a flush writes only what is new.

Time is the log's: an id counts while its recorded_time is less than an hour behind the newest one asked with, and none is newer than
its record was stored.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

HOUR_NS = 3600 * 10**9
BLOCK = 1024
BLOCKS_MAX = 1024  # a ring: 2^20 ids
_SEALED = 1 << 16
_DTYPE = np.dtype([("key", "V16"), ("hash", "<u8"), ("time", "<i8")])
Status = Literal["new", "duplicate", "conflict"]


@dataclass(frozen=True)
class SeenId:
    """hash: first 8 bytes of the body's hash; 0 compares equal to everything (the client gave none)."""

    key: bytes
    hash: int
    time: int


def hash_prefix(body_hash: str | None) -> int:
    """The part of a body's hash (hexadecimal) that is kept."""
    if not body_hash:
        return 0
    try:
        return int(body_hash[:16], 16)
    except ValueError:
        return int.from_bytes(body_hash.encode()[:8].ljust(8, b"\0"), "big")


class EventIds:
    """Ids in order of arrival. The newest are in a dict, older ones in sorted runs of 65,536."""

    def __init__(self) -> None:
        self._count = 0  # ids ever added: the next sequence number
        self._blocks: dict[int, NDArray[np.void]] = {}
        self._touched: set[int] = set()
        self._recent: dict[bytes, tuple[int, int]] = {}
        self._runs: list[NDArray[np.void]] = []

    def status(self, key: bytes, body_hash: int, now: int) -> Status:
        found = self._recent.get(key) or self._in_runs(key)
        if found is None or found[1] <= now - HOUR_NS:
            return "new"
        return _compared(found[0], body_hash)

    def add(self, seen: Iterable[SeenId]) -> None:
        for one in seen:
            block, at = divmod(self._count, BLOCK)
            ring = block % BLOCKS_MAX
            if at == 0 or ring not in self._blocks:
                self._blocks[ring] = np.zeros(BLOCK, _DTYPE)
            self._blocks[ring][at] = (one.key, one.hash, one.time)
            self._touched.add(ring)
            self._count += 1
            self._recent[one.key] = (one.hash, one.time)
        if len(self._recent) >= _SEALED:
            self._seal()

    def touch(self) -> None:
        """The next flush writes all of them."""
        self._touched.update(self._blocks)

    def flush(self) -> list[tuple[int, bytes]]:
        """(ring number, bytes) of each block that changed since the last flush."""
        changed = [(ring, self._written(ring)) for ring in sorted(self._touched)]
        self._touched.clear()
        return changed

    @classmethod
    def recover(cls, count: int, blocks: dict[int, bytes]) -> "EventIds":
        """count: ids ever added, by the partition's record; ids that a block holds beyond it are left out."""
        ids = cls()
        for number in range(max(0, (count - 1) // BLOCK - BLOCKS_MAX + 1), -(-count // BLOCK)):
            written = blocks.get(number % BLOCKS_MAX)
            found = -1 if written is None else int.from_bytes(written[:8], "big")
            if written is None or found < number:
                raise ValueError(f"the event ids {number * BLOCK} to {min(count, (number + 1) * BLOCK) - 1} are missing")
            if found > number:  # a later flush, cut short, wrote over it
                continue
            block = np.frombuffer(written[8:], _DTYPE)[: count - number * BLOCK]
            ids._blocks[number % BLOCKS_MAX] = np.concatenate([block, np.zeros(BLOCK - len(block), _DTYPE)])
            ids._recent.update((bytes(key), (int(body_hash), int(time))) for key, body_hash, time in block)
            if len(ids._recent) >= _SEALED:
                ids._seal()
        ids._count = count
        return ids

    @property
    def count(self) -> int:
        return self._count

    def _written(self, ring: int) -> bytes:
        newest = (self._count - 1) // BLOCK
        number = newest - (newest - ring) % BLOCKS_MAX
        used = min(BLOCK, self._count - number * BLOCK)
        return number.to_bytes(8, "big") + self._blocks[ring][:used].tobytes()

    def _seal(self) -> None:
        run = np.array([(key, *seen) for key, seen in self._recent.items()], _DTYPE)
        self._runs = [*self._runs[-(BLOCK * BLOCKS_MAX // _SEALED) + 1 :], run[np.argsort(_sortable(run["key"]))]]
        self._recent = {}

    def _in_runs(self, key: bytes) -> tuple[int, int] | None:
        for run in reversed(self._runs):
            at = int(np.searchsorted(_sortable(run["key"]), np.frombuffer(key, "S16")[0]))
            if at < len(run) and bytes(run["key"][at]) == key:
                return int(run["hash"][at]), int(run["time"][at])
        return None


class RecordGuard:
    """The guard over the events of one record, in which an id may come twice. seen: the ids that are new with it."""

    def __init__(self, known: EventIds, newest: int) -> None:
        self._known, self._newest = known, newest
        self.seen: dict[bytes, SeenId] = {}

    def status(self, key: bytes, body_hash: str | None) -> Status:
        prefix = hash_prefix(body_hash)
        if (twin := self.seen.get(key)) is not None:
            return _compared(twin.hash, prefix)
        status = self._known.status(key, prefix, self._newest)
        if status == "new":
            self.seen[key] = SeenId(key, prefix, self._newest)
        return status


def _compared(before: int, now: int) -> Status:
    return "duplicate" if 0 in (before, now) or before == now else "conflict"


def _sortable(keys: NDArray[np.void]) -> NDArray[np.bytes_]:
    return np.ascontiguousarray(keys).view("S16")
