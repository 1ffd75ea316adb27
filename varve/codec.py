"""Bytes of the public contract to a Record and back: JSON (an object or an array of events) and Arrow IPC streams
(envelopes in the schema's metadata, a column `event` points to them). Producers, doors and agents come through here.

Refuses what cannot be meant: unknown fields, naive or impossible times, NaN and infinities, columns of unequal length (I10).
"""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from varve.codec_columns import COLUMNS, column_arrays, event_column, points_from_columns, record_batch
from varve.columns import Points, concat_points, no_points
from varve.errors import Incorrect
from varve.events import EVENT, VERSION, Event, ValueType
from varve.position import ROWS_PER_RECORD_MAX
from varve.record import Record, slots_before

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
METADATA = b"varve.events"
_ARROW_START = b"\xff\xff\xff\xff"  # the continuation marker that opens an IPC stream
COMPRESSED_ROWS_MIN = 512  # small records gain little by it
THREADED_BYTES_MIN, THREADED_ROWS_MIN = 1 << 18, 20_000  # below, handing LZ4 frames to Arrow's threads takes ten times as long as they do
ROW_TYPES = frozenset({"points_written", "points_incremented", "points_updated", "series_rewritten"})
# Old version -> what lifts an event's body to the next one. Version 1 is the first.
UPCASTERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def decode(value: bytes, content_type: str | None = None) -> Record:
    """The record in the bytes; without a content type it is told from the first byte. Incorrect says what is wrong."""
    kind = (content_type or "").partition(";")[0].strip().lower() or _sniff(value)
    match kind:
        case "application/json":
            record = _decode_json(value)
        case "application/vnd.apache.arrow.stream":
            record = _decode_arrow(value)
        case _:
            raise Incorrect("content-type-unknown", f"content-type {kind!r} is not read here: send {JSON} or {ARROW}")
    slots = int(slots_before(record)[-1])
    if len(record.points) + slots > ROWS_PER_RECORD_MAX or len(record.events) > ROWS_PER_RECORD_MAX:
        raise Incorrect("record-too-long", f"a record holds {ROWS_PER_RECORD_MAX} rows at most: send several")
    return record


def encode(record: Record) -> bytes:
    """Arrow IPC stream, LZ4 where it has many rows; columns that say nothing are left out."""
    envelopes = b"[" + b",".join(_envelope(event) for event in record.events) + b"]"
    batch = record_batch(record.points, len(record.events))
    schema = batch.schema.with_metadata({METADATA: envelopes})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=write_options(batch.num_rows)) as writer:
        writer.write_batch(batch.replace_schema_metadata({METADATA: envelopes}))
    return bytes(sink.getvalue())


def encode_json(record: Record) -> bytes:
    """A JSON array of events with columns, as a producer that knows nothing of us would write it."""
    bodies = []
    for number, event in enumerate(record.events):
        body = orjson.loads(_envelope(event))
        rows = record.points.take(record.points.event == number)
        columns = column_arrays(rows, event.type) if len(rows) else {}
        if "known_time" in columns and "known_time" in body:  # one name in JSON: the column says it for every row
            columns["known_time"] = [body["known_time"] if known is None else known for known in columns["known_time"]]
        bodies.append(body | columns)
    return orjson.dumps(bodies)


def read_options(value: bytes) -> pa.ipc.IpcReadOptions:
    return pa.ipc.IpcReadOptions(use_threads=len(value) >= THREADED_BYTES_MIN)


def write_options(rows: int) -> pa.ipc.IpcWriteOptions:
    """LZ4 where there are many."""
    return pa.ipc.IpcWriteOptions(compression="lz4" if rows >= COMPRESSED_ROWS_MIN else None, use_threads=rows >= THREADED_ROWS_MIN)


def event_key(tenant: uuid.UUID, event_id: str) -> bytes:
    """16 bytes: an event id within its tenant, as the guard and the outcomes table hold it."""
    return hashlib.blake2b(tenant.bytes + event_id.encode(), digest_size=16).digest()


def _sniff(value: bytes) -> str:
    return ARROW if value.startswith(_ARROW_START) else JSON


def _envelope(event: Event) -> bytes:
    """What was set, and the type; series_described tells null (clear) from absent (keep) by it."""
    body = event.model_dump_json(exclude_unset=True, by_alias=True).encode()
    if "type" in event.model_fields_set:
        return body
    return b'{"type":"%s"%s%s' % (event.type.encode(), b"," if len(body) > 2 else b"", body[1:])


def _decode_json(value: bytes) -> Record:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Incorrect("json-malformed", f"not JSON: {error}") from None
    bodies = found if isinstance(found, list) else [found]
    if not bodies:
        raise Incorrect("record-empty", "the record holds no event: send an object, or an array of objects")
    events: list[Event] = []
    parts: list[Points] = []
    bases: list[int] = []
    for number, body in enumerate(bodies):
        event, columns = _event(body, number)
        if columns:
            points, kind = points_from_columns(columns, None, (event,), f"event {number}")
            parts.append(points)
            bases.append(len(events))
            event = _typed(event, kind)
        events.append(event)
    return Record(tuple(events), concat_points(parts, bases) if parts else no_points())


def _event(body: object, number: int) -> tuple[Event, dict[str, Any]]:
    """The envelope of one JSON event, and its columns where its type has rows."""
    if not isinstance(body, dict):
        raise Incorrect("event-malformed", f"event {number} is not an object")
    body = _lifted(_hashed(body), number)
    columns = {}
    if isinstance(body.get("type"), str) and body["type"] in ROW_TYPES:
        scalar_known = not isinstance(body.get("known_time"), list)
        columns = {name: body[name] for name in COLUMNS if name in body and not (name == "known_time" and scalar_known)}
        body = {name: given for name, given in body.items() if name not in columns}
        if "valid_time" not in columns:
            raise Incorrect("column-missing", f"event {number}: a {body['type']} event needs valid_time")
    return _validated(body, number), columns


def _hashed(body: dict[str, Any]) -> dict[str, Any]:
    """A keyed event that carries no hash of its body gets one, so that another body under the same event_id is noticed (I3)."""
    if not isinstance(body.get("event_id"), str) or body.get("body_hash") is not None:
        return body
    said = {name: given for name, given in body.items() if name != "recorded_time"}  # a producer may stamp each attempt anew
    return body | {"body_hash": hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()}


def _lifted(body: dict[str, Any], number: int) -> dict[str, Any]:
    version = body.get("version", VERSION)
    while isinstance(version, int) and version < VERSION and version in UPCASTERS:
        body, version = UPCASTERS[version](body), version + 1
    if version != VERSION:
        raise Incorrect("version-unknown", f"event {number}: version {version!r} is not known; this is version {VERSION} of the contract")
    return body


def _validated(body: dict[str, Any], number: int) -> Event:
    try:
        event: Event = EVENT.validate_python(body)
        return event
    except Incorrect as error:
        raise Incorrect(error.code, f"event {number}: {error.message}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != body.get("type")) or "type"
        raise Incorrect("event-malformed", f"event {number}: {where}: {first['msg']}") from None


def _decode_arrow(value: bytes) -> Record:
    try:
        table = pa.ipc.open_stream(value, options=read_options(value)).read_all()
        bodies = orjson.loads((table.schema.metadata or {})[METADATA])
    except (pa.ArrowException, OSError, EOFError) as error:
        raise Incorrect("arrow-malformed", f"not an Arrow IPC stream: {error}") from None
    except (KeyError, orjson.JSONDecodeError):
        raise Incorrect("arrow-envelope-missing", "the Arrow schema's metadata lacks varve.events: a JSON array of envelopes") from None
    if not isinstance(bodies, list) or not bodies:
        raise Incorrect("record-empty", "varve.events in the Arrow metadata holds no event")
    events = tuple(_validated(_lifted(body, number), number) for number, body in enumerate(bodies) if _is_object(body, number))
    if table.num_rows == 0:
        return Record(events, no_points())
    columns = {name: table.column(name) for name in table.column_names}
    numbers = event_column(columns.pop("event", None), table.num_rows)
    _check_event_column(numbers, events)
    points, kind = points_from_columns(columns, numbers, events, "the record")
    return Record(tuple(_typed(event, kind) for event in events), points)


def _typed(event: Event, kind: ValueType) -> Event:
    """Row events say what their values are, so that a series' first write tells its type."""
    if event.type not in ROW_TYPES or getattr(event, "value_type", kind) is not None:
        return event
    return event.model_copy(update={"value_type": kind})


def _is_object(body: object, number: int) -> bool:
    if not isinstance(body, dict):
        raise Incorrect("event-malformed", f"event {number} is not an object")
    return True


def _check_event_column(numbers: NDArray[np.int32], events: tuple[Event, ...]) -> None:
    if int(numbers.min()) < 0 or int(numbers.max()) >= len(events) or np.any(np.diff(numbers) < 0):
        raise Incorrect("event-column", f"the column `event` must point to one of the {len(events)} envelopes, in rising order")
    kinds = [event.type for event in events]
    wrong = next((number for number in np.unique(numbers).tolist() if kinds[number] not in ROW_TYPES), None)
    if wrong is not None:
        raise Incorrect("event-column", f"event {wrong} is a {kinds[wrong]} and has no rows")
