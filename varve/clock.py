"""The only reader of clocks and maker of random ids (with api/stamps.py, which stamps requests). Below the door
nothing else may ask what time it is (I4); shells take a Clock as an argument, so that a simulation can own time."""

import secrets
import time
import uuid
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """UTC nanoseconds since 1970."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""


class SystemClock:
    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


def new_id() -> uuid.UUID:
    return uuid.uuid4()


def new_secret() -> str:
    """256 random bits, as 43 characters."""
    return secrets.token_urlsafe(32)
