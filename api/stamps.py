"""The stamps that a door puts on a request: when it came and which ids it gets. With varve/clock.py the only place that
makes ids (I4). A request with an Idempotency-Key gets the same ids each time it is sent (I3).

Before: request.py reads who asks. After: routes build events with these stamps.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from varve.clock import Clock, new_id

KEY_LENGTH_MAX = 200


@dataclass(frozen=True)
class Stamp:
    """event_id: 32 hex characters, of the key and its scope where there is one; else None (the event is not guarded). changed_by: who
    asks, where that is known: what the request says of it then counts for nothing."""

    recorded_time: int
    event_id: str | None
    run_id: uuid.UUID
    body_hash: str | None
    changed_by: str | None = None


def make_stamp(clock: Clock, tenant: uuid.UUID, scope: str, key: str | None, said: Sequence[bytes], changed_by: str | None = None) -> Stamp:
    """said: the body, and whatever else the request says; another one under the same key is a conflict."""
    if not key:
        return Stamp(clock.now(), None, new_id(), None, changed_by)
    event_id = event_id_of(tenant, scope, key)
    return Stamp(clock.now(), event_id, uuid.uuid5(uuid.UUID(hex=event_id), "run"), _hash_of(said), changed_by)


def _hash_of(said: Sequence[bytes]) -> str:
    found = hashlib.blake2b(digest_size=32)
    for part in said:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)
    return found.hexdigest()


def event_id_of(tenant: uuid.UUID, scope: str, key: str) -> str:
    """scope: method and path, so that one key used on two routes means two requests."""
    parts = (tenant.bytes, scope.encode(), key.encode())
    return hashlib.blake2b(b"".join(len(part).to_bytes(4, "big") + part for part in parts), digest_size=16).hexdigest()


def random_event_id() -> str:
    """For events that need a guard though the client gave no key (conditional writes, spools)."""
    return new_id().hex


def guarded(stamp: Stamp) -> Stamp:
    """With an id, given by the client's key or not: by it the outcome is found."""
    return stamp if stamp.event_id is not None else replace(stamp, event_id=random_event_id())


def new_series_id() -> uuid.UUID:
    return new_id()


def series_id_of(event_id: str) -> uuid.UUID:
    """Of a series without a key that is made by a keyed request: the same each time."""
    return uuid.uuid5(uuid.UUID(hex=event_id), "series")
