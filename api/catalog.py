"""What the doors know of series without asking the store again: that they exist and what their values are.

Before: a route with points. After: the writer. A series named by id must exist (404 names it); values must be of the
series' type (422). A value type never changes, so what was learned stays true.
"""

import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from varve.columns import Points, Target
from varve.errors import ROWS_LISTED_MAX, BadRow, Incorrect, NotFound
from varve.record import Record

KNOWN_MAX = 300_000
SeriesKey = tuple[uuid.UUID, uuid.UUID]
FindTypes = Callable[[uuid.UUID, Sequence[uuid.UUID]], Awaitable[dict[uuid.UUID, str]]]


class Catalog:
    def __init__(self, find: FindTypes) -> None:
        self._find = find
        self._known: OrderedDict[SeriesKey, str] = OrderedDict()

    async def check(self, record: Record) -> None:
        """Every series named by id exists; every row's value fits its series."""
        points = record.points
        if not len(points):
            return
        await self._learn(points.targets)
        self._refuse_unknown(points)
        kinds = np.array([getattr(event, "value_type", None) or "" for event in record.events])
        for kind in {str(one) for one in kinds} - {""}:
            self._refuse_mismatch(points, str(kind), (kinds == kind)[points.event])

    def wrote(self, record: Record) -> None:
        """The record is on the log: its series exist from now on."""
        for event in record.events:
            kind = getattr(event, "value_type", None)
            if event.type == "points_written":
                for target in record.points.targets:
                    self._known.setdefault((target.tenant, target.series_id), kind or "number")
            elif event.type == "series_defined" and kind and event.series_id is not None:
                self._known.setdefault((event.tenant, event.series_id), kind)
        self._trim()

    async def learn_ids(self, tenant: uuid.UUID, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
        """The value types of those that are there."""
        await self._learn([Target(tenant, ident, "") for ident in idents])
        return {ident: self._known[(tenant, ident)] for ident in idents if (tenant, ident) in self._known}

    async def learn_id(self, tenant: uuid.UUID, ident: uuid.UUID) -> str | None:
        """The series' value type; None where there is no such series."""
        await self._learn((Target(tenant, ident, ""),))
        return self._known.get((tenant, ident))

    async def _learn(self, targets: Sequence[Target]) -> None:
        missing: dict[uuid.UUID, list[uuid.UUID]] = {}
        for target in targets:
            if (target.tenant, target.series_id) not in self._known:
                missing.setdefault(target.tenant, []).append(target.series_id)
        for tenant, idents in missing.items():
            for ident, kind in (await self._find(tenant, idents)).items():
                self._known[(tenant, ident)] = kind
        self._trim()

    def _refuse_unknown(self, points: Points) -> None:
        unknown = [
            at for at, target in enumerate(points.targets) if not target.key and (target.tenant, target.series_id) not in self._known
        ]
        if not unknown:
            return
        rows = np.flatnonzero(np.isin(points.target, np.array(unknown)))[:ROWS_LISTED_MAX]
        named = points.targets[unknown[0]].series_id
        bad = tuple(BadRow(int(row), "series_id", f"{points.targets[points.target[row]].series_id} is unknown") for row in rows)
        raise NotFound("series-unknown", f"there is no series {named} in this tenant: create it first, or write by key", bad)

    def _refuse_mismatch(self, points: Points, kind: str, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
        wrong = [at for at, target in enumerate(points.targets) if self._known.get((target.tenant, target.series_id), kind) != kind]
        if not wrong:
            return
        rows = np.flatnonzero(np.isin(points.target, np.array(wrong)) & chosen)[:ROWS_LISTED_MAX]
        if not len(rows):
            return
        target = points.targets[points.target[rows[0]]]
        holds = self._known[(target.tenant, target.series_id)]
        bad = tuple(BadRow(int(row), "value", f"is {kind}, the series holds {holds}") for row in rows)
        raise Incorrect("value-type", f"series {target.key or target.series_id} holds {holds}, not {kind}", bad)

    def _trim(self) -> None:
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
