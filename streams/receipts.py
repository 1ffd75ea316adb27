"""Receipts on varve.receipts: what the route agent made of one record of varve.intake. The route agent writes them; every
API reads the topic without a group and wakes the request that waits for that intake position.
"""

from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True)
class Receipt:
    """offsets: last offset per partition of varve.events that holds a part (or, for a repetition, held it before).

    outcomes: event_id -> "applied", "duplicate" (same body seen before) or "conflict" (same id, other body).
    refused: the record went to the dead letters whole: code and message; empty otherwise.
    """

    intake_partition: int
    intake_offset: int
    offsets: dict[int, int]
    outcomes: dict[str, str] = field(default_factory=dict)
    refused: str = ""

    def encode(self) -> tuple[bytes, bytes]:
        body = {"offsets": {str(p): o for p, o in self.offsets.items()}, "outcomes": self.outcomes, "refused": self.refused}
        return b"%d-%d" % (self.intake_partition, self.intake_offset), orjson.dumps(body)

    @classmethod
    def decode(cls, key: bytes, value: bytes) -> "Receipt":
        partition, offset = key.split(b"-")
        body = orjson.loads(value)
        offsets = {int(p): int(o) for p, o in body["offsets"].items()}
        return cls(int(partition), int(offset), offsets, dict(body["outcomes"]), str(body["refused"]))
