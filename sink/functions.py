"""Functions of a rollup: their names and synonyms, and their values out of aggregates. Pure.

Before: a route or door with words. After: queries/rollup.py fetches what they need, rollups.py applies them. Those that are not
`stored` need the values themselves. stddev and variance are of a sample (n - 1), and 0 for one value; ss sums squares; percentiles
interpolate between the closest ranks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from streams.aggregate import Aggregates
from varve.errors import Incorrect

Kind = Literal[
    "sum", "mean", "min", "max", "count", "stddev", "variance", "range", "ss", "first", "last", "multiply", "median", "percentile"
]
Floats = NDArray[np.float64]
_SYNONYMS: dict[str, Kind] = {"avg": "mean", "average": "mean", "mult": "multiply"}
_NEEDS: Mapping[Kind, frozenset[str]] = {  # fields of AGGREGATE beside count
    "sum": frozenset({"sum"}),
    "mean": frozenset({"mean"}),
    "min": frozenset({"min"}),
    "max": frozenset({"max"}),
    "count": frozenset(),
    "stddev": frozenset({"mean", "m2"}),
    "variance": frozenset({"mean", "m2"}),
    "range": frozenset({"min", "max"}),
    "ss": frozenset({"mean", "m2"}),
    "first": frozenset({"first"}),
    "last": frozenset({"last"}),
}
_PERCENTILE = re.compile(r"(?:p|percentile, ?)(\d{1,3}(?:\.\d{1,9})?)")
NAMES = tuple(kind for kind in get_args(Kind) if kind != "percentile")


@dataclass(frozen=True)
class Function:
    """name: canonical, and what its column is called. fraction: of a percentile or median, 0 to 1."""

    name: str
    kind: Kind
    fraction: float | None = None

    @property
    def stored(self) -> bool:
        return self.kind in _NEEDS

    @property
    def needs(self) -> frozenset[str]:
        """The fields of an aggregate that it is worked out from."""
        return _NEEDS[self.kind]


def parse_function(text: str) -> Function:
    asked = text.strip().lower()
    kind = _SYNONYMS.get(asked) or next((name for name in get_args(Kind) if name == asked), None)
    if kind == "median":
        return Function("median", "median", 0.5)
    if kind is not None and kind != "percentile":
        return Function(kind, kind)
    if (found := _PERCENTILE.fullmatch(asked)) is not None and 0 <= float(found[1]) <= 100:
        return Function(f"p{float(found[1]):.9f}".rstrip("0").rstrip("."), "percentile", float(found[1]) / 100)
    raise Incorrect("function-unknown", f"function: '{text[:40]}' is none: choose from {', '.join(NAMES)}, or p0 to p100 (p95, p99.9)")


def of_aggregates(function: Function, parts: Aggregates) -> Floats:
    """float64[n] of AGGREGATE[n]; what an empty one says has no meaning, but count and sum are 0."""
    match function.kind:
        case "count":
            return parts["count"].astype(np.float64)
        case "sum" | "mean" | "min" | "max" | "first" | "last":
            return np.array(parts[function.kind], np.float64)
        case "variance" | "stddev":
            spread = parts["m2"] / np.maximum(parts["count"].astype(np.float64) - 1, 1)
            return np.array(np.sqrt(spread) if function.kind == "stddev" else spread, np.float64)
        case "range":
            return np.array(parts["max"] - parts["min"], np.float64)
        case "ss":
            return np.array(parts["m2"] + parts["count"] * parts["mean"] * parts["mean"], np.float64)
        case _:
            raise ValueError(f"{function.name} cannot be had from aggregates")
