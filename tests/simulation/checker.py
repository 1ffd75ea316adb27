"""Looks at a world from outside, at what is on its log, in its changelog and in its store: complaints, in words, about what was lost,
doubled, changed or left open.
"""

from collections import Counter
from collections.abc import Iterable

from sink.rows import TARGETS
from streams.changelogs import changelogs
from streams.fold import fold, pass_over
from streams.log import LogRecord
from streams.points import TABLES
from streams.receipts import Receipt
from streams.state import PartitionState
from tests.simulation.doors import APART_NS, COUNTED_KEY, Mark, versions_of
from tests.simulation.generations import PARTITIONS, Generation
from tests.simulation.store_memory import Row, full_rows, key_of
from tests.simulation.world import World
from varve.codec import decode, event_key
from varve.columns import MASK_VALUE
from varve.errors import VarveError
from varve.instants import ABSENT
from varve.series import DEFAULT_TENANT, series_id

_COUNTED = series_id(DEFAULT_TENANT, COUNTED_KEY).bytes
VIEWS = tuple(TABLES)


async def complaints(world: World) -> list[str]:
    found: list[str] = list(world.complaints)
    for partition in range(PARTITIONS):
        found += _repeated(world.served, partition)
        found += await _positions(world, partition)
        found += _state(world, partition)
    for look in (_marks, _times, _conditions, _counted, _letters):
        found += look(world)
    found += await _receipts(world)
    return found + _stored(world, world.served)


def _repeated(generation: Generation, partition: int) -> list[str]:
    """A layer that came out twice must be equal."""
    rows: dict[int, str] = {}
    layers = ((key, row["version"]) for one in generation.emitted(partition) if one.name == "layers" for key, row in one.rows.items())
    differ = [version for key, version in layers if rows.setdefault(version, key) != key]
    return [f"partition {partition}: version {version} came out twice and differs" for version in differ]


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
            change, made, _ = fold(fresh, decoded, record.offset, record.stored, _intake(record))
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


def _marks(world: World) -> list[str]:
    """Each row that a client was told of, once; none that was refused; none of nobody."""
    sent, found = world.doors.sent, Counter[tuple[bytes, int, int]]()
    layers = {(row["series_id"], row["version"]): row for row in world.served.rows("layers")}
    found.update((series, row["valid_time"], number_of(row)) for (series, _), row in layers.items() if series != _COUNTED)
    deletions = {(row["series_id"], row["version"]): row for row in world.served.rows("deletions") if row["cause"] in ("deleted", "purged")}
    found.update((series, row["until"], row["until"] % APART_NS) for (series, _), row in deletions.items())
    conditional = {condition.mark for condition in sent.conditions.values()}
    once, perhaps, never, others = (_by_id(marks) for marks in (sent.once, sent.perhaps, sent.never, conditional))
    told = {
        "lost": once - found.keys(),
        "doubled": {mark for mark, count in found.items() if count > 1},
        "of a refused request shown": (never - once - perhaps) & found.keys(),
        "that nobody wrote": found.keys() - once - perhaps - never - others,
    }
    return [f"{len(marks)} rows {what}: {sorted(marks)[:3]}" for what, marks in told.items() if marks]


def _times(world: World) -> list[str]:
    """Of each series in the order of its log: recorded_time never falls, a plain write is known no earlier than all before (I4)."""
    by_series: dict[bytes, list[Row]] = {}
    for name in ("layers", "deletions"):
        for row in world.served.rows(name):
            by_series.setdefault(row["series_id"], []).append(row)
    complaints = []
    for rows in by_series.values():
        recorded = known = ABSENT
        for row in sorted(rows, key=lambda row: row["version"]):
            if row["recorded_time"] < recorded:
                complaints.append(f"recorded_time falls at version {row['version']}")
            plain = "op" not in row or number_of(row) in world.doors.sent.plain
            if plain and row["known_time"] < known:
                complaints.append(f"the plain write of version {row['version']} is hidden by an earlier one: it is known {known} later")
            recorded, known = max(recorded, row["recorded_time"]), max(known, row["known_time"])
    return complaints[:3]


def _conditions(world: World) -> list[str]:
    """Applied at the version that it names and no other, else refused; told by its outcome."""
    sent, complaints = world.doors.sent, []
    outcomes = _outcomes(world)
    marks = Counter((row["series_id"], row["valid_time"], number_of(row)) for row in world.served.rows("layers"))
    for event_id, one in sent.conditions.items():
        told = outcomes.get(event_key(DEFAULT_TENANT, event_id), {})
        if not told:
            continue  # it never came to the log
        first = told[min(told)]
        before = max((version for version in versions_of(world.served, one.key) if version < min(told) >> 20 << 20), default=0)
        ((mark,), applied) = (_by_id({one.mark}), first["status"] == "applied")
        if applied != (before == one.expected) or applied != bool(marks[mark]):
            complaints.append(f"condition of version {one.expected} at {before}: {first['status']}, {marks[mark]} rows of {one.mark}")
    return complaints


def _counted(world: World) -> list[str]:
    """Increments of the latest value: each once, each one more."""
    outcomes, sent = _outcomes(world), world.doors.sent
    applied = [key for key in map(_event_key, sent.counted) if "applied" in {row["status"] for row in outcomes.get(key, {}).values()}]
    layers = {row["version"]: row for row in world.served.rows("layers") if row["series_id"] == _COUNTED}
    values = [layers[version]["value"] for version in sorted(layers)]
    return [] if values == list(range(1, len(applied) + 1)) else [f"{len(applied)} counts give {values}"]


def _outcomes(world: World) -> dict[bytes, dict[int, Row]]:
    """By event id and version."""
    found: dict[bytes, dict[int, Row]] = {}
    for row in world.served.rows("outcomes"):
        found.setdefault(row["event_id"], {})[row["version"]] = row
    return found


def _event_key(event_id: str) -> bytes:
    return event_key(DEFAULT_TENANT, event_id)


def number_of(row: Row) -> int:
    """The request that a layer is of."""
    return int(row["value"] if row["mask"] & MASK_VALUE and "value" in row else row["annotation"])


def _by_id(marks: Iterable[Mark]) -> set[tuple[bytes, int, int]]:
    return {(series_id(DEFAULT_TENANT, key).bytes, at, number) for key, at, number in marks}


async def _receipts(world: World) -> list[str]:
    topics = world.served.topics
    told = {(one.intake_partition, one.intake_offset) for one in map(_receipt, world.log.records(topics.receipts, 0))}
    ends = await world.log.ends(topics.intake)
    return [f"intake {at} has no receipt" for p, end in ends.items() for at in ((p, o) for o in range(end)) if at not in told]


def _receipt(record: LogRecord) -> Receipt:
    assert record.key is not None
    return Receipt.decode(record.key, record.value)


def _letters(world: World) -> list[str]:
    topics = world.served.topics
    written = world.log.records(topics.dead_letters, 0)
    letters = {(str(one.header("topic")), int(one.header("partition") or -1), int(one.header("offset") or -1)) for one in written}
    missing = world.doors.sent.letters - letters
    told = [f"no dead letter of {topic} {partition}-{offset}" for topic, partition, offset in sorted(missing)]
    refused = {(topics.points, p, one.offset) for p in range(PARTITIONS) for one in world.served.emitted(p) if one.refused}
    unstorable = {place for place in letters if place[0] == topics.points}
    if unstorable != refused:
        told.append(f"{len(refused)} records that the store will not have, {len(unstorable)} of its dead letters")
    return told


def _stored(world: World, generation: Generation) -> list[str]:
    """The store holds what the points topic tells, no more and no less, but for what was purged or refused. A sink that slept can bring
    back what another one erased since, until it comes to the purge itself."""
    wanted: dict[str, set[str]] = {target: set() for target in TARGETS.values()}
    for partition in range(PARTITIONS):
        for one in generation.emitted(partition):
            if one.name != "none" and not one.refused:
                target = TARGETS[one.name]
                wanted[target] |= {key for key, row in one.rows.items() if not generation.purged(target, row)}
    held = {
        target: {
            key for key, row in generation.store.tables.get(target, {}).items() if not (world.woken and generation.purged(target, row))
        }
        for target in wanted
    }
    return [f"the store's {target} are not those of the points topic" for target in wanted if held[target] != wanted[target]]
