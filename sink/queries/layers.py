"""Which layers a selection sees, as a FROM expression and conditions on its rows `l`; every read shape stands on them (I9).
Deletions hide here, so that no shape has to think of them. Pure.

A seen deletion hides the layers of smaller version in its span. What hides at a valid_time is a step function of it, joined
as of each layer (source); where it matters which deletion it was, or its own known_time, all are joined (deletions_beside).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sink.queries.selection import Selection
from varve.instants import LATEST
from varve.position import ROW_BITS
from varve.series import partition_of

Conditions = tuple[list[str], dict[str, Any]]


@dataclass(frozen=True)
class View:
    """What the rows in view ask of a query. folded: a layer is not a full set; hiding: there is a deletion."""

    folded: bool = False
    hiding: bool = False


ALWAYS = View(folded=True, hiding=True)  # right whatever the rows are


@dataclass(frozen=True)
class Source:
    """table: after FROM, its layers named `l`; where: to be joined by AND; running: an add's own absolute value may be believed."""

    table: str
    where: tuple[str, ...]
    bound: dict[str, Any]
    running: bool

    def narrowed(self, more: Sequence[str]) -> "Source":
        return replace(self, where=(*self.where, *more))


def source(selection: Selection, hiding: bool) -> Source:
    """The layers that a selection sees, without those that a deletion hides."""
    where, bound = seen(selection)
    believed = selection.run_id is None
    if not hiding:
        return Source("points AS l", tuple(where), bound, believed)
    conditions, more = _deletions_seen(selection, own_times=True)
    # an add counts on deletions that a read as of an earlier known_time does not see
    return without_deleted(where, conditions, bound | more, believed and not known_bounded(selection))


def without_deleted(where: Sequence[str], deletions: Sequence[str], bound: dict[str, Any], running: bool) -> Source:
    """Layers that meet conditions on `l` and that no deletion hides which meets conditions on `d`."""
    table = f"points AS l\nASOF LEFT JOIN {_steps(deletions)} AS h ON l.series_id = h.series_id AND l.valid_time >= h.at"
    return Source(table, (*where, "l.version >= ifNull(h.hides, 0)"), bound | {"no_end": LATEST}, running)


def deletions_beside(selection: Selection, own_times: bool = True) -> Source:
    """The layers that a selection sees, hidden ones too, each beside the deletions of its series, oldest first:
    h.deletions, tuples (version, from, until, known_time, recorded_time). own_times: those within the selection's bounds."""
    where, bound = seen(selection)
    conditions, more = _deletions_seen(selection, own_times)
    beside = f"""(
  SELECT d.series_id AS series_id, arraySort(groupArray(tuple(d.version, d.`from`, d.until, d.known_time, d.recorded_time))) AS deletions
  FROM deletions AS d
  WHERE {_all_of(conditions, 4)}
  GROUP BY d.series_id)"""
    table = f"points AS l\nLEFT JOIN {beside} AS h ON l.series_id = h.series_id"
    bound = bound | more | {"no_end": LATEST}
    return Source(table, tuple(where), bound, selection.run_id is None and not known_bounded(selection))


def covers(deletion: str) -> str:
    """The deletion, a tuple of deletions_beside, hides `l`."""
    spans = f"l.valid_time >= {deletion}.2 AND (l.valid_time < {deletion}.3 OR {deletion}.3 = {instant_place('no_end')})"
    return f"{deletion}.1 > l.version AND {spans}"


def deleted(selection: Selection) -> Conditions:
    """Conditions on `deletions AS d` for those that may hide some layer of the selection, whatever their own times."""
    return _deletions_seen(selection, own_times=False)


def seen(selection: Selection) -> Conditions:
    """Conditions on `l`, to be joined by AND, and their parameters; a layer that a deletion hides is still there."""
    where, bound = _below_watermark(selection, "l")
    where += _within(_SPAN, "l", selection, bound) + _within(_TIMES, "l", selection, bound)
    if selection.run_id is not None:
        where.append("l.run_id = {run_id:UUID}")
        bound["run_id"] = selection.run_id
    return where, bound


def instant_place(name: str) -> str:
    return f"fromUnixTimestamp64Nano({{{name}:Int64}}, 'UTC')"


def visible(alias: str, watermark: tuple[int, ...], bound: dict[str, Any]) -> str:
    """The row lies below its partition's watermark; a partition that the vector does not have is not seen at all."""
    bound["versions_until"] = [offset << ROW_BITS for offset in watermark]
    return f"{alias}.version < {{versions_until:Array(UInt64)}}[{alias}.partition + 1]"


def known_from(selection: Selection, alias: str, bound: dict[str, Any]) -> list[str]:
    """Bounds the rows shown, not the layers folded: an update keeps the fields of layers known before."""
    if selection.known_from is None:
        return []
    bound["known_from"] = selection.known_from
    return [f"{alias}.known_time >= {instant_place('known_from')}"]


_SPAN = (("from_", "valid_time", ">="), ("until", "valid_time", "<"))
_TIMES = (("known_until", "known_time", "<"), ("as_of_known", "known_time", "<="), ("as_of_recorded", "recorded_time", "<="))


def _within(bounds: Sequence[tuple[str, str, str]], alias: str, selection: Selection, bound: dict[str, Any]) -> list[str]:
    found = []
    for name, column, comparison in bounds:
        instant, place = getattr(selection, name), name.rstrip("_")
        if instant is not None:
            found.append(f"{alias}.{column} {comparison} {instant_place(place)}")
            bound[place] = instant
    return found


def known_bounded(selection: Selection) -> bool:
    return selection.as_of_known is not None or selection.known_until is not None


def _deletions_seen(selection: Selection, own_times: bool) -> Conditions:
    where, bound = _below_watermark(selection, "d")
    if own_times:
        where += _within(_TIMES, "d", selection, bound)
    if selection.from_ is not None:
        where.append(f"(d.until > {instant_place('from')} OR d.until = {instant_place('no_end')})")
        bound |= {"from": selection.from_, "no_end": LATEST}
    if selection.until is not None:
        where.append(f"d.`from` < {instant_place('until')}")
        bound["until"] = selection.until
    return where, bound


def _steps(conditions: Sequence[str]) -> str:
    """(series_id, at, hides): from `at` to the series' next one, layers below version `hides` are hidden. Ranges that were
    deleted again and again, as a series that is rewritten every day, count once."""
    spans = f"b >= r.1 AND (b < r.2 OR r.2 = {instant_place('no_end')})"
    return f"""(
  SELECT s.series_id AS series_id, b AS at, arrayMax(arrayMap(r -> if({spans}, r.3, 0), s.ranges)) AS hides
  FROM (
    SELECT g.series_id AS series_id, groupArray(tuple(g.starts, g.ends, g.newest)) AS ranges
    FROM (
      SELECT d.series_id AS series_id, d.`from` AS starts, d.until AS ends, max(d.version) AS newest
      FROM deletions AS d
      WHERE {_all_of(conditions, 8)}
      GROUP BY d.series_id, d.`from`, d.until) AS g
    GROUP BY g.series_id) AS s
  ARRAY JOIN arrayDistinct(arrayConcat(tupleElement(s.ranges, 1), tupleElement(s.ranges, 2))) AS b)"""


def _all_of(conditions: Sequence[str], indent: int) -> str:
    return ("\n" + " " * indent + "AND ").join(conditions)


def _below_watermark(selection: Selection, alias: str) -> Conditions:
    where, bound = _whose(selection, alias)
    if selection.single is None:
        where.append(visible(alias, selection.watermark, bound))
        return where, bound
    # one series lives in one partition (I2): a constant bound is cheaper. It leaves out next to nothing, so that looking it up in the
    # index on version would only cost time: identity() keeps it from being tried
    limit = selection.watermark[partition_of(selection.single, len(selection.watermark))] << ROW_BITS
    if selection.version_until is None:
        where.append(f"identity({alias}.version) < {{version_until:UInt64}}")
    else:
        where.append(f"{alias}.version < {{version_until:UInt64}}")
        limit = min(limit, selection.version_until)
    bound["version_until"] = limit
    return where, bound


def _whose(selection: Selection, alias: str) -> Conditions:
    where, bound = [f"{alias}.tenant = {{tenant:UUID}}"], {"tenant": selection.tenant}
    if selection.single is not None:
        return [*where, f"{alias}.series_id = {{series_id:UUID}}"], bound | {"series_id": selection.single}
    if selection.series is not None:
        return [*where, f"{alias}.series_id IN {{series_ids:Array(UUID)}}"], bound | {"series_ids": list(selection.series)}
    return where, bound
