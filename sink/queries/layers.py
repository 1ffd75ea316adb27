"""Which layers a selection sees, as conditions on `points AS l`; every read shape stands on them (I9). Pure.

Deletions belong here: a layer that one hides is not seen, whatever the shape.
"""

from typing import Any

from sink.queries.selection import Selection
from varve.position import ROW_BITS
from varve.series import partition_of

Conditions = tuple[list[str], dict[str, Any]]


def seen(selection: Selection) -> Conditions:
    """Conditions, to be joined by AND, and their parameters."""
    where, bound = _whose(selection)
    _within_watermark(selection, where, bound)
    for name, column, comparison, instant in (
        ("from", "valid_time", ">=", selection.from_),
        ("until", "valid_time", "<", selection.until),
        ("known_until", "known_time", "<", selection.known_until),
        ("as_of_known", "known_time", "<=", selection.as_of_known),
        ("as_of_recorded", "recorded_time", "<=", selection.as_of_recorded),
    ):
        if instant is not None:
            where.append(f"l.{column} {comparison} {instant_place(name)}")
            bound[name] = instant
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


def _whose(selection: Selection) -> Conditions:
    where, bound = ["l.tenant = {tenant:UUID}"], {"tenant": selection.tenant}
    if selection.single is not None:
        return [*where, "l.series_id = {series_id:UUID}"], bound | {"series_id": selection.single}
    if selection.series is not None:
        return [*where, "l.series_id IN {series_ids:Array(UUID)}"], bound | {"series_ids": list(selection.series)}
    return where, bound


def _within_watermark(selection: Selection, where: list[str], bound: dict[str, Any]) -> None:
    if selection.single is not None:  # one series lives in one partition (I2): a constant bound is cheaper
        partition = partition_of(selection.single, len(selection.watermark))
        where.append("l.version < {version_until:UInt64}")
        bound["version_until"] = selection.watermark[partition] << ROW_BITS
    else:
        where.append(visible("l", selection.watermark, bound))
