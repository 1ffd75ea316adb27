"""The guards of DESIGN's worker shell, each taken out: what the simulation must catch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from streams.event_ids import EventIds
from streams.log import LogRecord
from streams.router import RouteShell
from streams.shell import FoldShell, Step
from tests.simulation.world import Guards

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    name: str
    guards: Guards = field(default_factory=Guards)
    patch: Patch = lambda _: None


class FoldsAgain(FoldShell):
    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step:
        self.state.applied = min(self.state.applied, record.offset - 1)
        return await super().step(record, over_gap=over_gap)


class JumpsAhead(FoldShell):
    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step:
        self.state.applied = max(self.state.applied, record.offset - 1)
        return await super().step(record, over_gap=over_gap)


class RemembersFirst(FoldShell):
    async def flush(self) -> int:
        if self.dirty:
            applied = self.state.applied
            for key, value in self.state.flush():
                await self._remember(key, value)
            self._remembered = applied
        return self.state.applied


class PartitionFirst(FoldShell):
    async def flush(self) -> int:
        if not self.dirty:
            return self.state.applied
        applied, handed_over = self.state.applied, list(self._in_flight)
        self._in_flight.clear()
        for waiting, _ in handed_over:
            await waiting
        for key, value in reversed(self.state.flush()):
            await self._remember(key, value)
        self._remembered = applied
        return applied


class RoutesAgain(RouteShell):
    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step:
        self.state.applied = min(self.state.applied, record.offset - 1)
        return await super().step(record, over_gap=over_gap)


class RoutesAhead(RouteShell):
    async def step(self, record: LogRecord, *, over_gap: bool = False) -> Step:
        return await super().step(record, over_gap=True)


def last_wins(held: dict[bytes, bytes], records: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return held | dict(records)


def _no_intake_position(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.shell._intake", lambda record: None)


def _no_event_ids(patch: pytest.MonkeyPatch) -> None:
    def status(self: EventIds, key: bytes, body_hash: int, now: int) -> Any:
        return "new"

    patch.setattr(EventIds, "status", status)


def _no_route_event_ids(patch: pytest.MonkeyPatch) -> None:
    from streams.router import Guarded

    def guard(self: RouteShell, record: Any, newest: int) -> Guarded:
        return Guarded(list(range(len(record.events))), {}, ())

    patch.setattr(RouteShell, "_guard", guard)


MUTANTS = [
    Mutant("the position that skips what was applied", Guards(fold_shell=FoldsAgain)),
    Mutant("the check for a jump", Guards(fold_shell=JumpsAhead)),
    Mutant("highest position wins", Guards(recover=last_wins)),
    Mutant("the seek to the state's own position", Guards(seek_to_state=False)),
    Mutant("emit before remember", Guards(fold_shell=RemembersFirst)),
    Mutant("the partition's record last", Guards(fold_shell=PartitionFirst)),
    Mutant("the intake position", patch=_no_intake_position),
    Mutant("the event ids", patch=_no_event_ids),
    Mutant("the route agent's event ids", patch=_no_route_event_ids),
    Mutant("the route agent's check for a jump", Guards(route_shell=RoutesAhead)),
]
