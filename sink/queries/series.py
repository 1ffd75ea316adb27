"""Series of one tenant: found by id, key, name, unit, tags, attributes, labels; each field as its newest row says.

Pages are in order of (key, series_id); series without a key come first.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sink.queries.layers import visible
from sink.queries.query import Query
from streams.points import SERIES_FIELDS

_MATCHES = ("key", "name", "unit", "description", "value_type")


@dataclass(frozen=True)
class SeriesSearch:
    """All conditions hold together; None and empty ones do not narrow. watermark None: everything that the store has.

    exact, prefix: by field (key, name, unit, description, value_type). after: (key, series_id) of the last row seen.
    """

    tenant: uuid.UUID
    watermark: tuple[int, ...] | None = None
    ids: tuple[uuid.UUID, ...] | None = None
    exact: Mapping[str, str] = field(default_factory=dict)
    prefix: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    with_deleted: bool = False
    after: tuple[str, uuid.UUID] | None = None
    limit: int | None = None


def series(search: SeriesSearch) -> Query:
    """First the few fields that the search asks about, of the series that may match; then all of those on the page."""
    where, bound = _whose(search)
    conditions, candidates = _conditions(search, bound), _candidates(search, where, bound)
    if search.limit is not None:
        bound["limit"] = search.limit
        asked = _folded([*where, *candidates], _asked_about(search), many=True)
        chosen = f"SELECT c.series_id\n  FROM {asked} AS c{_all_of(conditions)}\n  ORDER BY {_ORDER}\n  LIMIT {{limit:UInt64}}"
        candidates, conditions = [f"s.series_id IN (\n  {chosen})"], []
    listed = (
        "series_id, key, name, description, unit, value_type, tags, attributes, labels, created_time, changed_time, changed_by, version"
    )
    names = ", ".join(f"c.{name} AS {name}" for name in listed.split(", "))
    folded = _folded([*where, *candidates], SERIES_FIELDS, _TIMES)
    return Query(f"SELECT {names}\nFROM {folded} AS c{_all_of(conditions)}\nORDER BY {_ORDER}", bound)


def value_types(tenant: uuid.UUID, ids: tuple[uuid.UUID, ...]) -> Query:
    """series_id, value_type of those that exist, whether visible yet or not: a value type never changes. Empty: it has none yet."""
    search = SeriesSearch(tenant, ids=ids)
    where, bound = _whose(search)
    columns = f"s.series_id AS series_id, ifNull({_newest('value_type')}, '') AS value_type, {_newest('deleted')} AS deleted"
    folded = f"SELECT {columns}\nFROM series AS s\nWHERE " + "\n  AND ".join(where) + "\nGROUP BY s.series_id"
    return Query(f"SELECT v.series_id AS series_id, v.value_type AS value_type FROM (\n{folded}\n) AS v\nWHERE v.deleted = 0", bound)


def _whose(search: SeriesSearch) -> tuple[list[str], dict[str, object]]:
    where, bound = ["s.tenant = {tenant:UUID}"], dict[str, object](tenant=search.tenant)
    if search.watermark is not None:
        where.append(visible("s", search.watermark, bound))
    if search.ids is not None:
        where.append("s.series_id IN {ids:Array(UUID)}")
        bound["ids"] = list(search.ids)
    return where, bound


def _folded(where: Sequence[str], fields: Iterable[str], more: Sequence[str] = (), *, many: bool = False) -> str:
    """One row a series; each field from the row of highest version whose mask has its bit (order of SERIES_FIELDS). many: of all series,
    which lie in their order already."""
    listed = ",\n  ".join(["s.series_id AS series_id", *(f"{_field(name)} AS {name}" for name in fields), *more])
    tail = "\nSETTINGS optimize_aggregation_in_order = 1" if many else ""
    return f"(\nSELECT\n  {listed}\nFROM series AS s\nWHERE " + "\n  AND ".join(where) + f"\nGROUP BY s.series_id{tail}\n)"


def _all_of(conditions: Sequence[str]) -> str:
    return "\nWHERE " + "\n  AND ".join(conditions) if conditions else ""


def _asked_about(search: SeriesSearch) -> list[str]:
    given = {"tags": search.tags, "attributes": search.attributes, "labels": search.labels}
    named = {"key", "deleted", *search.exact, *search.prefix, *(name for name, one in given.items() if one)}
    return [name for name in SERIES_FIELDS if name in named]


_GONE = f"maxIf(s.version, bitTest(s.mask, {SERIES_FIELDS.index('deleted')}) AND s.deleted = 1)"  # a series may come back


_TIMES = (
    f"arrayMin(r -> if(r.1 > {_GONE}, r.2, NULL), groupArray(tuple(s.version, s.recorded_time))) AS created_time",
    "max(s.recorded_time) AS changed_time",
    "argMax(s.changed_by, s.version) AS changed_by",
    "max(s.version) AS version",
)
_CLEARED = ("name", "description", "unit")
_ORDER = "ifNull(c.key, ''), c.series_id"


def _field(name: str) -> str:
    return f"ifNull({_newest(name)}, 'number')" if name == "value_type" else _newest(name)


def _newest(name: str) -> str:
    """What may be cleared, by a null, is put into a tuple, since nulls are passed over."""
    said = f"s.version, bitTest(s.mask, {SERIES_FIELDS.index(name)})"
    return f"tupleElement(argMaxIf(tuple(s.{name}), {said}), 1)" if name in _CLEARED else f"argMaxIf(s.{name}, {said})"


def _candidates(search: SeriesSearch, where: Sequence[str], bound: dict[str, object]) -> list[str]:
    """What a series is, some row of it must say: a condition on rows before they are folded. One is enough, of a kind that few match; each
    costs a look at all rows. Its places are bound by _conditions."""
    said = [f"s.{name} = {{{name}:String}}" for name in ("key", "name", "description") if name in search.exact]
    said += [f"startsWith(ifNull(s.{name}, ''), {{{name}_prefix:String}})" for name, text in search.prefix.items() if text]
    for name, pairs in (("attributes", search.attributes), ("labels", search.labels)):
        if pairs and not said:
            said.append(f"s.{name}[{{{name}_key:String}}] = {{{name}_value:String}}")
            bound[f"{name}_key"], bound[f"{name}_value"] = next(iter(pairs.items()))
    said += ["hasAll(s.tags, {tags:Array(String)})"] if search.tags else []
    said += ["s.unit = {unit:String}"] if "unit" in search.exact else []
    said += ["s.key >= {after_key:String}"] if search.after is not None and search.after[0] else []
    return [f"s.series_id IN (SELECT s.series_id FROM series AS s WHERE {' AND '.join([*where, one])})" for one in said[:1]]


def _conditions(search: SeriesSearch, bound: dict[str, object]) -> list[str]:
    found = [] if search.with_deleted else ["c.deleted = 0"]
    for name in _MATCHES:
        if name in search.exact:
            found.append(f"c.{name} = {{{name}:String}}")
            bound[name] = search.exact[name]
        if name in search.prefix:
            found.append(f"startsWith(ifNull(c.{name}, ''), {{{name}_prefix:String}})")
            bound[f"{name}_prefix"] = search.prefix[name]
    if search.tags:
        found.append("hasAll(c.tags, {tags:Array(String)})")
        bound["tags"] = list(search.tags)
    for name, pairs in (("attributes", search.attributes), ("labels", search.labels)):
        if pairs:
            keys, values = f"{{{name}_keys:Array(String)}}", f"{{{name}_values:Array(String)}}"
            found.append(f"arrayAll((k, v) -> mapContains(c.{name}, k) AND c.{name}[k] = v, {keys}, {values})")
            bound[f"{name}_keys"], bound[f"{name}_values"] = list(pairs), list(pairs.values())
    if search.after is not None:
        found.append(
            "(ifNull(c.key, '') > {after_key:String} OR (ifNull(c.key, '') = {after_key:String} AND c.series_id > {after_id:UUID}))"
        )
        bound["after_key"], bound["after_id"] = search.after
    return found
