"""What the fold hands to varve.points as Arrow tables (schemas in streams/points.py): layers from columns, and the few rows
of series, runs and outcomes from dicts. Pure; streams/fold.py comes in, encode_points takes it on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from streams.points import LAYERS, OP_ADD, OP_SET, OP_UPDATE, OUTCOMES, RUNS, SERIES, SERIES_FIELDS
from varve.codec import event_key
from varve.columns import MASK_VALUE, Target
from varve.events import Event, RunOpened, RunSealed, SeriesDefined, SeriesDescribed
from varve.instants import ABSENT
from varve.record import Record

_OPS = {"points_incremented": OP_ADD, "points_updated": OP_UPDATE}
_NO_RUN = bytes(16)
_MASK_KEY, _MASK_TYPE = (1 << SERIES_FIELDS.index(name) for name in ("key", "value_type"))


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


def series_row(event: SeriesDefined | SeriesDescribed, target: Target, version: int, recorded: int) -> dict[str, object]:
    """A row of `series`: mask has a bit for each field that the event sets; described fields may be cleared by null."""
    given = {name: getattr(event, name, None) for name in SERIES_FIELDS if name not in ("key", "deleted")}
    cleared = event.model_fields_set if isinstance(event, SeriesDescribed) else frozenset[str]()
    named = {name for name in given if given[name] is not None or name in cleared}
    if target.key:
        given["key"], named = target.key, named | {"key"}
    mask = sum(1 << bit for bit, name in enumerate(SERIES_FIELDS) if name in named)
    attributes, labels = (list((given[name] or {}).items()) for name in ("attributes", "labels"))
    ids = {"tenant": target.tenant.bytes, "series_id": target.series_id.bytes, "version": version, "mask": mask}
    return given | ids | {"attributes": attributes, "labels": labels, "recorded_time": recorded, "changed_by": event.changed_by or ""}


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
        "mask": pa.array(np.where(keyed, _MASK_KEY | _MASK_TYPE, _MASK_TYPE).astype(np.uint16)),
        "key": pa.array([target.key or None for target in born.targets], pa.string()),
        "value_type": pa.array(kinds, pa.string()).take(index),
        "attributes": pairs,
        "labels": pairs,
        "recorded_time": _instants(born.recorded),
        "changed_by": pa.array(changed_by, pa.string()).take(index),
    }
    return pa.table([columns.get(field.name, pa.nulls(n, field.type)) for field in SERIES], schema=SERIES)


def runs_table(rows: Sequence[dict[str, object]], partition: int) -> pa.Table | None:
    return _table(rows, RUNS, partition)


def outcomes_table(rows: Sequence[dict[str, object]], partition: int) -> pa.Table | None:
    return _table(rows, OUTCOMES, partition)


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
        "op": pa.array(np.array([_OPS.get(event.type, OP_SET) for event in events], np.uint8)[one.event]),
        "mask": pa.array(points.mask[one.at]),
    }
    if valued.any():
        absent = ~valued | (points.mask[one.at] & MASK_VALUE == 0)
        columns["value"] = pa.array(points.value[one.at], mask=absent if absent.any() else None)
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
