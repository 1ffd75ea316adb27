"""The oracle: what each read shape must answer, in plain Python over dicts with the columns of points and deletions. Slow,
obviously right."""

from collections.abc import Callable, Iterable
from typing import Any

from sink.queries.selection import Selection
from varve.instants import LATEST

Layer = dict[str, Any]
Deletion = dict[str, Any]
SET, ADD, UPDATE = 0, 1, 2
MASK_OF = {"value": 1, "text": 1, "annotation": 2, "tags": 4, "valid_time_end": 8}
NEVER_SET: Layer = {"value": None, "text": None, "annotation": None, "tags": [], "valid_time_end": None}
LAST = ("series_id", "valid_time", "known_time", "recorded_time", "version", "run_id", "changed_by", "op", "mask")
FAR = 1 << 64


def seen(one: dict[str, Any], s: Selection) -> bool:
    """Of a layer or a deletion: its series is chosen, it lies below the watermark and within the bounds on its times."""
    whose = one["tenant"] == s.tenant and (s.series is None or one["series_id"] in s.series)
    below = one["version"] < min(s.watermark[one["partition"]] << 20, s.version_until or FAR)
    known = one["known_time"] < (s.known_until or FAR) and one["known_time"] <= (s.as_of_known or FAR)
    return whose and below and known and one["recorded_time"] <= (s.as_of_recorded or FAR)


def counts(one: Layer, s: Selection) -> bool:
    span = (-FAR if s.from_ is None else s.from_) <= one["valid_time"] < (FAR if s.until is None else s.until)
    return seen(one, s) and span and s.run_id in (None, one["run_id"])


def hides(deletion: Deletion, one: Layer) -> bool:
    span = deletion["from"] <= one["valid_time"] and (one["valid_time"] < deletion["until"] or deletion["until"] == LATEST)
    return bool(deletion["series_id"] == one["series_id"] and deletion["version"] > one["version"] and span)


def folded(cell: list[Layer]) -> Layer:
    """Of a cell's layers in their order."""
    row = dict(NEVER_SET)
    for one in cell:
        if one["op"] == ADD:
            row["value"] = (row["value"] or 0) + one["value"]
        else:
            row |= {name: one[name] for name, bit in MASK_OF.items() if one["mask"] & bit}
    return row | {name: cell[-1][name] for name in LAST}


def newest(rows: Iterable[Layer], *key: str) -> list[Layer]:
    return list({tuple(row[name] for name in key): row for row in rows}.values())


def history(
    layers: Iterable[Layer], s: Selection, deletions: Iterable[Deletion] = (), cutoff: Callable[[int], int] = lambda _: FAR
) -> list[Layer]:
    """Layers of a cell that were first hidden by the same deletion, or by none, are folded together: an epoch."""
    epochs: dict[Any, dict[int, Layer]] = {}
    for one in sorted((one for one in layers if counts(one, s)), key=lambda one: (one["known_time"], one["version"])):
        limit = cutoff(one["valid_time"])
        hiding = [gone for gone in deletions if seen(gone, s) and hides(gone, one) and gone["known_time"] <= limit]
        first = min(hiding, key=lambda gone: gone["version"], default={"version": None, "recorded_time": None})
        if one["known_time"] <= limit:
            epoch = epochs.setdefault((one["series_id"], one["valid_time"], first["version"]), {})
            epoch[one["version"]] = one | {"deleted_time": first["recorded_time"]}
    cells = [list(epoch.values()) for epoch in epochs.values()]
    rows = [folded(cell[: at + 1]) | {"deleted_time": cell[at]["deleted_time"]} for cell in cells for at in range(len(cell))]
    return [row for row in rows if s.known_from is None or row["known_time"] >= s.known_from]


def overlapping(layers: Iterable[Layer], s: Selection, deletions: Iterable[Deletion] = ()) -> list[Layer]:
    return newest(_shown(history(layers, s, deletions)), "series_id", "valid_time", "known_time")


def flat(layers: Iterable[Layer], s: Selection, deletions: Iterable[Deletion] = ()) -> list[Layer]:
    return newest(_shown(history(layers, s, deletions)), "series_id", "valid_time")


def latest(layers: Iterable[Layer], s: Selection, deletions: Iterable[Deletion] = ()) -> list[Layer]:
    return newest(sorted(flat(layers, s, deletions), key=lambda row: row["valid_time"]), "series_id")


def relative(layers: Iterable[Layer], s: Selection, cutoff: Callable[[int], int], deletions: Iterable[Deletion] = ()) -> list[Layer]:
    return newest(_shown(history(layers, s, deletions, cutoff)), "series_id", "valid_time")


def _shown(rows: Iterable[Layer]) -> list[Layer]:
    return [row for row in rows if row["deleted_time"] is None]
