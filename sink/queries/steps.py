"""One series' deletions as steps of time, told beforehand: its layers are then read in the table's own order, where a join would sort them
all. Pure.

Before: sink/observations.py asks look(). After: whatever shape is made of the Source. Right for selections without bounds on known_time and
recorded_time alone, where each deletion below the watermark hides.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sink.queries.layer import series_version
from sink.queries.layers import Source, deleted, seen
from sink.queries.query import Query
from sink.queries.selection import Selection
from streams.points import OP_SET
from varve.instants import EARLIEST, LATEST

STEPS_MAX = 500  # ranges; of a series that has more, the layers are joined
Range = tuple[int, int, int]


def look(selection: Selection, *, ends: bool) -> Query:
    """partial: is any layer not a full set? deletions: (from, until, version), UTC ns, the newest of each range, one beyond STEPS_MAX at
    most. ends: also the series' version, and of its first and its last cell (at, version, is its value null?) of the newest layer."""
    where, bound = seen(selection)
    hiding, more = deleted(selection)
    conditions, of_deletions = "\n    AND ".join(where), "\n    AND ".join(hiding)
    from_, until = (f"toUnixTimestamp64Nano(d.{name})" for name in ("`from`", "until"))
    asked = {
        "partial": f"SELECT count() FROM (SELECT 1 FROM points AS l WHERE {conditions}\n    AND l.op != {OP_SET} LIMIT 1)",
        "deletions": f"""SELECT groupArray(tuple(g.starts, g.ends, g.newest)) FROM (
    SELECT {from_} AS starts, {until} AS ends, max(d.version) AS newest FROM deletions AS d WHERE {of_deletions}
    GROUP BY starts, ends LIMIT {{ranges_max:UInt64}}) AS g""",
    }
    bound = bound | more | {"ranges_max": STEPS_MAX + 1}
    if ends:
        assert selection.single is not None
        version = series_version(selection.tenant, selection.single, selection.watermark)
        asked |= {"version": version.sql, "first": _edge(conditions, ""), "last": _edge(conditions, " DESC")}
        bound |= version.parameters
    return Query("SELECT " + ",\n  ".join(f"({question}) AS {name}" for name, question in asked.items()), bound)


def stepped(selection: Selection, ranges: Sequence[Range]) -> Source:
    """The layers that the selection sees, without those that a range hides."""
    where, bound = seen(selection)
    if not ranges:
        return Source("points AS l", tuple(where), bound, selection.run_id is None)
    starts, hides = steps_of(ranges)
    at = "roundDown(toUnixTimestamp64Nano(l.valid_time), {step_starts:Array(Int64)})"
    hidden = f"transform({at}, {{step_starts:Array(Int64)}}, {{step_hides:Array(UInt64)}}, toUInt64(0))"
    more = {"step_starts": starts, "step_hides": hides}
    return Source("points AS l", (*where, f"l.version >= {hidden}"), bound | more, selection.run_id is None)


def steps_of(ranges: Sequence[Range]) -> tuple[list[int], list[int]]:
    """From each start to the next, layers below the version are hidden; the first start is that of all instants."""
    from_, until, version = (np.array(column, dtype) for column, dtype in zip(zip(*ranges, strict=True), _DTYPES, strict=True))
    starts = np.unique(np.concatenate(([EARLIEST], from_, until[until < LATEST])))
    over = (from_ <= starts[:, None]) & ((starts[:, None] < until) | (until == LATEST))
    return starts.tolist(), np.where(over, version, np.uint64(0)).max(axis=1).tolist()


def hides_at(ranges: Sequence[Range], at: int) -> int:
    """Layers below this version are hidden there."""
    return max((version for from_, until, version in ranges if from_ <= at and (at < until or until == LATEST)), default=0)


_DTYPES: tuple[Any, ...] = (np.int64, np.int64, np.uint64)


def _edge(conditions: str, way: str) -> str:
    order = f"l.valid_time{way}, l.known_time DESC, l.version DESC"
    told = "toUnixTimestamp64Nano(l.valid_time) AS at, l.version AS version, l.value IS NULL AS empty"
    return f"""SELECT groupArray(tuple(e.at, e.version, e.empty)) FROM (
    SELECT {told} FROM points AS l WHERE {conditions}
    ORDER BY {order} LIMIT 1) AS e"""
