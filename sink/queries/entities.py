"""Documents of one tenant and kind: the newest version of each that matches, by id; and every version of one."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from sink.queries.layers import instant_place, visible
from sink.queries.query import Query

_COLUMNS = ("kind", "id", "version", "document", "deleted", "recorded_time", "changed_by")
_LISTED = ", ".join(f"e.{name} AS {name}" for name in _COLUMNS)


@dataclass(frozen=True)
class EntitySearch:
    """All conditions hold together; None does not narrow. fields: what the document says, top level, text or JSON. as_of_recorded: UTC ns.
    after: the last id seen."""

    tenant: uuid.UUID
    watermark: tuple[int, ...]
    kind: str
    id: str | None = None
    prefix: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    as_of_recorded: int | None = None
    after: str | None = None
    limit: int | None = None


def entities(search: EntitySearch) -> Query:
    """kind, id, version, document (JSON), deleted, recorded_time, changed_by of those that are there."""
    where, bound = _of(search)
    conditions = ["NOT c.deleted"]
    for number, (name, wanted) in enumerate(sorted(search.fields.items())):
        said, place = f"c.document, {{field_{number}:String}}", f"{{wanted_{number}:String}}"
        conditions.append(f"(JSONExtractString({said}) = {place} OR JSONExtractRaw({said}) = {place})")
        bound |= {f"field_{number}": name, f"wanted_{number}": wanted}
    page = ""
    if search.limit is not None:
        page, bound["limit"] = "\nLIMIT {limit:UInt64}", search.limit
    newest = f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {where}\nORDER BY e.id, e.version DESC\nLIMIT 1 BY e.id"
    return Query(f"SELECT *\nFROM (\n{newest}\n) AS c\nWHERE " + "\n  AND ".join(conditions) + f"\nORDER BY c.id{page}", bound)


def entity_versions(search: EntitySearch) -> Query:
    """Every version of one document, newest first, each once; a deletion is one."""
    where, bound = _of(search)
    return Query(f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {where}\nORDER BY e.version DESC\nLIMIT 1 BY e.version", bound)


def _of(search: EntitySearch) -> tuple[str, dict[str, object]]:
    bound: dict[str, object] = {"tenant": search.tenant, "kind": search.kind}
    where = ["e.tenant = {tenant:UUID}", "e.kind = {kind:String}", visible("e", search.watermark, bound)]
    if search.id is not None:
        where.append("e.id = {id:String}")
        bound["id"] = search.id
    if search.prefix is not None:
        where.append("startsWith(e.id, {prefix:String})")
        bound["prefix"] = search.prefix
    if search.after is not None:
        where.append("e.id > {after:String}")
        bound["after"] = search.after
    if search.as_of_recorded is not None:
        where.append(f"e.recorded_time <= {instant_place('as_of_recorded')}")
        bound["as_of_recorded"] = search.as_of_recorded
    return "\n  AND ".join(where), bound
