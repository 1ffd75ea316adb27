"""The records on varve.points-g: what the fold made of one record of varve.events, one table a record, the last of them
closing the position (I11). The fold agent writes them; the sink and subscribers read them.

Value: an Arrow IPC stream (LZ4) in the schema of its table, or empty when only the position is told. Headers: table,
position (offset on varve.events), last ("1" on the closing record).
"""

from dataclasses import dataclass, field

import pyarrow as pa

from varve.codec import read_options, write_options

_UUID = pa.binary(16)  # big-endian bytes of the UUID
_TIME = pa.timestamp("ns", "UTC")
_WORDS = pa.list_(pa.string())
_PAIRS = pa.map_(pa.string(), pa.string())

OP_SET, OP_ADD, OP_UPDATE = 0, 1, 2
STEPS = (900, 86_400)  # seconds: the base of all rollups, which the offsets of zones since 1972 are multiples of, and the UTC day
ROLLUP_COUNT_MIN = 8  # a bucket with fewer points gets no row: reading it live costs no more

# mask bits of a row of `series`: which fields it sets (FIELD_KEY alone: made by the first write to it)
SERIES_FIELDS = ("key", "name", "description", "unit", "value_type", "tags", "attributes", "labels", "deleted")


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


LAYERS = _schema(
    tenant=_UUID,
    series_id=_UUID,
    valid_time=_TIME,
    known_time=_TIME,
    recorded_time=_TIME,
    version=pa.uint64(),
    partition=pa.uint16(),
    op=pa.uint8(),
    mask=pa.uint8(),
    value=pa.float64(),
    running=pa.float64(),
    text=pa.string(),
    run_id=_UUID,  # zero: none
    valid_time_end=_TIME,
    changed_by=pa.string(),
    annotation=pa.string(),
    tags=_WORDS,
)
# Columns that a record leaves out when no row has them; the store's defaults (null, zero, empty) stand in.
LAYERS_OPTIONAL = ("value", "running", "text", "run_id", "valid_time_end", "changed_by", "annotation", "tags")

SERIES = _schema(
    tenant=_UUID,
    series_id=_UUID,
    version=pa.uint64(),
    partition=pa.uint16(),
    mask=pa.uint16(),
    key=pa.string(),
    name=pa.string(),
    description=pa.string(),
    unit=pa.string(),
    value_type=pa.string(),
    tags=_WORDS,
    attributes=_PAIRS,
    labels=_PAIRS,
    deleted=pa.uint8(),
    recorded_time=_TIME,
    changed_by=pa.string(),
)
RUNS = _schema(
    tenant=_UUID,
    run_id=_UUID,
    version=pa.uint64(),
    partition=pa.uint16(),
    state=pa.string(),  # opened or sealed: a run has one row of each
    workflow_id=pa.string(),
    known_time=_TIME,
    started=_TIME,
    finished=_TIME,
    params=pa.string(),  # JSON
    points=pa.uint64(),
    recorded_time=_TIME,
    changed_by=pa.string(),
)
OUTCOMES = _schema(
    tenant=_UUID,
    event_id=_UUID,  # event_key() of the envelope's event_id
    partition=pa.uint16(),
    version=pa.uint64(),
    status=pa.string(),  # applied, duplicate, conflict or refused
    body_hash=pa.string(),
    series_version=pa.uint64(),  # of the event's series after it; 0 where it has several or none
    reason=pa.string(),
    recorded_time=_TIME,
)
DELETIONS = _schema(
    tenant=_UUID,
    series_id=_UUID,
    version=pa.uint64(),  # hides layers of smaller version
    partition=pa.uint16(),
    **{"from": _TIME},
    until=_TIME,  # excluded; the latest instant stands for no end
    known_time=_TIME,
    recorded_time=_TIME,
    changed_by=pa.string(),
    cause=pa.string(),  # deleted, rewritten, series_deleted or purged
)
PURGES = _schema(
    tenant=_UUID, series_id=_UUID, version=pa.uint64(), partition=pa.uint16(), **{"from": _TIME}, until=_TIME, recorded_time=_TIME,
    changed_by=pa.string(),
)  # fmt: skip
ENTITIES = _schema(
    tenant=_UUID,
    kind=pa.string(),
    id=pa.string(),
    entity_id=_UUID,
    version=pa.uint64(),
    partition=pa.uint16(),
    document=pa.string(),  # JSON; empty where it was deleted
    deleted=pa.uint8(),
    recorded_time=_TIME,
    changed_by=pa.string(),
)
# One aggregate of the flat read (I8): of the points in [bucket, bucket + step); there are none in [bucket + step, until).
ROLLUPS = _schema(
    tenant=_UUID,
    series_id=_UUID,
    step_seconds=pa.uint32(),  # one of STEPS
    bucket=_TIME,
    until=_TIME,  # at most bucket: the row says nothing, and supersedes one that did
    covers=pa.uint64(),  # knows every layer up to this version
    partition=pa.uint16(),
    count=pa.uint64(),  # of values that are not null
    sum=pa.float64(),
    mean=pa.float64(),
    m2=pa.float64(),  # sum of squared deviations from mean
    min=pa.float64(),
    max=pa.float64(),
    first=pa.float64(),
    first_time=_TIME,
    last=pa.float64(),
    last_time=_TIME,
)
# Rollup rows over [from, until) that cover less than version may be wrong.
STALE = _schema(
    tenant=_UUID, series_id=_UUID, **{"from": _TIME}, until=_TIME, version=pa.uint64(), partition=pa.uint16(),
)  # fmt: skip
TABLES: dict[str, pa.Schema] = {
    "layers": LAYERS, "deletions": DELETIONS, "stale": STALE, "rollups": ROLLUPS, "series": SERIES, "runs": RUNS, "outcomes": OUTCOMES,
    "purges": PURGES, "entities": ENTITIES,
}  # fmt: skip


@dataclass(frozen=True)
class Folded:
    """All that one record of varve.events became. tables: by name in TABLES, those with rows. applied: which of its events were."""

    offset: int
    tables: dict[str, pa.Table] = field(default_factory=dict)
    applied: tuple[int, ...] = ()


@dataclass(frozen=True)
class PointsRecord:
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class PointsMessage:
    """A record of varve.points as the sink reads it; table is None where it only tells the position."""

    name: str
    table: pa.Table | None
    offset: int
    last: bool


def encode_points(folded: Folded, *, rows_max: int = 1 << 17) -> list[PointsRecord]:
    """At least one record; only the last closes the position."""
    parts = [(name, table.slice(at, rows_max)) for name, table in folded.tables.items() for at in range(0, table.num_rows, rows_max)]
    if not parts:
        return [PointsRecord(b"", _headers("none", folded.offset, True))]
    last = len(parts) - 1
    return [PointsRecord(_ipc(table), _headers(name, folded.offset, i == last)) for i, (name, table) in enumerate(parts)]


def decode_points(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> PointsMessage:
    found = dict(headers)
    table = pa.ipc.open_stream(value, options=read_options(value)).read_all() if value else None
    return PointsMessage(found["table"].decode(), table, int(found["position"]), found["last"] == b"1")


def _headers(name: str, offset: int, last: bool) -> tuple[tuple[str, bytes], ...]:
    return (("table", name.encode()), ("position", b"%d" % offset), ("last", b"1" if last else b"0"))


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=write_options(table.num_rows)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
