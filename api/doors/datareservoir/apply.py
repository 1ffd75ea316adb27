"""A validated file as events: its series defined, its pieces written, each under an event id that follows from the file's, so that what
was killed half-way is finished and nothing counts twice (I3, I12). A few pieces are on their way at once, whatever the file's length.

Before: uploads.py has an order to carry out. After: api/append.py.
"""

import asyncio
import logging
import uuid
from collections.abc import Coroutine, Iterable
from itertools import islice
from typing import cast

import numpy as np
import pyarrow as pa

from api.append import append
from api.bodies.points import stamped
from api.doors.datareservoir.files import File, Order, Verdict
from api.doors.datareservoir.validation import check, pieces
from api.parts import Parts
from api.stamps import Stamp, event_id_of
from varve.columns import Points, Target, make_points
from varve.errors import Conflict, Incorrect, NotFound, Unavailable
from varve.events import Event, PointsWritten, SeriesDefined, ValueType
from varve.record import Record, single

log = logging.getLogger(__name__)
FLYING_MAX = 4  # pieces at once
RETRY_SECONDS = 1.0
_SCOPE = "datareservoir file"


async def apply(parts: Parts, file: File, verdict: Verdict, order: Order) -> None:
    """Returns when every read shows it."""
    target, stamp = Target(file.tenant, uuid.UUID(order.series), ""), stamp_of(file, order)
    if not file.points.exists():
        raise Conflict("file-taken", f"the points of file {file.ident} were taken already: upload them again for another series")
    kind, define = await _kind(parts, file, verdict, order)
    rows = file.words if kind == "text" and verdict.kind != "text" else file.points
    defined = SeriesDefined(series_id=target.series_id, value_type=kind, **stamped(file.tenant, stamp))
    flying = enumerate(pieces(rows), 1)
    if define:
        first = [_record(target, batch, kind, stamp, part, defined) for part, batch in islice(flying, 1)]
        await _until_taken(parts, first[0] if first else single(defined))
    await _all(_taken(parts, target, batch, kind, stamp, part) for part, batch in flying)


def stamp_of(file: File, order: Order) -> Stamp:
    event_id = event_id_of(file.tenant, _SCOPE, f"{file.ident} {order.series}")
    return Stamp(order.recorded_time, event_id, uuid.UUID(hex=event_id), None, order.changed_by)


async def _kind(parts: Parts, file: File, verdict: Verdict, order: Order) -> tuple[ValueType | None, bool]:
    """What the values are, and whether the series must be told so. Words that look like numbers are words in a series of text."""
    if order.new:
        return verdict.kind, True
    holds = await parts.reads.held(file.tenant, uuid.UUID(order.series))
    match holds:
        case None:
            raise NotFound("series-unknown", f"there is no series {order.series} in this tenant")
        case "":
            return verdict.kind, True
        case _ if verdict.kind in (None, holds):
            return cast(ValueType, holds), False
        case "text":
            await asyncio.to_thread(check, file.committed, file.words, "text")
            return "text", False
        case _:
            raise Incorrect("value-type", f"series {order.series} holds {holds} values, and the file {verdict.kind}: it is not taken")


async def _all(writes: Iterable[Coroutine[None, None, None]]) -> None:
    """A few at once; the first that is refused ends it."""
    running: set[asyncio.Task[None]] = set()
    try:
        for write in writes:
            if len(running) >= FLYING_MAX:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.gather(*done)
            running.add(asyncio.create_task(write))
        await asyncio.gather(*running)
    finally:
        for one in running:
            one.cancel()


async def _taken(parts: Parts, target: Target, batch: pa.RecordBatch, kind: ValueType | None, stamp: Stamp, part: int) -> None:
    await _until_taken(parts, await asyncio.to_thread(_record, target, batch, kind, stamp, part))


async def _until_taken(parts: Parts, record: Record) -> None:
    """The order was accepted: what cannot be had now is waited for. An event that was appended twice is applied once."""
    while True:
        try:
            await append(parts, record, "view")
            return
        except Unavailable as error:
            log.warning("uploaded file: %s; trying again", error.message)
            await asyncio.sleep(RETRY_SECONDS)


def _record(target: Target, batch: pa.RecordBatch, kind: ValueType | None, stamp: Stamp, part: int, *defined: SeriesDefined) -> Record:
    written: Event = PointsWritten(value_type=kind or "number", **stamped(target.tenant, stamp, part))
    return Record((written, *defined), _points(target, batch, kind))


def _points(target: Target, batch: pa.RecordBatch, kind: ValueType | None) -> Points:
    times, values = np.array(batch.column(0)), batch.column(1)
    zeros = np.zeros(len(times), np.int32)
    if kind == "text":
        text = values if pa.types.is_string(values.type) else pa.nulls(len(values), pa.string())
        return make_points([target], zeros, times, np.zeros(len(times)), valued=np.zeros(len(times), bool), text=text)
    numbers = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
    return make_points([target], zeros, times, np.array(numbers), valued=values.is_valid().to_numpy(zero_copy_only=False))
