"""What a TempoDB read asks beside its series: span, zone, rollup, interpolation, aggregation. Pure.

Before: routes.py with the query. After: datasets.py and segments.py.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from fastapi import Request
from starlette.datastructures import QueryParams

from api.doors.tempodb.times import Zone, instant_of, zone_of
from sink.functions import Function, parse_function
from sink.periods import Grid, Period, auto_period, grid_of, parse_period
from sink.shaping import Between
from varve.errors import Incorrect

MEAN = parse_function("mean")


@dataclass(frozen=True)
class Span:
    """[from_, until) in UTC nanoseconds, and the zone of the answer's times and buckets."""

    from_: int
    until: int
    zone: Zone

    @classmethod
    def of(cls, request: Request) -> "Span":
        query = request.query_params
        missing = [name for name in ("start", "end") if not query.get(name)]
        if missing:
            raise Incorrect("span-missing", f"{missing[0]}: is missing; give start and end, such as 2012-01-01T00:00:00")
        span = cls(instant_of("start", query["start"]), instant_of("end", query["end"]), zone_of(query.get("tz")))
        if span.from_ > span.until:
            raise Incorrect("span-backwards", "end: lies before start")
        return span

    def whole(self) -> Grid:
        """One bucket, none where nothing lies between."""
        return Grid(np.unique(np.array([self.from_, self.until], np.int64)))

    def grid(self, period: Period | None) -> Grid:
        """None: the whole span is one bucket."""
        return self.whole() if period is None else grid_of(period, self.zone.name, self.from_, self.until)


@dataclass(frozen=True)
class Rollup:
    """folds as the client wrote them; period None: the whole span."""

    names: tuple[str, ...]
    folds: tuple[Function, ...]
    period: Period | None

    @property
    def said(self) -> dict[str, str | None]:
        return {"fold": self.names[0], "period": None if self.period is None else iso_of(self.period)}


@dataclass(frozen=True)
class Reading:
    """How raw points become what is answered: rolled up, then put on a regular beat, then folded across series."""

    rollup: Rollup | None
    interpolation: tuple[Between, Period] | None
    across: Function | None

    @classmethod
    def of(cls, query: QueryParams, *, aggregated: bool = False) -> "Reading":
        across = parse_function(query.get("aggregation.fold") or "sum") if aggregated else None
        return cls(_rollup(query), _interpolation(query), across)


def interval_of(query: QueryParams, span: Span) -> Rollup | None:
    """The guide's interval and function: raw, a period, or chosen by the length of the span; mean where no function is given."""
    name, interval = query.get("function") or "mean", query.get("interval") or ""
    function = parse_function(name)
    if interval == "raw":
        return None
    period = parse_period(interval) if interval else auto_period(span.from_, span.until)
    return None if period is None else Rollup((name,), (function,), period)


def iso_of(period: Period) -> str:
    """PT1H, P1D, as TempoDB says periods."""
    letter = period.unit[0].upper()
    return f"P{'T' if period.unit in ('min', 'hour') else ''}{period.count}{letter}"


def _rollup(query: QueryParams) -> Rollup | None:
    names = tuple(dict.fromkeys(query.getlist("rollup.fold")))
    period = query.get("rollup.period")
    if not names and not period:
        return None
    names = names or ("mean",)
    return Rollup(names, tuple(parse_function(name) for name in names), parse_period(period) if period else None)


def _interpolation(query: QueryParams) -> tuple[Between, Period] | None:
    name, period = query.get("interpolation.function"), query.get("interpolation.period")
    function = next((one for one in get_args(Between) if one == name), None)
    if not name and not period:
        return None
    if function is None or not period:
        raise Incorrect("interpolation", "interpolation: give interpolation.function (zoh or linear) and interpolation.period (1min, PT1H)")
    return function, parse_period(period)
