"""Questions about what is described: series by filters, runs. Each at the read's watermark vector (I9). Pure.

Before: reads.py. After: store_calls.py. For each field of a series the row of the highest version that sets it counts.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sink.queries.query import Query
from streams.points import SERIES_FIELDS
from varve.position import ROW_BITS

_NANO = "toUnixTimestamp64Nano"


@dataclass(frozen=True)
class SeriesFilter:
    """Series that match all of it. ids: only these; keys: one of them."""

    ids: tuple[uuid.UUID, ...] = ()
    keys: tuple[str, ...] = ()
    name: str | None = None
    unit: str | None = None
    tags: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    prefix: str | None = None

    @property
    def empty(self) -> bool:
        return self == SeriesFilter()


def series_query(tenant: uuid.UUID, vector: Mapping[int, int], wanted: SeriesFilter, limit: int, start: int) -> Query:
    """limit 0: all of them."""
    fields = ",\n  ".join(f"argMaxIf(tuple({name}), version, bitTest(mask, {bit})).1 AS {name}" for bit, name in enumerate(SERIES_FIELDS))
    bound: dict[str, Any] = {"tenant": str(tenant), "marks": _marks(vector)}
    inner = ["tenant = {tenant:UUID}", "version < {marks:Array(UInt64)}[partition + 1]"]
    if wanted.ids:
        inner.append("series_id IN {ids:Array(UUID)}")
        bound["ids"] = [str(one) for one in wanted.ids]
    outer = ["deleted = 0", *_conditions(wanted, bound)]
    page = "\nLIMIT {limit:UInt64} OFFSET {start:UInt64}" if limit else ""
    bound |= {"limit": limit, "start": start} if limit else {}
    return Query(
        f"SELECT * FROM (\nSELECT series_id, {fields},\n  max(version) AS series_version\nFROM series\nWHERE {_and(inner)}\nGROUP BY series_id\n)\n"
        f"WHERE {_and(outer)}\nORDER BY key IS NULL, key, series_id{page}",
        bound,
    )


def runs_query(
    tenant: uuid.UUID, vector: Mapping[int, int], limit: int, start: int, run_id: uuid.UUID | None = None, workflow_id: str | None = None
) -> Query:
    bound: dict[str, Any] = {"tenant": str(tenant), "marks": _marks(vector), "limit": limit, "start": start}
    inner, outer = ["tenant = {tenant:UUID}", "version < {marks:Array(UInt64)}[partition + 1]"], ["1"]
    if run_id is not None:
        inner.append("run_id = {run:UUID}")
        bound["run"] = str(run_id)
    if workflow_id is not None:
        outer.append("workflow_id = {workflow:String}")
        bound["workflow"] = workflow_id
    opened = ", ".join(f"argMaxIf(tuple({name}), version, state = 'opened').1 AS {name}" for name in ("workflow_id", "params", "changed_by"))
    times = ", ".join(f"argMaxIf(tuple({_NANO}({name})), version, state = 'opened').1 AS {name}" for name in ("known_time", "started"))
    return Query(
        f"SELECT * FROM (\nSELECT run_id, {opened}, {times},\n"
        f"  argMaxIf(tuple({_NANO}(finished)), version, finished IS NOT NULL).1 AS finished,\n"
        "  argMaxIf(tuple(points), version, points IS NOT NULL).1 AS points, countIf(state = 'sealed') > 0 AS sealed,\n"
        f"  {_NANO}(min(recorded_time)) AS recorded_time\nFROM runs\nWHERE {_and(inner)}\nGROUP BY run_id\n)\n"
        f"WHERE {_and(outer)}\nORDER BY recorded_time DESC, run_id\nLIMIT {{limit:UInt64}} OFFSET {{start:UInt64}}",
        bound,
    )


def _conditions(wanted: SeriesFilter, bound: dict[str, Any]) -> list[str]:
    found = []
    for place, condition, given in (
        ("keys", "key IN {keys:Array(String)}", list(wanted.keys)),
        ("name", "name = {name:String}", wanted.name),
        ("unit", "unit = {unit:String}", wanted.unit),
        ("wanted_tags", "hasAll(tags, {wanted_tags:Array(String)})", list(wanted.tags)),
        ("prefix", "startsWith(ifNull(key, ''), {prefix:String})", wanted.prefix),
    ):
        if given is not None and given != []:
            found.append(condition)
            bound[place] = given
    for column, pairs in (("attributes", wanted.attributes), ("labels", wanted.labels)):
        for at, (name, value) in enumerate(pairs):
            found.append(f"{column}[{{{column}_name_{at}:String}}] = {{{column}_value_{at}:String}}")
            bound |= {f"{column}_name_{at}": name, f"{column}_value_{at}": value}
    return found


def _marks(vector: Mapping[int, int]) -> list[int]:
    return [vector.get(partition, 0) << ROW_BITS for partition in range(max(vector, default=0) + 1)]


def _and(conditions: list[str]) -> str:
    return "\n  AND ".join(conditions)
