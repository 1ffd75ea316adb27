"""Runs of one tenant: each field as the newest row says that has it; newest runs first."""

import uuid
from dataclasses import dataclass

from sink.queries.layers import instant_place, visible
from sink.queries.query import Query

_NEWEST = ("workflow_id", "known_time", "started", "finished", "params", "points")


@dataclass(frozen=True)
class RunSearch:
    """All conditions hold together; None does not narrow. after: (opened_time in UTC ns, run_id) of the last row seen."""

    tenant: uuid.UUID
    watermark: tuple[int, ...] | None = None
    ids: tuple[uuid.UUID, ...] | None = None
    workflow_id: str | None = None
    state: str | None = None
    after: tuple[int, uuid.UUID] | None = None
    limit: int | None = None


def runs(search: RunSearch) -> Query:
    where, bound = ["r.tenant = {tenant:UUID}"], dict[str, object](tenant=search.tenant)
    if search.watermark is not None:
        where.append(visible("r", search.watermark, bound))
    if search.ids is not None:
        where.append("r.run_id IN {ids:Array(UUID)}")
        bound["ids"] = list(search.ids)
    conditions = []
    for name, wanted in (("workflow_id", search.workflow_id), ("state", search.state)):
        if wanted is not None:
            conditions.append(f"c.{name} = {{{name}:String}}")
            bound[name] = wanted
    if search.after is not None:
        opened, place = "c.opened_time", instant_place("after_opened")
        conditions.append(f"({opened} < {place} OR ({opened} = {place} AND c.run_id > {{after_id:UUID}}))")
        bound["after_opened"], bound["after_id"] = search.after
    tail = "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""
    page = "\nLIMIT {limit:UInt64}" if search.limit is not None else ""
    if search.limit is not None:
        bound["limit"] = search.limit
    return Query(f"SELECT *\nFROM {_folded(where)} AS c{tail}\nORDER BY c.opened_time DESC, c.run_id{page}", bound)


def _folded(where: list[str]) -> str:
    """argMax passes over nulls, so each field is the newest that was told."""
    newest = [f"argMax(r.{name}, r.version) AS {name}" for name in _NEWEST]
    listed = ",\n  ".join(
        [
            "r.run_id AS run_id",
            "if(countIf(r.state = 'sealed') > 0, 'sealed', 'opened') AS state",
            *newest,
            "min(r.recorded_time) AS opened_time",
            "argMin(r.changed_by, r.version) AS changed_by",
            "max(r.version) AS version",
        ]
    )
    return f"(\nSELECT\n  {listed}\nFROM runs AS r\nWHERE " + "\n  AND ".join(where) + "\nGROUP BY r.run_id\n)"
