"""Which nonces of OAuth 1.0a were used: no signed request counts twice. Pure; of signatures that were right alone.

Before: oauth1.py checked the signature. After: nothing. It holds so many of each consumer; where more come within the time allowed, the
oldest timestamps of this consumer are refused as a whole, so that forgetting never lets one in again, and nobody pays for another's many.
Each server process has its own.
"""

import hashlib
import heapq
from dataclasses import dataclass, field

WINDOW_SECONDS = 300
KEPT_MAX = 20_000  # of one consumer


@dataclass
class _Used:
    """floor: a timestamp up to here is refused."""

    floor: int = 0
    seen: set[tuple[int, bytes]] = field(default_factory=set)
    oldest: list[tuple[int, bytes]] = field(default_factory=list)

    def forget(self, before: float, kept_max: int) -> None:
        while self.oldest and (self.oldest[0][0] < before or len(self.seen) > kept_max):
            forgotten = heapq.heappop(self.oldest)
            self.seen.discard(forgotten)
            self.floor = max(self.floor, forgotten[0])


class Nonces:
    def __init__(self) -> None:
        self._used: dict[str, _Used] = {}

    def timely(self, consumer: str, timestamp: int, now: float) -> bool:
        used = self._used.get(consumer)
        return abs(now - timestamp) <= WINDOW_SECONDS and (used is None or timestamp > used.floor)

    def first(self, consumer: str, timestamp: int, named: str, now: float) -> bool:
        """named: token and nonce. False where it was used before."""
        if consumer not in self._used:
            self._forget_idle(now)
        used = self._used.setdefault(consumer, _Used())
        used.forget(now - WINDOW_SECONDS, KEPT_MAX - 1)
        one = (timestamp, hashlib.blake2b(named.encode(), digest_size=16).digest())
        if one in used.seen or timestamp <= used.floor:
            return False
        used.seen.add(one)
        heapq.heappush(used.oldest, one)
        return True

    def __len__(self) -> int:
        return sum(len(used.seen) for used in self._used.values())

    def _forget_idle(self, now: float) -> None:
        for consumer, used in list(self._used.items()):
            used.forget(now - WINDOW_SECONDS, KEPT_MAX)
            if not used.seen and used.floor < now - WINDOW_SECONDS:
                del self._used[consumer]
