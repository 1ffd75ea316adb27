"""Observations into a datastream: a request's are added wholly or not at all, in one of HydroServer's modes. What a mode asks of those that
are there is read at a version of the series, and written under the condition that it still is at that version.

Before: observations_body.py read the rows. After: api/append.py. Writers of one datastream take turns in a server, so that only other
servers, and other doors, come between; a request that lost is read and written again. A request counts once (I3): each attempt has an id
derived from the request's.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from api.append import append, applied_before
from api.bodies.points import stamped
from api.doors.hydroserver.observations_body import DUPLICATE, Observations
from api.doors.hydroserver.words import bad
from api.errors import ConditionFailed
from api.parts import Parts
from api.stamps import Stamp, guarded
from api.writer import Written
from sink.observations import Standing, after, standing, taken
from sink.queries.selection import Selection
from sink.store import Store
from varve.columns import Points, Target, make_points, no_points
from varve.errors import Conflict, TooLarge, Unavailable, VarveError
from varve.events import PointsDeleted, PointsWritten
from varve.instants import EARLIEST, LATEST, format_instant
from varve.position import Token
from varve.record import Record, single
from varve.series import derived_id

Mode = Literal["insert", "append", "backfill", "replace"]
MODES: tuple[Mode, ...] = get_args(Mode)
TRIES = 16
PART = 100_000  # what fits in one record whatever the codes are, nearly always


class Turns:
    """Of the writers of each series in this server."""

    def __init__(self) -> None:
        self._locks: dict[tuple[uuid.UUID, uuid.UUID], tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def alone(self, tenant: uuid.UUID, series: uuid.UUID) -> AsyncIterator[None]:
        key = tenant, series
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[key]
            if waiting == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, waiting - 1


@dataclass(frozen=True)
class Addition:
    """What a request adds to a series, as one client sent it."""

    tenant: uuid.UUID
    series: uuid.UUID
    given: Observations
    mode: Mode
    stamp: Stamp

    @property
    def first(self) -> int:
        return int(self.given.valid_time[0])

    @property
    def last(self) -> int:
        return int(self.given.valid_time[-1])


async def add(parts: Parts, turns: Turns, wanted: Addition) -> Written:
    """Conflict where an observation is there already, 400 where the mode does not allow a time."""
    if wanted.mode == "replace":
        return await append(parts, _fitting(parts, _replacement(wanted), wanted), "view")
    async with turns.alone(wanted.tenant, wanted.series):
        return await _conditional(parts, wanted, guarded(wanted.stamp))


async def remove(parts: Parts, tenant: uuid.UUID, series: uuid.UUID, span: tuple[int | None, int | None], stamp: Stamp) -> Written | None:
    """From the first instant to the last, both included; None leaves an end open. Nothing lies in one that ends before it begins."""
    if span[0] is not None and span[1] is not None and span[0] > span[1]:
        return None
    return await append(parts, single(_deletion(tenant, series, span, stamp)), "view")


async def _conditional(parts: Parts, wanted: Addition, stamp: Stamp) -> Written:
    if (before := await _before(parts, wanted)) is not None:
        return before
    for part in range(TRIES):
        found = await parts.reads.ask(lambda store: _look(store, parts, wanted))
        if isinstance(found, VarveError):
            if (before := await _before(parts, wanted)) is not None:  # the same request, through another server
                return before
            raise found
        with suppress(ConditionFailed):
            return await append(parts, _fitting(parts, _write(wanted, stamp, part, found.version), wanted), "view")
    words = f"the datastream changed {TRIES} times while it was looked at: send the request again"
    raise Unavailable("datastream-contended", words)


async def _before(parts: Parts, wanted: Addition) -> Written | None:
    """Where an attempt of this keyed request was applied before."""
    if wanted.stamp.event_id is None:
        return None
    events = [(wanted.tenant, derived_id(wanted.stamp.event_id, part)) for part in range(TRIES)]
    rows = await applied_before(parts, events, wanted.stamp, "view")
    if not rows:
        return None
    return Written(Token(parts.log.log_id, {rows[0].partition: rows[0].version >> 20}), True, wanted.stamp.event_id, rows[0].series_version)


def _look(store: Store, parts: Parts, wanted: Addition) -> Standing | VarveError:
    """How the series stands, or why its mode does not allow this."""
    selection = Selection(wanted.tenant, parts.reads.watermark(parts.views.vector()), (wanted.series,))
    found = standing(store, selection)
    match wanted.mode:
        case "append" if found.end is not None and wanted.first <= found.end:
            return bad("append-before-end", "All observations must occur after the datastream's end time for append mode")
        case "backfill" if found.begin is not None and wanted.last >= found.begin:
            return bad("backfill-after-begin", "All observations must occur before the datastream's begin time for backfill mode")
        case "insert" if (
            found.end is not None and wanted.first <= found.end and taken(store, selection, wanted.given.valid_time) is not None
        ):
            return Conflict("observation-duplicate", DUPLICATE)
        case _:
            return found


def _write(wanted: Addition, stamp: Stamp, part: int, version: int) -> Record:
    event = PointsWritten(value_type="number", if_series_version=version, **stamped(wanted.tenant, stamp, part))
    return single(event, _points(wanted))


def _replacement(wanted: Addition) -> Record:
    """What is there from the first to the last goes, and these come, in one."""
    deletion = _deletion(wanted.tenant, wanted.series, (wanted.first, wanted.last), wanted.stamp)
    event = PointsWritten(value_type="number", **stamped(wanted.tenant, wanted.stamp, 1))
    return Record((deletion, event), _points(wanted, event=1))


def _deletion(tenant: uuid.UUID, series: uuid.UUID, span: tuple[int | None, int | None], stamp: Stamp) -> PointsDeleted:
    from_ = EARLIEST if span[0] is None else span[0]
    until = None if span[1] is None else after(span[1])
    bounds = {"from": from_, "until": LATEST if until is None else until}
    return PointsDeleted(series_id=series, **bounds, **stamped(tenant, stamp))


def _points(wanted: Addition, event: int = 0) -> Points:
    given, n = wanted.given, len(wanted.given)
    if not n:
        return no_points()
    target = Target(wanted.tenant, wanted.series, "")
    numbers = np.full(n, event, np.int32)
    return make_points((target,), np.zeros(n, np.int32), given.valid_time, given.value, event=numbers, tags=given.codes)


def _fitting(parts: Parts, record: Record, wanted: Addition) -> Record:
    """What looks at the series, or takes something away, goes on the log as one record."""
    if parts.writer.fits(record):
        return record
    span = f"{format_instant(wanted.first)} to {format_instant(wanted.last)}"
    words = f"{len(wanted.given)} observations ({span}) are more than are added at once, wholly or not at all: send them in parts of {PART}"
    raise TooLarge("observations-too-many", words)
