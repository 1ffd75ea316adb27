"""Which of several remembered records of a key holds: the one of the highest position, whatever their order (I3).

Before: a changelog, in which an old owner's late record may follow a new owner's. After: state.recover().
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from streams.state import is_readable, position_of


class Held(Protocol):
    def get(self, key: bytes, /) -> bytes | None: ...


def keep_highest(held: Held | Mapping[bytes, bytes], records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The records that replace what is held; of equal positions the later one."""
    kept: dict[bytes, bytes] = {}
    for key, value in records:
        if not is_readable(key, value):
            continue
        before = kept.get(key) or held.get(key)
        if before is None or position_of(value) >= position_of(before):
            kept[key] = value
    return kept
