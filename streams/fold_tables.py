"""What the fold hands to varve.points as Arrow tables (schemas in streams/points.py): layers and rollups from columns, the few rows
of series, deletions, runs and outcomes from dicts. Pure; streams/fold.py comes in, encode_points takes it on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from streams.aggregate import AGGREGATE
from streams.buckets import Closed, Marks
from streams.points import LAYERS, OP_ADD, OP_SET, OP_UPDATE, ROLLUPS, SERIES, SERIES_FIELDS, STALE
from varve.codec import event_key
from varve.columns import MASK_VALUE, Target
from varve.events import EntityDeleted, EntityPut, Event, RunOpened, RunSealed, SeriesDefined, SeriesDeleted, SeriesDescribed
from varve.instants import ABSENT
from varve.record import Record

_OPS = {"points_incremented": OP_ADD, "points_updated": OP_UPDATE}
_NO_RUN = bytes(16)
_MASK_KEY = 1 << SERIES_FIELDS.index("key")
_MASK_BORN = sum(1 << SERIES_FIELDS.index(name) for name in ("value_type", "deleted"))
_CAUSES = {
    "points_deleted": "deleted", "series_rewritten": "rewritten", "series_deleted": "series_deleted", "purge_requested": "purged",
}  # fmt: skip


@dataclass(frozen=True)
class Slice:
    """Rows `at` of a record with what the fold found for them; event, local: each row's event and target."""

    record: Record
    targets: tuple[Target, ...]
    at: NDArray[np.intp]
    event: NDArray[np.int32]
    local: NDArray[np.int32]
    recorded: NDArray[np.int64]
    known: NDArray[np.int64]
    version: NDArray[np.uint64]
    value: NDArray[np.float64]
    running: NDArray[np.float64] | None = None  # NaN where there is none

    @cached_property
    def op(self) -> NDArray[np.uint8]:
        return np.array([_OPS.get(event.type, OP_SET) for event in self.record.events], np.uint8)[self.event]

    @cached_property
    def adds(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.op == OP_ADD
        return found

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """An add sets nothing but the value, whatever its row says."""
        return np.where(self.adds, np.uint8(MASK_VALUE), self.record.points.mask[self.at])

    def with_running(self, running: NDArray[np.float64]) -> "Slice":
        return replace(self, running=running)

    def chosen(self, kept: NDArray[np.intp], value: NDArray[np.float64]) -> "Slice":
        """Some of the rows, with other values."""
        times = (self.recorded[kept], self.known[kept], self.version[kept])
        return Slice(self.record, self.targets, self.at[kept], self.event[kept], self.local[kept], *times, value)


@dataclass(frozen=True)
class Born:
    """Series that the record's rows made, with the event that made each."""

    targets: Sequence[Target]
    event: NDArray[np.int32]
    recorded: NDArray[np.int64]
    version: NDArray[np.uint64]


def layers_table(slices: Sequence[Slice], partition: int) -> pa.Table | None:
    if not slices:
        return None
    tables = [_layers(one, partition) for one in slices]
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")


def series_row(event: SeriesDefined | SeriesDescribed | SeriesDeleted, target: Target, version: int, recorded: int) -> dict[str, object]:
    """A row of `series`: mask has a bit for each field that the event sets; described fields may be cleared by null.
    A deletion clears all but key and value type; a definition brings the series back."""
    given = {name: getattr(event, name, None) for name in SERIES_FIELDS if name not in ("key", "deleted")}
    cleared = event.model_fields_set if isinstance(event, SeriesDescribed) else frozenset[str]()
    if isinstance(event, SeriesDeleted):
        cleared = frozenset(given) - {"value_type"}
    named = {name for name in given if given[name] is not None or name in cleared}
    if not isinstance(event, SeriesDescribed):
        given["deleted"], named = int(isinstance(event, SeriesDeleted)), named | {"deleted"}
    if target.key:
        given["key"], named = target.key, named | {"key"}
    mask = sum(1 << bit for bit, name in enumerate(SERIES_FIELDS) if name in named)
    attributes, labels = (list((given[name] or {}).items()) for name in ("attributes", "labels"))
    return given | _ids_of(event, target, version, recorded) | {"mask": mask, "attributes": attributes, "labels": labels}


def deletion_row(
    event: Event, target: Target, version: int, from_: int, until: int, known: int, recorded: int
) -> dict[str, object]:  # fmt: skip
    cause = _CAUSES[event.type]
    return _ids_of(event, target, version, recorded) | {"from": from_, "until": until, "known_time": known, "cause": cause}


def purge_row(event: Event, target: Target, version: int, from_: int, until: int, recorded: int) -> dict[str, object]:
    return _ids_of(event, target, version, recorded) | {"from": from_, "until": until}


def _ids_of(event: Event, target: Target, version: int, recorded: int) -> dict[str, object]:
    ids = {"tenant": target.tenant.bytes, "series_id": target.series_id.bytes}
    return ids | {"version": version, "recorded_time": recorded, "changed_by": event.changed_by or ""}


def run_row(event: RunOpened | RunSealed, version: int, recorded: int) -> dict[str, object]:
    opened = isinstance(event, RunOpened)
    params = getattr(event, "params", None)
    return {
        "tenant": event.tenant.bytes,
        "run_id": event.run_id.bytes,
        "version": version,
        "state": "opened" if opened else "sealed",
        "workflow_id": getattr(event, "workflow_id", None),
        "known_time": getattr(event, "known_time", None),
        "started": getattr(event, "started", None),
        "finished": event.finished,
        "params": None if params is None else orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode(),
        "points": getattr(event, "points", None),
        "recorded_time": recorded,
        "changed_by": event.changed_by or "",
    }


def entity_row(event: EntityPut | EntityDeleted, target: Target, version: int, recorded: int) -> dict[str, object]:
    gone = isinstance(event, EntityDeleted)
    return {
        "tenant": event.tenant.bytes,
        "kind": event.kind,
        "id": event.id,
        "entity_id": target.series_id.bytes,
        "version": version,
        "document": "" if isinstance(event, EntityDeleted) else orjson.dumps(event.document).decode(),
        "deleted": int(gone),
        "recorded_time": recorded,
        "changed_by": event.changed_by or "",
    }


def outcome_row(event: Event, version: int, status: str, reason: str, series_version: int, recorded: int) -> dict[str, object]:
    assert event.event_id is not None
    return {
        "tenant": event.tenant.bytes,
        "event_id": event_key(event.tenant, event.event_id),
        "version": version,
        "status": status,
        "body_hash": event.body_hash or "",
        "series_version": series_version,
        "reason": reason,
        "recorded_time": recorded,
    }


def series_table(rows: Sequence[dict[str, object]], born: Sequence[pa.Table], partition: int) -> pa.Table | None:
    tables = [table for table in (_table(rows, SERIES, partition), *born) if table is not None]
    return pa.concat_tables(tables) if tables else None


def born_table(born: Born, kinds: Sequence[str], changed_by: Sequence[str], partition: int) -> pa.Table:
    """Rows of `series` for those made by their first write; kinds, changed_by: of each event of the record."""
    n, index = len(born.targets), pa.array(born.event)
    idents = np.frombuffer(b"".join(target.ident for target in born.targets), "V16").reshape(-1, 2)
    keyed = np.array([bool(target.key) for target in born.targets])
    empty = pa.array(np.zeros(n + 1, np.int32))
    pairs = pa.MapArray.from_arrays(empty, pa.array([], pa.string()), pa.array([], pa.string()))
    columns = {
        "tenant": _binary16(idents[:, 0]),
        "series_id": _binary16(idents[:, 1]),
        "version": pa.array(born.version),
        "partition": pa.array(np.full(n, partition, np.uint16)),
        "mask": pa.array(np.where(keyed, _MASK_KEY | _MASK_BORN, _MASK_BORN).astype(np.uint16)),
        "deleted": pa.array(np.zeros(n, np.uint8)),
        "key": pa.array([target.key or None for target in born.targets], pa.string()),
        "value_type": pa.array(kinds, pa.string()).take(index),
        "attributes": pairs,
        "labels": pairs,
        "recorded_time": _instants(born.recorded),
        "changed_by": pa.array(changed_by, pa.string()).take(index),
    }
    return pa.table([columns.get(field.name, pa.nulls(n, field.type)) for field in SERIES], schema=SERIES)


def rows_table(rows: Sequence[dict[str, object]], schema: pa.Schema, partition: int) -> pa.Table | None:
    """Few rows, of any table."""
    return _table(rows, schema, partition)


def rollups_table(closed: Sequence[tuple[Closed, NDArray[np.uint64]]], targets: Sequence[Target], partition: int) -> pa.Table | None:
    """covers: the version of each row's series when the bucket closed."""
    if not closed:
        return None
    return pa.concat_tables([_rollups(one, covers, targets, partition) for one, covers in closed])


def stale_table(marks: Sequence[tuple[Marks, NDArray[np.uint64]]], targets: Sequence[Target], partition: int) -> pa.Table | None:
    if not marks:
        return None
    series = np.concatenate([one.series for one, _ in marks])
    from_, until = np.concatenate([one.from_ for one, _ in marks]), np.concatenate([one.until for one, _ in marks])
    version = pa.array(np.concatenate([version for _, version in marks]))
    columns = {"from": _instants(from_), "until": _instants(until), "version": version}
    return pa.table(_owned(targets, series, partition) | columns, schema=STALE)


def _rollups(one: Closed, covers: NDArray[np.uint64], targets: Sequence[Target], partition: int) -> pa.Table:
    columns = _owned(targets, one.series, partition) | {
        "step_seconds": pa.array(np.full(len(one.series), one.step_seconds, np.uint32)),
        "bucket": _instants(one.bucket),
        "until": _instants(one.until),
        "covers": pa.array(covers),
    }
    for name in AGGREGATE.names or ():
        given = np.ascontiguousarray(one.aggregate[name])
        columns[name] = _instants(given) if name.endswith("_time") else pa.array(given)
    return pa.table([columns[field.name] for field in ROLLUPS], schema=ROLLUPS)


def _owned(targets: Sequence[Target], series: NDArray[np.intp], partition: int) -> dict[str, pa.Array]:
    idents = np.frombuffer(b"".join(target.ident for target in targets), "V16").reshape(-1, 2)[series]
    ids = {"tenant": _binary16(idents[:, 0]), "series_id": _binary16(idents[:, 1])}
    return ids | {"partition": pa.array(np.full(len(series), partition, np.uint16))}


def _table(rows: Sequence[dict[str, object]], schema: pa.Schema, partition: int) -> pa.Table | None:
    if not rows:
        return None
    return pa.Table.from_pylist([row | {"partition": partition} for row in rows], schema)


def _layers(one: Slice, partition: int) -> pa.Table:
    points, events, n = one.record.points, one.record.events, len(one.at)
    valued, end = points.valued[one.at], points.valid_time_end[one.at]
    columns = {
        "tenant": _ids([events_tenant.tenant.bytes for events_tenant in events], one.event),
        "series_id": _ids([target.ident[16:] for target in one.targets], one.local),
        "valid_time": _instants(points.valid_time[one.at]),
        "known_time": _instants(one.known),
        "recorded_time": _instants(one.recorded),
        "version": pa.array(one.version),
        "partition": pa.array(np.full(n, partition, np.uint16)),
        "op": pa.array(one.op),
        "mask": pa.array(one.mask),
    }
    if valued.any():
        absent = ~valued | (one.mask & MASK_VALUE == 0)
        columns["value"] = pa.array(one.value, mask=absent if absent.any() else None)
    if one.running is not None and one.adds.any():
        columns["running"] = pa.array(one.running, mask=np.isnan(one.running))
    runs = [getattr(event, "run_id", None) for event in events]
    if any(runs):
        columns["run_id"] = _ids([run.bytes if run else _NO_RUN for run in runs], one.event)
    if np.any(end != ABSENT):
        columns["valid_time_end"] = pa.array(end, mask=end == ABSENT).cast(LAYERS.field("valid_time_end").type)
    if any(event.changed_by for event in events):
        columns["changed_by"] = pa.array([event.changed_by or "" for event in events], pa.string()).take(pa.array(one.event))
    for name in ("text", "annotation", "tags"):
        words = getattr(points, name)
        if words is not None:
            columns[name] = words if len(words) == n else words.take(pa.array(one.at))
    return pa.table(columns, schema=pa.schema([LAYERS.field(name) for name in columns]))


def _ids(values: list[bytes], index: NDArray[np.int32]) -> pa.Array:
    return _binary16(np.frombuffer(b"".join(values), "V16")[index])


def _binary16(values: NDArray[np.void]) -> pa.Array:
    taken = np.ascontiguousarray(values)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(taken), [None, pa.py_buffer(taken)])


def _instants(nanoseconds: NDArray[np.int64]) -> pa.Array:
    held = np.ascontiguousarray(nanoseconds)
    return pa.Array.from_buffers(pa.timestamp("ns", "UTC"), len(held), [None, pa.py_buffer(held)])
