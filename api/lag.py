"""Whether reads show what the log has had for a while, and whether the log still has what they show (I12).

Before: health.py tells the ends of varve.events as it hears them. After: /readyz says in words how far the views are behind.
"""

from collections import deque
from collections.abc import Callable, Mapping

from varve.clock import Clock
from varve.errors import Fault

Ends = Mapping[int, int]
DUE_SECONDS = 1.0
SHORT_SECONDS_MAX = 2.0  # a broker that has just started may not know its own end


class Lag:
    """What the log had when this process started counts at once, later records after seconds_max: then waiting for them is given up."""

    def __init__(self, shown: Callable[[], Ends], seconds_max: float, clock: Clock) -> None:
        self._shown, self._seconds_max, self._clock = shown, seconds_max, clock
        self._due: Ends | None = None
        self._coming: deque[tuple[float, Ends]] = deque()
        self._short: dict[int, float] = {}  # since when
        self._heard = clock.monotonic() - DUE_SECONDS

    @property
    def due(self) -> bool:
        """Whether it is a while since the ends were told."""
        return self._clock.monotonic() - self._heard >= DUE_SECONDS

    @property
    def shown(self) -> Ends:
        return self._shown()

    def heard(self, shown: Ends, ends: Ends) -> None:
        """shown: as it was before the log was asked for its ends. A Fault where the log stays shorter for a while."""
        self._heard = now = self._clock.monotonic()
        self._coming.append((now, ends))
        while self._due is None or (self._coming and self._coming[0][0] < now - self._seconds_max):
            self._due = self._coming.popleft()[1]
        short = [partition for partition, mark in shown.items() if mark > ends.get(partition, mark)]
        self._short = {partition: self._short.get(partition, now) for partition in short}
        for partition, since in self._short.items():
            if now - since > SHORT_SECONDS_MAX:
                words = (
                    f"varve.events partition {partition} ends at {ends[partition]}, but reads show it up to {shown[partition]}: the log "
                    "lost its tail. Bring the broker's newest files back, or accept the loss: stop everything and run `varve rebuild`, "
                    "which rebuilds all views from what the log holds"
                )
                raise Fault("log-lost-tail", words)

    def complaint(self) -> str:
        """Empty where reads show all that they should."""
        due, shown = self._due or {}, self._shown()
        missing = sum(max(0, end - shown.get(partition, 0)) for partition, end in due.items())
        if not missing:
            return ""
        when = f"that were there at the start, or came more than {self._seconds_max:g} s ago"
        return f"views: {missing} event record(s) {when}, are not visible yet"
