"""Looks at a world from outside, at what is on its log, in its changelog and in its store: complaints, in words, about what was lost,
doubled, changed or left open.
"""

from collections import Counter
from typing import Any

from sink.rows import TARGETS
from streams.app import changelogs
from streams.fold import fold, pass_over
from streams.log import LogRecord
from streams.receipts import Receipt
from streams.state import PartitionState
from tests.simulation.doors import APART_NS
from tests.simulation.generations import PARTITIONS, Generation
from tests.simulation.store_memory import full_rows, key_of
from tests.simulation.world import World
from varve.codec import decode
from varve.errors import VarveError
from varve.instants import ABSENT
from varve.series import DEFAULT_TENANT, series_id

VIEWS = ("layers", "rollups", "stale", "deletions", "series", "runs", "outcomes", "purges")


async def complaints(world: World) -> list[str]:
    found: list[str] = list(world.complaints)
    cells: Counter[tuple[bytes, int]] = Counter()
    for partition in range(PARTITIONS):
        rows = _layers(world.served, partition, found)
        cells.update((row["series_id"], row["valid_time"] // APART_NS) for row in rows.values())
        found += await _positions(world, partition)
        found += _state(world, partition)
    found += _cells(world, cells)
    found += await _receipts(world)
    found += _letters(world)
    return found + _stored(world.served)


def _layers(generation: Generation, partition: int, found: list[str]) -> dict[int, dict[str, Any]]:
    """Layers by version: a repeated one must be equal."""
    rows: dict[int, dict[str, Any]] = {}
    for one in generation.emitted(partition):
        shown = one.rows.values() if one.name == "layers" else ()
        differ = [row["version"] for row in shown if rows.setdefault(row["version"], row) != row]
        found += [f"partition {partition}: version {version} came out twice and differs" for version in differ]
    return rows


async def _positions(world: World, partition: int) -> list[str]:
    closed = {one.position for one in world.served.emitted(partition) if one.last}
    end = (await world.log.ends(world.served.topics.events))[partition]
    return [f"partition {partition}: position {offset} is never closed" for offset in range(end) if offset not in closed]


def _state(world: World, partition: int) -> list[str]:
    """What is remembered, and what came out, against a fresh fold of the log."""
    fresh, topics = PartitionState(partition), world.served.topics
    views: dict[str, set[str]] = {name: set() for name in VIEWS}
    for record in world.log.records(topics.events, partition):
        try:
            decoded = decode(record.value, record.header("content-type"))
            change, made, _ = fold(fresh, decoded, record.offset, record.timestamp, _intake(record))
            for name, table in made.tables.items():
                views[name].update(key_of(row) for row in full_rows(table))
        except VarveError:
            change, _ = pass_over(fresh, record.offset)
        fresh.take(change)
    remembered = PartitionState.recover(partition, world.remembered(changelogs(topics)[0].name, partition))
    same = _series(remembered) == _series(fresh) and remembered.applied == fresh.applied and remembered.intake == fresh.intake
    same = same and max(remembered.newest, ABSENT) == fresh.newest
    told = [] if same else [f"partition {partition}: the state at {remembered.applied} is not the replay's at {fresh.applied}"]
    emitted: dict[str, set[str]] = {name: set() for name in VIEWS}
    for one in world.served.emitted(partition):
        emitted.setdefault(one.name, set()).update(one.rows)
    return told + [f"partition {partition}: the {name} are not the replay's" for name in VIEWS if emitted[name] != views[name]]


def _series(state: PartitionState) -> dict[bytes, bytes]:
    return {key: state._rows[slot].tobytes() for key, slot in state._index.items()}


def _intake(record: LogRecord) -> tuple[int, int] | None:
    given = record.header("intake")
    return (int(given.split("-")[0]), int(given.split("-")[1])) if given else None


def _cells(world: World, cells: Counter[tuple[bytes, int]]) -> list[str]:
    sent = world.doors.sent
    wanted = {(series_id(DEFAULT_TENANT, key).bytes, number) for key, number in sent.cells}
    never = {(series_id(DEFAULT_TENANT, key).bytes, number) for key, number in sent.never}
    lost, doubled = len(wanted - cells.keys()), sum(1 for count in cells.values() if count > 1)
    shown, strange = len(never & cells.keys()), len(cells.keys() - wanted - never)
    told = {"lost": lost, "doubled": doubled, "of a refused request shown": shown, "that nobody wrote": strange}
    return [f"{count} cells {what}" for what, count in told.items() if count]


async def _receipts(world: World) -> list[str]:
    topics = world.served.topics
    told = {(one.intake_partition, one.intake_offset) for one in map(_receipt, world.log.records(topics.receipts, 0))}
    ends = await world.log.ends(topics.intake)
    return [f"intake {at} has no receipt" for p, end in ends.items() for at in ((p, o) for o in range(end)) if at not in told]


def _receipt(record: LogRecord) -> Receipt:
    assert record.key is not None
    return Receipt.decode(record.key, record.value)


def _letters(world: World) -> list[str]:
    topics, sent = world.served.topics, world.doors.sent
    written = world.log.records(topics.dead_letters, 0)
    letters = {(one.header("topic"), one.header("partition"), one.header("offset")) for one in written}
    unstorable = {place for place in letters if place[0] == topics.points}
    found = []
    if len(letters) - len(unstorable) < sent.poison:
        found.append(f"{sent.poison} poisonous records, {len(letters) - len(unstorable)} dead letters")
    refused = {(topics.points, str(p), str(one.offset)) for p in range(PARTITIONS) for one in world.served.emitted(p) if one.refused}
    if unstorable != refused:
        found.append(f"{len(refused)} records that the store will not have, {len(unstorable)} of its dead letters")
    return found


def _stored(generation: Generation) -> list[str]:
    """The store holds what the points topic tells, no more and no less, but for what was purged or refused."""
    wanted: dict[str, set[str]] = {target: set() for target in TARGETS.values()}
    for partition in range(PARTITIONS):
        for one in generation.emitted(partition):
            if one.name != "none" and not one.refused:
                target = TARGETS[one.name]
                wanted[target] |= {key for key, row in one.rows.items() if not generation.purged(target, row)}
    held = {target: set(generation.store.tables.get(target, {})) for target in wanted}
    return [f"the store's {target} are not those of the points topic" for target in wanted if held[target] != wanted[target]]
