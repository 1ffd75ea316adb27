"""What the fold remembers of one partition: a fixed-size row a series, in shards; the applied position, the highest
intake positions and the event ids seen. The fold reads it and proposes a Change; the shell takes the change and flushes.

Each record written starts with its position (8 bytes), so that recovery can keep the highest (I3). The partition's own record
tells how far each shard must be: what lacks one is not taken for a state. All of it can be deleted and rebuilt from varve.events
(I1); FORMAT tells older bytes apart.
"""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.aggregate import AGGREGATE
from streams.event_ids import EventIds, SeenId
from varve.columns import Target
from varve.errors import Fault
from varve.instants import ABSENT

FORMAT = 2
SHARDS = 128  # a series' shard is told by its id, so every owner, also one after a crash in mid-flush, finds the same
_ROWS_FIRST = 256
FLAG_DEFINED, FLAG_TAIL_KNOWN, FLAG_TAIL_NULL = 1, 2, 4

# An open rollup bucket: the aggregate of what lies in it, the tail cell left out. inexact: it is not known, and gets no row.
BUCKET = np.dtype([("start", "<i8"), ("inexact", "<u8"), ("aggregate", AGGREGATE)])
# tail: the cell of the newest valid_time. floor: the highest known_time of the series' deletions.
SERIES = np.dtype(
    [
        ("tenant", "V16"),
        ("series", "V16"),
        ("applied", "<u8"),
        ("recorded", "<i8"),
        ("known", "<i8"),
        ("floor", "<i8"),
        ("first", "<i8"),
        ("last", "<i8"),
        ("flags", "<u4"),
        ("value_type", "<u4"),
        ("tail_value", "<f8"),
        ("tail_known", "<i8"),
        ("base", BUCKET),
        ("day", BUCKET),
    ]
)
LEVELS = ("base", "day")  # in the order of streams/points.py STEPS
_ABSENT_AT_FIRST = ("recorded", "known", "floor", "first", "last", "tail_known")
_KEY = re.compile(rb"\d+/(partition|(shard|ids)/\d+)")
_HEADER = struct.Struct(">qH")  # position, format
_PARTITION = struct.Struct(">qQI")  # newest recorded_time, event ids ever added, intake partitions
_SHARD = struct.Struct(">Bq")  # number, position that it was last written at; absent in records of older versions


class Damaged(Fault):
    """What was remembered is unreadable or not all there: the partition is folded anew."""


def fresh_rows(targets: Sequence[Target]) -> NDArray[np.void]:
    """Rows of series never seen: no layer applied, no time known."""
    rows = np.zeros(len(targets), SERIES)
    for name in _ABSENT_AT_FIRST:
        rows[name] = ABSENT
    for level in LEVELS:
        rows[level]["start"] = ABSENT
    idents = np.frombuffer(b"".join(target.ident for target in targets), "V16").reshape(-1, 2)
    rows["tenant"], rows["series"] = idents[:, 0], idents[:, 1]
    return rows


@dataclass(frozen=True)
class Change:
    """What one record does to the state. rows[i] is the new row of targets[i]."""

    offset: int
    targets: tuple[Target, ...] = ()
    rows: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, SERIES))
    seen: tuple[SeenId, ...] = ()
    intake: tuple[int, int] | None = None
    newest: int = ABSENT


class PartitionState:
    """In memory: one growing array of rows and an index from (tenant, series) to the row."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.applied = -1
        self.newest = ABSENT  # newest recorded_time: the log's own clock
        self.intake: dict[int, int] = {}
        self.event_ids = EventIds()
        self._rows = np.zeros(_ROWS_FIRST, SERIES)
        self._index: dict[bytes, int] = {}
        self._members: list[list[int]] = [[] for _ in range(SHARDS)]
        self._touched: set[int] = set()
        self._shard_position: dict[int, int] = {}  # of those that are ahead
        self._written: dict[int, int] = {}  # shard -> position of the last flush that wrote it
        self._flushed = -1
        self._replaced: tuple[int, frozenset[int]] | None = None  # highest position and shards of damaged records; see anew()

    @property
    def dirty(self) -> bool:
        return self.applied > self._flushed

    def __len__(self) -> int:
        return len(self._index)

    def lookup(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Row number of each target; -1 where the series was never seen."""
        find = self._index.get
        return np.array([find(target.ident, -1) for target in targets], np.int64)

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.void]:
        """Copies of the rows."""
        return self._rows[slots]

    def ahead(self, targets: Sequence[Target], offset: int) -> NDArray[np.bool_]:
        """Whether each target's shard already holds this offset: it was written before a crash, the partition's record was not."""
        if not self._shard_position:
            return np.zeros(len(targets), bool)
        return np.array([self._shard_position.get(shard_of(target.ident), -1) >= offset for target in targets], bool)

    def take(self, change: Change) -> None:
        assert change.offset == self.applied + 1, "a change follows the state that it was made from"
        slots = self.lookup(change.targets)
        for at in np.flatnonzero(slots < 0).tolist():
            target = change.targets[at]
            slots[at] = self._new_slot(target.ident, shard_of(target.ident))
        self._rows[slots] = change.rows
        self._touched.update({shard_of(target.ident) for target in change.targets})
        self.event_ids.add(change.seen)
        self.newest = max(self.newest, change.newest)
        if change.intake is not None:
            self.intake[change.intake[0]] = max(change.intake[1], self.intake.get(change.intake[0], -1))
        self.applied = change.offset
        if self._shard_position and self.applied >= max(self._shard_position.values()):
            self._shard_position.clear()

    def flush(self) -> list[tuple[bytes, bytes]]:
        """(key, value) of what changed since the last flush, the partition's own record last: write it after the others."""
        if self._replaced is not None and self.applied >= self._replaced[0]:
            self._touched |= self._replaced[1] | {shard for shard in range(SHARDS) if self._members[shard]}
            self.event_ids.touch()
            self._replaced = None
        header = _HEADER.pack(self.applied, FORMAT)
        records = [
            (b"%d/shard/%d" % (self.partition, shard), header + self._rows[self._members[shard]].tobytes())
            for shard in sorted(self._touched)
        ]
        records += [(b"%d/ids/%d" % (self.partition, ring), header + block) for ring, block in self.event_ids.flush()]
        intake = struct.pack(f">{2 * len(self.intake)}q", *(number for pair in sorted(self.intake.items()) for number in pair))
        self._written |= dict.fromkeys(self._touched, self.applied)
        shards = b"".join(_SHARD.pack(*pair) for pair in sorted(self._written.items()))
        own = header + _PARTITION.pack(self.newest, self.event_ids.count, len(self.intake)) + intake + shards
        self._touched.clear()
        self._flushed = self.applied
        return [*records, (b"%d/partition" % self.partition, own)]

    @classmethod
    def recover(cls, partition: int, records: Mapping[bytes, bytes]) -> "PartitionState":
        """The state as the table's records of this partition hold it; other partitions' records are passed over."""
        state = cls(partition)
        try:
            state._load({key: value for key, value in records.items() if partition_of_key(key) == partition})
        except (ValueError, struct.error) as reason:
            raise Damaged("state-damaged", f"what was remembered of partition {partition} is unreadable: {reason}") from None
        return state

    @classmethod
    def anew(cls, partition: int, records: Mapping[bytes, bytes]) -> "PartitionState":
        """To be folded from the first record on, in place of what cannot be recovered. The highest position wins, so all of it is
        remembered once more as soon as it has gone as far."""
        state = cls(partition)
        mine = {key.split(b"/", 1)[1]: position_of(value) for key, value in records.items() if partition_of_key(key) == partition}
        numbers = {int(key.removeprefix(b"shard/")) for key in mine if key.startswith(b"shard/")}
        state._replaced = max(mine.values(), default=-1), frozenset(numbers & set(range(SHARDS)))
        return state

    def _load(self, records: Mapping[bytes, bytes]) -> None:
        own, blocks = records.get(b"%d/partition" % self.partition), dict[int, bytes]()
        for key, value in records.items():
            _, kind, *number = key.split(b"/")
            if kind == b"shard" and int(number[0]) < SHARDS:
                self._load_shard(int(number[0]), position_of(value), _body(value))
            elif kind == b"ids":
                blocks[int(number[0])] = _body(value)
        if own is not None:
            self._load_own(own, blocks)
        self._shard_position = {n: p for n, p in self._shard_position.items() if p > self.applied}
        self._flushed = self.applied

    def _load_own(self, own: bytes, blocks: dict[int, bytes]) -> None:
        body = _body(own)
        self.applied = position_of(own)
        self.newest, count, pairs = _PARTITION.unpack_from(body)
        numbers = struct.unpack_from(f">{2 * pairs}q", body, _PARTITION.size)
        self.intake = dict(zip(numbers[::2], numbers[1::2], strict=True))
        self._written = dict(_SHARD.iter_unpack(body[_PARTITION.size + 16 * pairs :]))
        missing = [number for number, position in self._written.items() if self._shard_position.get(number, -1) < position]
        if missing:
            words = f"of partition {self.partition} the shards {missing[:5]} are remembered to a lower position than its own record says"
            raise Damaged("state-damaged", words)
        self.event_ids = EventIds.recover(count, blocks)

    def _load_shard(self, number: int, position: int, body: bytes) -> None:
        self._shard_position[number] = position
        for row in np.frombuffer(body, SERIES):
            slot = self._new_slot(bytes(row["tenant"]) + bytes(row["series"]), number)  # may replace _rows by a longer array
            self._rows[slot] = row

    def _new_slot(self, ident: bytes, shard: int) -> int:
        slot = self._index[ident] = len(self._index)
        self._members[shard].append(slot)
        if slot == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros(len(self._rows), SERIES)])
        return slot


def shard_of(ident: bytes) -> int:
    return ident[-1] % SHARDS


def position_of(value: bytes) -> int:
    """The position that a state record was written at."""
    return int(_HEADER.unpack_from(value)[0])


def is_readable(key: bytes | None, value: bytes | None) -> bool:
    """Whether it can have been remembered by a worker; what is not, as a stranger's record, is passed over."""
    return key is not None and value is not None and _KEY.fullmatch(key) is not None and len(value) >= _HEADER.size


def partition_of_key(key: bytes) -> int:
    return int(key.partition(b"/")[0])


def _body(value: bytes) -> bytes:
    found = _HEADER.unpack_from(value)[1]
    if found != FORMAT:
        words = f"the worker's state is of format {found}, this version reads {FORMAT}: stop everything and run `varve replay --state`"
        raise Fault("state-format", words)
    return value[_HEADER.size :]
