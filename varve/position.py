"""Where an event stands in the log, and the tokens and watermarks made of positions (I2, I9).

version = offset << 20 | row orders layers within one series, rows counting from 1, so that 0 is the version of a series
never written; a watermark is the next offset that the store lacks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from varve.errors import Incorrect

ROW_BITS = 20
ROWS_PER_RECORD_MAX = (1 << ROW_BITS) - 1


@dataclass(frozen=True, order=True)
class Position:
    partition: int
    offset: int


def version_of(offset: int, index: int = 0) -> int:
    """The version of the row (or event) with this index, from 0, in its record."""
    return offset << ROW_BITS | (index + 1)


def offset_of(version: int) -> int:
    return version >> ROW_BITS


_TOKEN = re.compile(r"^(?P<log>[0-9a-f]{32})(?P<parts>(\.\d+-\d+)*)$")


@dataclass(frozen=True)
class Token:
    """What a write returns and a read's `after=` takes: the log it belongs to and the last offset per partition."""

    log_id: str
    offsets: Mapping[int, int]

    def __str__(self) -> str:
        return self.log_id + "".join(f".{partition}-{offset}" for partition, offset in sorted(self.offsets.items()))

    @classmethod
    def parse(cls, text: str) -> "Token":
        found = _TOKEN.match(text)
        if found is None:
            raise Incorrect("token-malformed", f"'{text[:80]}' is not a token: send back what a write returned, unchanged")
        pairs = (part.split("-") for part in found["parts"].split(".")[1:])
        return cls(found["log"], {int(partition): int(offset) for partition, offset in pairs})

    def merged(self, other: "Token") -> "Token":
        offsets = dict(self.offsets)
        for partition, offset in other.offsets.items():
            offsets[partition] = max(offset, offsets.get(partition, -1))
        return Token(self.log_id, offsets)
