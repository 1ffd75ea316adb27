"""The oracle: what each read shape must answer, in plain Python over dicts with the columns of points. Slow, obviously right."""

from collections.abc import Callable, Iterable
from typing import Any

from sink.queries.selection import Selection

Layer = dict[str, Any]
MASK_OF = {"value": 1, "text": 1, "annotation": 2, "tags": 4, "valid_time_end": 8}
NEVER_SET: Layer = {"value": None, "text": None, "annotation": None, "tags": [], "valid_time_end": None}
LAST = ("series_id", "valid_time", "known_time", "recorded_time", "version", "run_id", "changed_by", "op", "mask")
FAR = 1 << 64


def counts(one: Layer, s: Selection) -> bool:
    whose = one["tenant"] == s.tenant and (s.series is None or one["series_id"] in s.series) and s.run_id in (None, one["run_id"])
    span = (-FAR if s.from_ is None else s.from_) <= one["valid_time"] < (FAR if s.until is None else s.until)
    visible = one["version"] < s.watermark[one["partition"]] << 20
    known = one["known_time"] < (s.known_until or FAR) and one["known_time"] <= (s.as_of_known or FAR)
    return whose and span and visible and known and one["recorded_time"] <= (s.as_of_recorded or FAR)


def cells(layers: Iterable[Layer], s: Selection) -> list[list[Layer]]:
    found: dict[Any, dict[int, Layer]] = {}
    for one in sorted((one for one in layers if counts(one, s)), key=lambda one: (one["known_time"], one["version"])):
        found.setdefault((one["series_id"], one["valid_time"]), {})[one["version"]] = one
    return [list(cell.values()) for cell in found.values()]


def folded(cell: list[Layer]) -> Layer:
    row = dict(NEVER_SET)
    for one in cell:
        row |= {name: one[name] for name, bit in MASK_OF.items() if one["mask"] & bit}
    return row | {name: cell[-1][name] for name in LAST}


def newest(rows: Iterable[Layer], *key: str) -> list[Layer]:
    return list({tuple(row[name] for name in key): row for row in rows}.values())


def history(layers: Iterable[Layer], s: Selection) -> list[Layer]:
    rows = [folded(cell[: at + 1]) for cell in cells(layers, s) for at in range(len(cell))]
    return [row for row in rows if s.known_from is None or row["known_time"] >= s.known_from]


def overlapping(layers: Iterable[Layer], s: Selection) -> list[Layer]:
    return newest(history(layers, s), "series_id", "valid_time", "known_time")


def flat(layers: Iterable[Layer], s: Selection) -> list[Layer]:
    return newest(history(layers, s), "series_id", "valid_time")


def latest(layers: Iterable[Layer], s: Selection) -> list[Layer]:
    return newest(sorted(flat(layers, s), key=lambda row: row["valid_time"]), "series_id")


def relative(layers: Iterable[Layer], s: Selection, cutoff: Callable[[int], int]) -> list[Layer]:
    return flat([one for one in layers if one["known_time"] <= cutoff(one["valid_time"])], s)
