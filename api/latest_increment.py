"""The latest value of a series plus an amount, at a new instant. The fold adds where it knows the latest value; where it does not
(late layers, a deletion at the end), what is read here is written under the condition that nothing came between.

Before: native/increments.py. After: api/append.py. A request counts once (I3): each attempt has an id derived from the request's,
and an attempt that was refused stays refused, so whoever repeats the request walks the same attempts.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

from api.append import append, applied_before
from api.bodies.points import stamped
from api.parts import Parts
from api.stamps import Stamp, guarded
from api.views import Wait
from api.writer import CONDITION_FAILED, TAIL_UNKNOWN, Written
from varve.columns import Target, make_points
from varve.errors import Conflict
from varve.events import LatestIncremented, PointsWritten
from varve.position import Token, offset_of
from varve.record import Record, single
from varve.series import derived_id

TRIES = 16
MILLISECOND_NS = 1_000_000


@dataclass(frozen=True)
class Amount:
    """key: where the series was named by it, so that it may be made."""

    tenant: uuid.UUID
    series_id: uuid.UUID
    key: str | None
    amount: float
    changed_by: str | None


@dataclass(frozen=True)
class Incremented:
    """valid_time: UTC nanoseconds of the new latest value."""

    written: Written
    valid_time: int
    value: float | None


async def increment_latest(parts: Parts, amount: Amount, stamp: Stamp, wait: Wait) -> Incremented:
    """Conflict where others write to the series' end faster than it can be read."""
    before = None if stamp.event_id is None else await _before(parts, amount, stamp, wait)
    written = before or await _written(parts, amount, guarded(stamp), wait)
    made = await parts.reads.layer(amount.tenant, amount.series_id, written.series_version)
    return Incremented(written, made.valid_time, made.value if made.running is None else made.running)


async def _before(parts: Parts, amount: Amount, stamp: Stamp, wait: Wait) -> Written | None:
    """Where an attempt of this keyed request was applied before."""
    events = [(amount.tenant, derived_id(str(stamp.event_id), part)) for part in range(2 * TRIES)]
    row = next(iter(await applied_before(parts, events, stamp, wait)), None)
    if row is None:
        return None
    token = Token(parts.log.log_id, {row.partition: offset_of(row.version)})
    return Written(token, True, stamp.event_id, row.series_version)


async def _written(parts: Parts, amount: Amount, stamp: Stamp, wait: Wait) -> Written:
    """By the fold, else under a condition; again where the condition failed, since the fold may know the latest value then."""
    for part in range(0, 2 * TRIES, 2):
        try:
            return await append(parts, _event(amount, stamp, part), wait)
        except Conflict as refusal:
            if refusal.code != TAIL_UNKNOWN:
                raise
        try:
            return await append(parts, await _conditional(parts, amount, stamp, part + 1), wait)
        except Conflict as refusal:
            if refusal.code != CONDITION_FAILED:
                raise
    words = f"the series changed {TRIES} times while its latest value was read: send the request again with a new Idempotency-Key"
    raise Conflict("latest-contended", words)


def _event(amount: Amount, stamp: Stamp, part: int) -> Record:
    named: dict[str, Any] = {"series_id": amount.series_id} | ({} if amount.key is None else {"series": amount.key})
    return single(LatestIncremented(**named, amount=amount.amount, **_stamped(amount, stamp, part)))


async def _conditional(parts: Parts, amount: Amount, stamp: Stamp, part: int) -> Record:
    latest = await parts.reads.latest(amount.tenant, amount.series_id)
    newest, value = latest.cell or (stamp.recorded_time - MILLISECOND_NS, 0.0)
    event = PointsWritten(value_type="number", if_series_version=latest.version, **_stamped(amount, stamp, part))
    points = make_points(
        (Target(amount.tenant, amount.series_id, amount.key or ""),),
        np.zeros(1, np.int32),
        np.array([max(stamp.recorded_time, newest + MILLISECOND_NS)], np.int64),
        np.array([(value or 0.0) + amount.amount]),
    )
    return single(event, points)


def _stamped(amount: Amount, stamp: Stamp, part: int) -> dict[str, Any]:
    return stamped(amount.tenant, stamp, part, changed_by=amount.changed_by)
