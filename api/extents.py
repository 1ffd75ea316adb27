"""How far series reach, remembered: an extent holds until something comes to its series, which the store tells by the watermarks.

Before: doors with a page of series. After: sink/extents.py works out those that are not known, all at one watermark vector (I9). Nothing is
believed for longer than KEPT_SECONDS, since a broker in trouble may let the store have rows later than their watermark.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Sequence

from api.store_calls import StoreCalls
from sink.extents import Extent, extents
from sink.queries.arrived import touched
from sink.queries.selection import Selection
from sink.store import Store

KNOWN_MAX = 200_000
KEPT_SECONDS = 600
RECORDS_MAX = 20_000  # that came since: to look what they touched costs more than to ask anew
Watermark = tuple[int, ...]
SeriesKey = tuple[uuid.UUID, uuid.UUID]


class Extents:
    def __init__(self, calls: StoreCalls) -> None:
        self._calls = calls
        self._known: OrderedDict[SeriesKey, Extent] = OrderedDict()
        self._watermark: Watermark = ()
        self._begun = 0.0
        self._turn = asyncio.Lock()

    async def of(self, tenant: uuid.UUID, series: Sequence[uuid.UUID], watermark: Watermark, now: float) -> dict[uuid.UUID, Extent]:
        """Of each series of numbers, also where it has nothing or is not there, at the watermark or a later one. now: seconds."""
        async with self._turn:
            if not self._watermark or now - self._begun > KEPT_SECONDS:
                self._known.clear()
                self._watermark, self._begun = watermark, now
            later = tuple(map(max, self._watermark, watermark))
            if later != self._watermark or any((tenant, one) not in self._known for one in series):
                await self._learn(tenant, series, later)
            found = {one: self._known[(tenant, one)] for one in series}
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
            return found

    async def _learn(self, tenant: uuid.UUID, series: Sequence[uuid.UUID], later: Watermark) -> None:
        since, known = self._watermark, self._known.keys()
        came = sum(after - before for before, after in zip(since, later, strict=True))

        def ask(store: Store) -> tuple[set[SeriesKey], dict[uuid.UUID, Extent]]:
            gone = set(known) if came > RECORDS_MAX else _touched(store, since, later) if came else set()
            missing = tuple(one for one in dict.fromkeys(series) if (tenant, one) not in known or (tenant, one) in gone)
            return gone, extents(store, Selection(tenant, later, missing)) if missing else {}

        gone, found = await self._calls.call(ask)
        for key in gone:
            self._known.pop(key, None)
        self._known |= {(tenant, one): extent for one, extent in found.items()}
        self._watermark = later


def _touched(store: Store, since: Watermark, later: Watermark) -> set[SeriesKey]:
    return {(row["tenant"], row["series_id"]) for row in store.rows(touched(since, later))}
