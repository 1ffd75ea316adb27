"""What the doors know of series without asking the store again: that they exist and what their values are.

Before: a route with points. After: the writer. A series named by id must exist (404 names it); values must be of the
series' type (422). A value type never changes, so what was learned stays true until the series is deleted.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from varve.columns import Points, Target
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect, NotFound, Unavailable
from varve.events import LatestIncremented, SeriesDeleted
from varve.record import Record, home_of

ASKED_SECONDS_MAX = 10.0  # a store that hangs must not hold the log
KNOWN_MAX = 300_000
NUMBER = "number"  # what a series counts as that was made without a type; it may still get one, so that is not kept
SeriesKey = tuple[uuid.UUID, uuid.UUID]
FindTypes = Callable[[uuid.UUID, Sequence[uuid.UUID]], Awaitable[dict[uuid.UUID, str]]]


class Catalog:
    def __init__(self, find: FindTypes) -> None:
        self._find = find
        self._known: OrderedDict[SeriesKey, str] = OrderedDict()  # empty: made without a type
        self._deletions = 0
        self._unasked: set[SeriesKey] = set()  # written while the store did not answer

    async def check(self, record: Record) -> None:
        """Every series named by id exists; every row's value fits its series; only numbers are added to."""
        points = record.points
        for event in record.events:
            if isinstance(event, LatestIncremented):
                await self._check_latest(event)
        if not len(points):
            return
        await self._learn_if_told(points.targets)
        defining = [event for event in record.events if event.type == "series_defined"]
        self._refuse_unknown(points, {home_of(event) for event in defining})
        typed = {home_of(event) for event in defining if getattr(event, "value_type", None)}
        kinds = np.array([getattr(event, "value_type", None) or "" for event in record.events])
        for kind in {str(one) for one in kinds} - {""}:
            if wrong := self._mismatched(points, kind, typed):
                self._known |= await self._asked([points.targets[at] for at in wrong])
                self._refuse_mismatch(points, kind, typed, (kinds == kind)[points.event])

    def wrote(self, record: Record) -> None:
        """The record is on the log: its series exist from now on."""
        for event in record.events:
            kind = getattr(event, "value_type", None)
            if event.type in ("points_written", "points_incremented", "series_rewritten"):
                for target in record.points.targets:
                    if (target.tenant, target.series_id) not in self._unasked:
                        self._set(target.tenant, target.series_id, kind or "number")
            elif isinstance(event, LatestIncremented) and (ident := home_of(event)) is not None:
                self._set(event.tenant, ident, "number")
            elif isinstance(event, SeriesDeleted) and (ident := home_of(event)) is not None:
                self._known.pop((event.tenant, ident), None)
                self._deletions += 1
            elif event.type == "series_defined" and kind and event.series_id is not None:
                self._set(event.tenant, event.series_id, kind)
        self._trim()

    async def learn_ids(self, tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """The value types of those that are there."""
        await self._learn([Target(tenant, ident, "") for ident in idents])
        return {ident: self._known[(tenant, ident)] or NUMBER for ident in idents if (tenant, ident) in self._known}

    async def learn_id(self, tenant: uuid.UUID, ident: uuid.UUID) -> str | None:
        """The series' value type; None where there is no such series."""
        return (await self.learn_ids(tenant, (ident,))).get(ident)

    def _set(self, tenant: uuid.UUID, ident: uuid.UUID, kind: str) -> None:
        if not self._known.get((tenant, ident)):
            self._known[(tenant, ident)] = kind

    async def _learn_if_told(self, targets: Sequence[Target]) -> None:
        """A series named by its key is made by its first write, so an outage of the store stops nobody from writing to the log: what
        does not fit the series then shows as a null, as a producer's on the log does."""
        try:
            async with asyncio.timeout(ASKED_SECONDS_MAX):
                await self._learn(targets)
        except (Unavailable, TimeoutError) as reason:
            unknown = [target for target in targets if (target.tenant, target.series_id) not in self._known]
            if any(not target.key for target in unknown):
                words = str(reason) or "the store does not answer: whether these series are there is not known"
                raise Unavailable("store-unavailable", words) from None
            self._unasked.update((target.tenant, target.series_id) for target in unknown)

    async def _learn(self, targets: Sequence[Target]) -> None:
        missing = [target for target in targets if not self._known.get((target.tenant, target.series_id))]
        if missing:
            self._known |= await self._asked(missing)
            self._unasked.difference_update((target.tenant, target.series_id) for target in missing)
            self._trim()

    async def _found(self, tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Asked again where a series was deleted meanwhile: the answer may be from before."""
        while True:
            deletions = self._deletions
            found = await self._find(tenant, idents)
            if deletions == self._deletions:
                return found

    async def _asked(self, targets: Sequence[Target]) -> dict[SeriesKey, str]:
        """What the store says now: another server may have deleted a series and made it again, of another type."""
        tenants: dict[uuid.UUID, list[uuid.UUID]] = {}
        for target in targets:
            tenants.setdefault(target.tenant, []).append(target.series_id)
        return {(tenant, ident): kind for tenant, idents in tenants.items() for ident, kind in (await self._found(tenant, idents)).items()}

    async def _check_latest(self, event: LatestIncremented) -> None:
        ident = home_of(event)
        assert ident is not None, "a route names the series"
        holds = await self.learn_id(event.tenant, ident)
        if holds is None and not event.series:
            raise _unknown(ident)
        if holds not in (None, "number"):
            raise Incorrect("value-type", f"series {event.series or ident} holds {holds}: only numbers can be added to")

    def _refuse_unknown(self, points: Points, defined: set[uuid.UUID | None]) -> None:
        """defined: by the record itself."""
        keyless = [at for at, target in enumerate(points.targets) if not target.key and target.series_id not in defined]
        unknown = [at for at in keyless if (points.targets[at].tenant, points.targets[at].series_id) not in self._known]
        if not unknown:
            return
        rows = np.flatnonzero(np.isin(points.target, np.array(unknown)))[:ROWS_LISTED_MAX]
        named = points.targets[unknown[0]].series_id
        bad = tuple(BadRow(int(row), "series_id", f"{points.targets[points.target[row]].series_id} is unknown") for row in rows)
        raise _unknown(named, bad)

    def _mismatched(self, points: Points, kind: str, typed: set[uuid.UUID | None]) -> list[int]:
        """typed: series that get their type by the record itself, where they have none."""
        found = []
        for at, target in enumerate(points.targets):
            holds = self._known.get((target.tenant, target.series_id), kind) or (kind if target.series_id in typed else NUMBER)
            if holds != kind:
                found.append(at)
        return found

    def _refuse_mismatch(
        self, points: Points, kind: str, typed: set[uuid.UUID | None], chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]
    ) -> None:
        wrong = self._mismatched(points, kind, typed)
        rows = np.flatnonzero(np.isin(points.target, np.array(wrong)) & chosen)[:ROWS_LISTED_MAX]
        if not len(rows):
            return
        target = points.targets[points.target[rows[0]]]
        holds = self._known[(target.tenant, target.series_id)] or NUMBER
        bad = tuple(BadRow(int(row), "value", f"is {kind}, the series holds {holds}") for row in rows)
        raise Incorrect("value-type", f"series {target.key or target.series_id} holds {holds}, not {kind}", bad)

    def _trim(self) -> None:
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)


def _unknown(ident: uuid.UUID, rows: tuple[BadRow, ...] = ()) -> NotFound:
    return NotFound("series-unknown", f"there is no series {ident} in this tenant: create it first, or write by key", rows)
