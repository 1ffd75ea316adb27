"""One row of the table: our figure, the floor's from the same run, and how the two compare.

Before: a line measured. After: table.py shows it. A unit that ends in "/s" is a rate: more is better; else less is better.
"""

from dataclasses import dataclass


class Wrong(Exception):
    """An answer was not what was written: its figure would mean nothing."""


@dataclass(frozen=True)
class Floor:
    """figure: 0 where it could not be had here; what tells why."""

    what: str
    figure: float


@dataclass(frozen=True)
class Row:
    """target: the design's, in words of the unit; 0 where it has none."""

    measured: str
    ours: float
    unit: str
    target: float = 0.0
    floor: Floor | None = None

    @property
    def is_rate(self) -> bool:
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """Our speed as a share of the floor's: 1 is as fast (or as small) as the floor, 0.5 half as fast."""
        if self.floor is None or not self.ours or not self.floor.figure:
            return None
        return self.ours / self.floor.figure if self.is_rate else self.floor.figure / self.ours

    @property
    def met(self) -> bool | None:
        if not self.target:
            return None
        return self.ours >= self.target if self.is_rate else self.ours < self.target


@dataclass(frozen=True)
class Outcome:
    """Of one line: its rows, or why there are none."""

    name: str
    rows: tuple[Row, ...]
    failure: str = ""


def share(values: list[float], quantile: float) -> float:
    """The value that `quantile` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def median(values: list[float]) -> float:
    return share(values, 0.5)
