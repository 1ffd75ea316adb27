"""Which nonces of OAuth 1.0a were used: no signed request counts twice. Pure; of signatures that were right alone.

Before: oauth1.py checked the signature. After: nothing. It holds so many; where more come within the time allowed, the oldest timestamps
are refused as a whole, so that forgetting never lets one in again. Each server process has its own.
"""

import heapq

WINDOW_SECONDS = 300
KEPT_MAX = 100_000


class Nonces:
    def __init__(self) -> None:
        self._floor = 0  # a timestamp up to here is refused
        self._seen: set[tuple[int, str]] = set()
        self._oldest: list[tuple[int, str]] = []

    def timely(self, timestamp: int, now: float) -> bool:
        return abs(now - timestamp) <= WINDOW_SECONDS and timestamp > self._floor

    def first(self, timestamp: int, named: str, now: float) -> bool:
        """named: consumer, token and nonce. False where it was used before."""
        while self._oldest and (self._oldest[0][0] < now - WINDOW_SECONDS or len(self._seen) >= KEPT_MAX):
            forgotten = heapq.heappop(self._oldest)
            self._seen.discard(forgotten)
            self._floor = max(self._floor, forgotten[0])
        one = (timestamp, named)
        if one in self._seen or timestamp <= self._floor:
            return False
        self._seen.add(one)
        heapq.heappush(self._oldest, one)
        return True

    def __len__(self) -> int:
        return len(self._seen)
