"""Folds varve.events from its start into another generation: a worker's own shells, points and state, without Faust (I1, I3).

Before: `varve replay`. After: that generation's points, for its sink, and its state, from which its workers go on. It begins
where that state ends, so it may be killed anywhere and run again. What is refused became a dead letter when it came first; where the
workers that serve may not have come to it before they leave, it becomes one here. One that is kept under a name ends at its position.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from streams.changelogs import changelogs
from streams.dead_letters import Letter, write_letter
from streams.log import Log, LogReader
from streams.lost_records import refuse_headless
from streams.points import PointsRecord
from streams.read_whole import read_whole
from streams.recovery import keep_highest
from streams.shell import FoldShell
from streams.state import PartitionState
from streams.together import together
from streams.topics import Topic, Topics
from varve.errors import Conflict

POLL_SECONDS, POLL_RECORDS_MAX = 0.2, 50
FLUSH_SECONDS = 5.0  # a state that is written seldom costs little, and a kill costs seconds of folding again


@dataclass
class Replay:
    """until: by partition, the offset to end at; none where it has no end. emits: where not, only the state is made. folded: the next
    offset to fold; empty until it runs. served: the vector that is served, if this is to be: workers have told what was refused below."""

    log: Log
    topics: Topics
    until: Sequence[int] | None = None
    emits: bool = True
    folded: dict[int, int] = field(default_factory=dict)
    served: Sequence[int] = ()

    async def run(self) -> None:
        """For ever where there is no end: what comes meanwhile is folded too. Faults say what is wrong with the log."""
        await refuse_headless(self.log, self.topics.events)
        states = await self._states()
        self.folded = {partition: state.applied + 1 for partition, state in states.items()}
        if self.until is not None and any(next_ > end for next_, end in zip(self.folded.values(), self.until, strict=True)):
            label = self.topics.label
            words = f"generation {label} was begun with a later end: say that one, or remove it (`varve generations --remove {label}`)"
            raise Conflict("generation-beyond", words)
        await together(self._fold(state) for state in states.values())

    async def _states(self) -> dict[int, PartitionState]:
        held: dict[bytes, bytes] = {}
        async for record in read_whole(self.log, self._changelog.name):
            if record.key is not None and record.value:
                held |= keep_highest(held, [(record.key, record.value)])
        return {partition: PartitionState.recover(partition, held) for partition in range(self.topics.partitions)}

    async def _fold(self, state: PartitionState) -> None:
        partition = state.partition
        shell = FoldShell(state, self._emit(partition), self._remember(partition), self._refuse)
        reader = self.log.reader(self.topics.events, {partition: state.applied + 1})
        flushing = asyncio.create_task(_flush_often(shell))
        try:
            while self.until is None or shell.state.applied + 1 < self.until[partition]:
                await self._step(shell, reader)
                self.folded[partition] = shell.state.applied + 1
                if flushing.done():
                    flushing.result()
        finally:
            flushing.cancel()
            await reader.close()
            await shell.flush()

    async def _step(self, shell: FoldShell, reader: LogReader) -> None:
        for record in await reader.poll(POLL_SECONDS, POLL_RECORDS_MAX):
            if self.until is None or record.offset < self.until[record.partition]:
                await shell.step(record, over_gap=True)

    def _emit(self, partition: int) -> Callable[[PointsRecord], Awaitable[object]]:
        async def told_before() -> None: ...

        def emit(points: PointsRecord) -> Awaitable[object]:
            if not self.emits:
                return told_before()
            return asyncio.ensure_future(self.log.append(self.topics.points, partition, points.value, headers=points.headers))

        return emit

    def _remember(self, partition: int) -> Callable[[bytes, bytes], Awaitable[object]]:
        return lambda key, value: self.log.append(self._changelog.name, partition, value, key=key)

    async def _refuse(self, letter: Letter) -> None:
        """Twice is better than never."""
        if self.served and letter.offset >= self.served[letter.partition]:
            await write_letter(self.log, self.topics, letter)

    @property
    def _changelog(self) -> Topic:
        return changelogs(self.topics)[0]


async def _flush_often(shell: FoldShell) -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        await shell.flush()
