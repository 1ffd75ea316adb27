"""Looks at a world from outside, at what is on its log and in its changelog: complaints, in words, about what was lost,
doubled, changed or left open.
"""

from collections import Counter
from typing import Any

from streams.fold import fold, pass_over
from streams.log import LogRecord
from streams.points import decode_points
from streams.receipts import Receipt
from streams.state import PartitionState
from tests.simulation.world import APART_NS, PARTITIONS, World
from varve.codec import decode
from varve.errors import VarveError
from varve.instants import ABSENT
from varve.series import DEFAULT_TENANT, series_id

VIEWS = ("layers", "rollups", "stale", "deletions")


async def complaints(world: World) -> list[str]:
    found: list[str] = []
    cells: Counter[tuple[bytes, int]] = Counter()
    for partition in range(PARTITIONS):
        rows = _layers(world, partition, found)
        cells.update((row["series_id"], row["valid_time"].value // APART_NS) for row in rows.values())
        found += await _positions(world, partition)
        found += _state(world, partition)
    found += _cells(world, cells)
    found += await _receipts(world)
    written = world.log.records(world.topics.dead_letters, 0)
    letters = {(one.header("topic"), one.header("partition"), one.header("offset")) for one in written}
    if len(letters) < world.sent.poison:
        found.append(f"{world.sent.poison} poisonous records, {len(letters)} dead letters")
    return found


def _layers(world: World, partition: int, found: list[str]) -> dict[int, dict[str, Any]]:
    """Layers by version: a repeated one must be equal."""
    rows: dict[int, dict[str, Any]] = {}
    for record in world.log.records(world.topics.points, partition):
        message = decode_points(record.value, record.headers)
        shown = message.table.to_pylist() if message.name == "layers" and message.table is not None else []
        differ = [row["version"] for row in shown if rows.setdefault(row["version"], row) != row]
        found += [f"partition {partition}: version {version} came out twice and differs" for version in differ]
    return rows


async def _positions(world: World, partition: int) -> list[str]:
    points = world.log.records(world.topics.points, partition)
    closed = {int(one.header("position") or -1) for one in points if one.header("last") == "1"}
    end = (await world.log.ends(world.topics.events))[partition]
    return [f"partition {partition}: position {offset} is never closed" for offset in range(end) if offset not in closed]


def _state(world: World, partition: int) -> list[str]:
    """What is remembered, and what came out, against a fresh fold of the log."""
    fresh = PartitionState(partition)
    views: dict[str, set[str]] = {name: set() for name in VIEWS}
    for record in world.log.records(world.topics.events, partition):
        try:
            decoded = decode(record.value, record.header("content-type"))
            change, made, _ = fold(fresh, decoded, record.offset, record.timestamp, _intake(record))
            _add_views(views, made.tables)
        except VarveError:
            change, _ = pass_over(fresh, record.offset)
        fresh.take(change)
    held = world.guards.recover({}, world.changelog.get((world.topics.events, partition), []))
    remembered = PartitionState.recover(partition, held)
    same = _series(remembered) == _series(fresh) and remembered.applied == fresh.applied and remembered.intake == fresh.intake
    same = same and max(remembered.newest, ABSENT) == fresh.newest
    told = [] if same else [f"partition {partition}: the state at {remembered.applied} is not the replay's at {fresh.applied}"]
    emitted: dict[str, set[str]] = {name: set() for name in VIEWS}
    for record in world.log.records(world.topics.points, partition):
        message = decode_points(record.value, record.headers)
        if message.table is not None:
            _add_views(emitted, {message.name: message.table})
    return told + [f"partition {partition}: the {name} are not the replay's" for name in VIEWS if emitted[name] != views[name]]


def _add_views(views: dict[str, set[str]], tables: dict[str, Any]) -> None:
    for name in VIEWS:
        if name in tables:
            views[name].update(str(row) for row in tables[name].to_pylist())


def _series(state: PartitionState) -> dict[bytes, bytes]:
    return {key: state._rows[slot].tobytes() for key, slot in state._index.items()}


def _intake(record: LogRecord) -> tuple[int, int] | None:
    given = record.header("intake")
    return (int(given.split("-")[0]), int(given.split("-")[1])) if given else None


def _cells(world: World, cells: Counter[tuple[bytes, int]]) -> list[str]:
    wanted = {(series_id(DEFAULT_TENANT, key).bytes, number) for key, number in world.sent.cells}
    never = {(series_id(DEFAULT_TENANT, key).bytes, number) for key, number in world.sent.never}
    lost, doubled = len(wanted - cells.keys()), sum(1 for count in cells.values() if count > 1)
    shown, strange = len(never & cells.keys()), len(cells.keys() - wanted - never)
    told = {"lost": lost, "doubled": doubled, "of a refused request shown": shown, "that nobody wrote": strange}
    return [f"{count} cells {what}" for what, count in told.items() if count]


async def _receipts(world: World) -> list[str]:
    told = {(one.intake_partition, one.intake_offset) for one in map(_receipt, world.log.records(world.topics.receipts, 0))}
    ends = await world.log.ends(world.topics.intake)
    return [f"intake {at} has no receipt" for p, end in ends.items() for at in ((p, o) for o in range(end)) if at not in told]


def _receipt(record: LogRecord) -> Receipt:
    assert record.key is not None
    return Receipt.decode(record.key, record.value)
