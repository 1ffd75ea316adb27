"""What the doors know of runs: that they exist and which known_time they gave their points.

Before: routes that open runs or write under them. After: the points' event carries the run's known_time.
"""

import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from varve.errors import NotFound
from varve.record import Record

KNOWN_MAX = 100_000
RunKey = tuple[uuid.UUID, uuid.UUID]
FindRun = Callable[[uuid.UUID, uuid.UUID], Awaitable[tuple[int | None] | None]]


class Runs:
    def __init__(self, find: FindRun) -> None:
        self._find = find
        self._known: OrderedDict[RunKey, int | None] = OrderedDict()

    async def known_time(self, tenant: uuid.UUID, run_id: uuid.UUID) -> int | None:
        """NotFound names a run that nobody opened."""
        if (tenant, run_id) not in self._known:
            found = await self._find(tenant, run_id)
            if found is None:
                raise NotFound("run-unknown", f"there is no run {run_id} in this tenant: open it with POST /api/v1/runs")
            self._remember(tenant, run_id, found[0])
        return self._known[(tenant, run_id)]

    def wrote(self, record: Record) -> None:
        for event in record.events:
            if event.type == "run_opened":
                self._remember(event.tenant, event.run_id, event.known_time)

    def _remember(self, tenant: uuid.UUID, run_id: uuid.UUID, known_time: int | None) -> None:
        self._known[(tenant, run_id)] = known_time
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
