"""Sinks: each a process with its own watermarks, over the real Sink, and refresh where the store is a real one.

Before: world.py lets them go on, fail, die, sleep and wake. After: rows are in the generation's store, readers take their watermarks.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from sink.queries.query import Query
from sink.refresh import Refresh
from sink.store import Store
from tests.simulation.generations import Generation, Watched
from tests.simulation.store_memory import Row
from tests.simulation.wire import CrashError, Faults, Wire
from varve.errors import Fault, VarveError

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")
Ends = Mapping[int, int]
STEPS_MAX = 2_000


class Reach:
    """The store as one process reaches it."""

    def __init__(self, generation: Generation, faults: Faults) -> None:
        self.where = generation.store.where
        self._generation, self._faults = generation, faults

    def insert(self, table: str, rows: pa.Table) -> None:
        if table == "watermarks":
            self._generation.stored(rows)
        self._faults.act(lambda: self._generation.store.insert(table, rows), "the store")

    def rows(self, query: Query) -> list[Row]:
        return self._faults.act(lambda: self._generation.store.rows(query), "the store")

    def change(self, query: Query) -> None:
        self._faults.act(lambda: self._generation.store.change(query), "the store")


class ReachReal(Store):
    """The real store as a process's refresh reaches it."""

    def __init__(self, real: Store, faults: Faults) -> None:
        self._real, self._faults = real, faults

    def arrow(self, query: Query) -> pa.Table:
        return self._real.arrow(query)

    def rows(self, query: Query) -> list[Row]:
        return self._real.rows(query)

    def insert(self, table: str, rows: pa.Table) -> None:
        self._faults.act(lambda: self._real.insert(table, rows), "the store")

    def change(self, query: Query) -> None:
        self._faults.act(lambda: self._real.change(query), "the store")


class SinkProcess:
    def __init__(self, world: "World", generation: Generation) -> None:
        self.generation, self.faults = generation, Faults(world.chosen)
        self.watermarks = Watched(generation)
        reach, chosen = Reach(generation, self.faults), world.chosen
        real = generation.store.beside
        rows_max, poll_records_max = chosen.choice((1 if real is None else 50, 20, 500)), chosen.choice((1 if real is None else 20, 3, 50))
        wire = Wire(world.log, self.faults)
        self.sink = world.guards.sink(wire, generation.topics, reach, self.watermarks, rows_max, None, poll_records_max)
        self.sink._blocking = _at_once  # type: ignore[method-assign]
        self.refresh = None if real is None else Refresh(ReachReal(real, self.faults), self.watermarks, world.clock, 1.0)

    async def step(self, steps: int) -> None:
        """As run() does, but for time."""
        for _ in range(steps):
            try:
                await self.sink.step()
            except VarveError as error:
                if isinstance(error, Fault):
                    self.generation.complaints.append(f"the sink stops: {error.message}")
                await self.sink._wait_after(error, 0)

    def renew(self) -> None:
        if self.refresh is not None:
            try:
                self.refresh.step()
            except VarveError:
                return

    async def until_idle(self, ends: Ends) -> None:
        """All that was emitted is read, stored and committed."""
        for _ in range(STEPS_MAX):
            await self.step(1)
            reached = {one.partition: one.points_offset for one in self.sink._reached.values()}
            if reached == ends and self.sink._batch is None and not self.sink._uncommitted:
                return
        self.generation.complaints.append(f"the sink is at {self.sink._reached}, and the points end at {ends}")

    async def crash_within(self, effects: int, steps: int) -> bool:
        """kill -9 after so many effects, if it comes to them."""
        self.faults.left = effects
        try:
            await self.step(steps)
            self.renew()
        except CrashError:
            return True
        self.faults.left = 1 << 30
        return False


async def _at_once(work: Callable[..., T], *arguments: Any) -> T:
    """No thread: one history is one order of things."""
    return work(*arguments)
