"""Slows down those who fail to log in, by address and by e-mail: after some failures each next try must wait, longer and longer. Pure but
for its clock; it holds so many names and forgets the oldest.

Before: log_in.py asks before it looks at a password. After: the client is told when to come again; nobody is held meanwhile.
"""

from collections import OrderedDict
from dataclasses import dataclass

from varve.clock import Clock
from varve.errors import TooOften

KEPT_MAX = 10_000
FORGOTTEN_SECONDS = 900.0
WAIT_SECONDS_MAX = 60.0
FREE = {"email": 5, "address": 30}  # many people may share an address


@dataclass
class _Failures:
    count: int
    last: float


class Throttle:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def begin(self, email: str, address: str) -> None:
        """Counts as a failure until it succeeds, so that many at once are not looked at before the first has failed."""
        now, names = self._clock.monotonic(), (("email", email), ("address", address))
        wait = max(self._wait(name, now) for name in names)
        if wait > 0:
            raise TooOften("too-many-log-ins", f"too many failed log-ins: try again in {wait:.0f} s", wait)
        for name in names:
            found = self._failures.pop(name, None) or _Failures(0, now)
            self._failures[name] = _Failures(found.count + 1, now)
        while len(self._failures) > KEPT_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, email: str, address: str) -> None:
        self._failures.pop(("email", email), None)
        one = self._failures.get(("address", address))
        if one is not None:
            one.count -= 1

    def __len__(self) -> int:
        return len(self._failures)

    def _wait(self, name: tuple[str, str], now: float) -> float:
        one = self._failures.get(name)
        if one is None:
            return 0.0
        if now - one.last > FORGOTTEN_SECONDS:
            del self._failures[name]
            return 0.0
        beyond = one.count - FREE[name[0]]
        return 0.0 if beyond < 0 else one.last + min(WAIT_SECONDS_MAX, 2.0**beyond) - now
