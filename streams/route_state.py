"""What the route agent remembers of one partition of varve.intake: how far it is, the event ids it has seen and the last
offset it wrote to each partition of varve.events. Each record starts with its position, as the fold's do (I3).
"""

import struct
from collections.abc import Iterable, Mapping

from streams.event_ids import EventIds, SeenId
from streams.state import Damaged
from varve.errors import Fault

FORMAT = 1
_HEADER = struct.Struct(">qH")  # position, format
_OWN = struct.Struct(">qQI")  # newest time, event ids ever added, targets


class RouteState:
    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.applied = self.remembered = -1
        self.newest = 0  # highest broker timestamp: the intake's own clock
        self.event_ids = EventIds()
        self.last: dict[int, int] = {}  # partition of varve.events -> last offset that holds a part

    def take(self, offset: int, newest: int, seen: Iterable[SeenId], offsets: Mapping[int, int]) -> None:
        assert offset > self.applied, "intake is taken in order"
        self.event_ids.add(seen)
        self.newest = max(self.newest, newest)
        for partition, last in offsets.items():
            self.last[partition] = max(last, self.last.get(partition, -1))
        self.applied = offset

    def flush(self) -> list[tuple[bytes, bytes]]:
        """(key, value) of what changed, the partition's own record last: write it after the others."""
        header = _HEADER.pack(self.applied, FORMAT)
        records = [(b"%d/ids/%d" % (self.partition, ring), header + block) for ring, block in self.event_ids.flush()]
        pairs = struct.pack(f">{2 * len(self.last)}q", *(number for pair in sorted(self.last.items()) for number in pair))
        own = header + _OWN.pack(self.newest, self.event_ids.count, len(self.last)) + pairs
        return [*records, (b"%d/partition" % self.partition, own)]

    @classmethod
    def recover(cls, partition: int, records: Mapping[bytes, bytes]) -> "RouteState":
        state = cls(partition)
        own = records.get(b"%d/partition" % partition)
        if own is None:
            return state
        try:
            state._load(own, records)
        except (ValueError, struct.error) as reason:
            words = f"what was remembered of the route agent's partition {partition} is unreadable: {reason}"
            raise Damaged("state-damaged", words) from None
        return state

    def _load(self, own: bytes, records: Mapping[bytes, bytes]) -> None:
        self.applied, found = _HEADER.unpack_from(own)
        if found != FORMAT:
            words = f"the route agent's state is of format {found}, this version reads {FORMAT}: finish with the old version first"
            raise Fault("state-format", words)
        self.newest, count, pairs = _OWN.unpack_from(own, _HEADER.size)
        numbers = struct.unpack_from(f">{2 * pairs}q", own, _HEADER.size + _OWN.size)
        self.last = dict(zip(numbers[::2], numbers[1::2], strict=True))
        prefix = b"%d/ids/" % self.partition
        blocks = {int(key.removeprefix(prefix)): value[_HEADER.size :] for key, value in records.items() if key.startswith(prefix)}
        self.event_ids = EventIds.recover(count, blocks)
        self.remembered = self.applied
