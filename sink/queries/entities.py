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
    """All conditions hold together; None and empty ones do not narrow. fields: what the document says, top level, text or JSON; has:
    names of fields; like: patterns of LIKE for a field, any of which it matches. heads: what ids say before their first '/'. entity_ids:
    the log's. as_of_recorded: UTC ns. after: the last id seen. kinds: several instead of the one. ids: any of them."""

    tenant: uuid.UUID
    watermark: tuple[int, ...]
    kind: str
    id: str | None = None
    prefix: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    has: tuple[str, ...] = ()
    like: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    heads: tuple[str, ...] | None = None
    entity_ids: tuple[uuid.UUID, ...] | None = None
    as_of_recorded: int | None = None
    after: str | None = None
    limit: int | None = None
    kinds: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None


def entities(search: EntitySearch) -> Query:
    """kind, id, version, document (JSON), deleted, recorded_time, changed_by of those that are there."""
    where, bound = _of(search)
    conditions = ["NOT c.deleted", *_said(search, bound)]
    page = ""
    if search.limit is not None:
        page, bound["limit"] = "\nLIMIT {limit:UInt64}", search.limit
    by = "e.kind, e.id" if search.kinds else "e.id"
    newest = f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {where}\nORDER BY {by}, e.version DESC\nLIMIT 1 BY {by}"
    return Query(f"SELECT *\nFROM (\n{newest}\n) AS c\nWHERE " + "\n  AND ".join(conditions) + f"\nORDER BY c.id{page}", bound)


def heads(search: EntitySearch) -> Query:
    """head: what the ids of those that are there say before their first '/', each once."""
    where, bound = _of(search)
    newest = f"SELECT e.id AS id, e.deleted AS deleted\nFROM entities AS e\nWHERE {where}\nORDER BY e.id, e.version DESC\nLIMIT 1 BY e.id"
    return Query(f"SELECT DISTINCT {_head('c')} AS head\nFROM (\n{newest}\n) AS c\nWHERE NOT c.deleted\nORDER BY head", bound)


def entity_versions(search: EntitySearch) -> Query:
    """Every version of one document, newest first, each once; a deletion is one."""
    where, bound = _of(search)
    return Query(f"SELECT {_LISTED}\nFROM entities AS e\nWHERE {where}\nORDER BY e.version DESC\nLIMIT 1 BY e.version", bound)


def _said(search: EntitySearch, bound: dict[str, object]) -> list[str]:
    """Conditions on documents."""
    found = []
    for number, (name, wanted) in enumerate(sorted(search.fields.items())):
        said, place = f"c.document, {{field_{number}:String}}", f"{{wanted_{number}:String}}"
        found.append(f"(JSONExtractString({said}) = {place} OR JSONExtractRaw({said}) = {place})")
        bound |= {f"field_{number}": name, f"wanted_{number}": wanted}
    for number, name in enumerate(search.has):
        found.append(f"JSONHas(c.document, {{has_{number}:String}})")
        bound[f"has_{number}"] = name
    for number, (name, patterns) in enumerate(sorted(search.like.items())):
        said = f"c.document, {{liked_{number}:String}}"
        text = f"if(JSONType({said}) = 'String', JSONExtractString({said}), JSONExtractRaw({said}))"
        places = [f"{{like_{number}_{at}:String}}" for at in range(len(patterns))]
        found.append("(" + " OR ".join(f"{text} LIKE {place}" for place in places) + ")")
        bound |= {f"liked_{number}": name, **{f"like_{number}_{at}": pattern for at, pattern in enumerate(patterns)}}
    return found


def _head(alias: str) -> str:
    return f"substringIndex({alias}.id, '/', 1)"


def _of(search: EntitySearch) -> tuple[str, dict[str, object]]:
    bound: dict[str, object] = {"tenant": search.tenant}
    where = ["e.tenant = {tenant:UUID}", "e.kind IN {kinds:Array(String)}" if search.kinds else "e.kind = {kind:String}"]
    bound |= {"kinds": list(search.kinds)} if search.kinds else {"kind": search.kind}
    where.append(visible("e", search.watermark, bound))
    if search.id is not None:
        where.append("e.id = {id:String}")
        bound["id"] = search.id
    if search.ids is not None:
        where.append("e.id IN {ids:Array(String)}")
        bound["ids"] = list(search.ids)
    if search.prefix is not None:
        where.append("startsWith(e.id, {prefix:String})")
        bound["prefix"] = search.prefix
    if search.heads is not None:
        where.append(f"{_head('e')} IN {{heads:Array(String)}}")
        bound["heads"] = list(search.heads)
    if search.entity_ids is not None:
        where.append("e.entity_id IN {entity_ids:Array(UUID)}")
        bound["entity_ids"] = list(search.entity_ids)
    if search.after is not None:
        where.append("e.id > {after:String}")
        bound["after"] = search.after
    if search.as_of_recorded is not None:
        where.append(f"e.recorded_time <= {instant_place('as_of_recorded')}")
        bound["as_of_recorded"] = search.as_of_recorded
    return "\n  AND ".join(where), bound
