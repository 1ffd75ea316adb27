"""The guards of the worker's shells, the sink and the reads, each taken out: what the simulation must catch."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

import sink.stored
from sink.consumer import Sink, _Batch
from sink.positions import Reached, write_positions
from sink.queries.selection import Selection
from sink.rows import Message, joined
from sink.store import Refused
from streams import changelogs as logs
from streams.dead_letters import Letter
from streams.event_ids import EventIds
from streams.fold_times import Times
from streams.log import LogRecord
from streams.replay import Replay
from streams.router import RouteShell
from streams.shell import FoldShell, Step
from streams.state import PartitionState
from streams.topics import Topics
from tests.simulation.owners import Guards
from varve.instants import ABSENT

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    name: str
    guards: Guards = field(default_factory=Guards)
    patch: Patch = lambda _: None
    real: bool = False  # it takes reads of a real store to be seen
    seed: int = 0  # where it was seen: tried first, as most histories do not need every guard


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


class SignalsFirst(Sink):
    async def _advance(self, batch: _Batch) -> None:
        if batch.stage == "gathered" and not batch.inserted:
            await self._signal(batch)
        await super()._advance(batch)


class CommitsFirst(Sink):
    async def _advance(self, batch: _Batch) -> None:
        await self._blocking(write_positions, self._store, self._log.log_id, list(batch.reached.values()))
        await super()._advance(batch)


class StopsAtRefused(Sink):
    """The whole batch is left out for the one record that the store will not have."""

    async def _insert(self, table: str, messages: Any) -> None:
        try:
            await super()._insert(table, messages[:1])
            await self._blocking(lambda: self._store.insert(table, joined(messages)))
        except Refused:
            return


class KeepsPurged(Sink):
    async def _erase(self, messages: Any) -> None:
        return


def last_wins(held: dict[bytes, bytes], records: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return held | dict(records)


def _no_intake_position(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.shell.intake_of", lambda record: None)


def _no_event_ids(patch: pytest.MonkeyPatch) -> None:
    def status(self: EventIds, key: bytes, body_hash: int, now: int) -> Any:
        return "new"

    patch.setattr(EventIds, "status", status)


def _no_route_event_ids(patch: pytest.MonkeyPatch) -> None:
    from streams.router import Guarded

    def guard(self: RouteShell, record: Any, newest: int) -> Guarded:
        return Guarded(list(range(len(record.events))), {}, ())

    patch.setattr(RouteShell, "_guard", guard)


def _marks_unseen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("sink.stored._marks", lambda store, view: None)


def _covers_unseen(patch: pytest.MonkeyPatch) -> None:
    """Rows that know more than the read may see."""
    real = sink.stored._limits
    patch.setattr("sink.stored._limits", lambda series, watermark: real(series, tuple(1 << 30 for _ in watermark)))


def _unbounded(patch: pytest.MonkeyPatch) -> None:
    """Reads of what is there now, whatever their vector."""
    real = Selection.__post_init__

    def unbounded(self: Selection) -> None:
        object.__setattr__(self, "watermark", tuple(1 << 30 for _ in self.watermark))
        real(self)

    patch.setattr(Selection, "__post_init__", unbounded)


def _stamps_as_they_are(patch: pytest.MonkeyPatch) -> None:
    """The fold takes the door's clock for known_time, whatever came before."""

    def taken(event: Any, series: Any, stamps: Any, given: Any, recorded_before: Any, known_before: Any) -> Times:
        known = np.where(given == ABSENT, stamps[event], given)
        return Times(np.maximum(stamps[event], recorded_before[series]), known, known)

    patch.setattr("streams.segments.assign_times", taken)


def _jumps_over_the_missing(patch: pytest.MonkeyPatch) -> None:
    """The sink takes a later position for the next one."""

    def after(before: Reached, record: LogRecord, message: Message | str) -> Reached:
        closed = message.points.offset + 1 if isinstance(message, Message) and message.points.last else 0
        return Reached(record.partition, max(before.next_offset, closed), record.offset + 1)

    patch.setattr("sink.consumer._after", after)


def _replay_tells_nothing(patch: pytest.MonkeyPatch) -> None:
    async def refuse(self: Replay, letter: Letter) -> None:
        return

    patch.setattr(Replay, "_refuse", refuse)


def _replay_forgets_where_it_was(patch: pytest.MonkeyPatch) -> None:
    """It goes on behind what it has remembered."""
    real = Replay._states

    async def states(self: Replay) -> dict[int, PartitionState]:
        found = await real(self)
        for state in found.values():
            state.applied = max(state.applied, (await self.log.ends(self.topics.events))[state.partition] - 3)
        return found

    patch.setattr(Replay, "_states", states)


def _same_changelog(patch: pytest.MonkeyPatch) -> None:
    """Both generations' workers keep their state in one place."""

    def changelogs(topics: Topics) -> Any:
        return real(replace(topics, generation=1))

    real = logs.changelogs
    for where in ("streams.replay.changelogs", "tests.simulation.owners.changelogs", "tests.simulation.checker.changelogs"):
        patch.setattr(where, changelogs)


MUTANTS = [
    Mutant("the position that skips what was applied", Guards(fold_shell=FoldsAgain), seed=1),
    Mutant("the check for a jump", Guards(fold_shell=JumpsAhead), seed=3),
    Mutant("highest position wins", Guards(recover=last_wins), seed=16),
    Mutant("the seek to the state's own position", Guards(seek_to_state=False)),
    Mutant("emit before remember", Guards(fold_shell=RemembersFirst), seed=1),
    Mutant("the partition's record last", Guards(fold_shell=PartitionFirst)),
    Mutant("the intake position", patch=_no_intake_position),
    Mutant("the event ids", patch=_no_event_ids),
    Mutant("the route agent's event ids", patch=_no_route_event_ids, seed=6),
    Mutant("the route agent's check for a jump", Guards(route_shell=RoutesAhead), seed=6),
    Mutant("insert before watermark", Guards(sink=SignalsFirst)),
    Mutant("insert before the store's position", Guards(sink=CommitsFirst)),
    Mutant("the halving of a refused batch", Guards(sink=StopsAtRefused)),
    Mutant("the erasure of what is purged", Guards(sink=KeepsPurged), seed=13),
    Mutant("the wait for what is missing", patch=_jumps_over_the_missing, seed=1),
    Mutant("the monotone known_time", patch=_stamps_as_they_are),
    Mutant("the replay's own dead letters", patch=_replay_tells_nothing, seed=10),
    Mutant("the replay's start where its state ends", patch=_replay_forgets_where_it_was, seed=6),
    Mutant("a state for each generation", patch=_same_changelog, seed=6),
    Mutant("the look at marks", patch=_marks_unseen, real=True, seed=3),
    Mutant("the look at covers", patch=_covers_unseen, real=True, seed=1),
    Mutant("reads at one vector", patch=_unbounded, real=True, seed=1),
]
