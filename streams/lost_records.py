"""Whether the log still holds what a worker has folded, and what it has yet to fold: at the start, and while it runs (I12).

Before: streams/app.py makes lanes, and beats. After: a worker that leaves in words, since it would pass over what comes at positions
that it has folded.
"""

from streams.lanes import Lane, Lanes
from streams.log import Log
from varve.errors import Fault


class LogLost(Fault):
    """Records are missing that nothing here can replace; the message names the repair."""


class TailWatch:
    """A broker that comes back with older files gives new records positions that were folded already."""

    def __init__(self, log: Log, lanes: Lanes) -> None:
        self._log, self._lanes = log, lanes
        self._short: set[Lane] = set()

    async def look(self) -> None:
        """LogLost where the log is too short twice running: a broker that has just started may not know its own end."""
        expected = {lane: lane.next for lane in self._lanes.all()}  # before the log is asked
        ends = {topic: await self._log.ends(topic) for topic in {lane.topic for lane in expected}}
        short = {lane for lane, offset in expected.items() if offset > ends[lane.topic].get(lane.partition, offset)}
        for lane in short & self._short:
            refuse_lost_tail(lane.topic, lane.partition, expected[lane], ends[lane.topic][lane.partition])
        self._short = short


def refuse_lost_tail(topic: str, partition: int, expected: int, end: int) -> None:
    if expected > end:
        words = (
            f"the log lost its tail: {topic} partition {partition} ends at {end}, but this worker has folded up to {expected - 1}. Bring "
            "the broker's newest files back, or accept the loss: stop everything and run `varve rebuild`, which rebuilds all views "
            "from what the log holds"
        )
        raise LogLost("log-lost-tail", words)


async def refuse_headless(log: Log, topic: str) -> None:
    """For what must be folded from its first record."""
    if any((await log.starts(topic)).values()):
        words = f"{topic} does not begin at 0 any more: its first records are gone, and no replay can bring them back"
        raise Fault("log-lost-head", words)


def refuse_lost_head(topic: str, partition: int, expected: int, start: int) -> None:
    if start > expected:
        words = (
            f"the log lost its head: {topic} partition {partition} starts at {start}, but this worker needs record {expected}. Its "
            "retention must be unlimited (`varve topics`); restore the missing records from a copy"
        )
        raise LogLost("log-lost-head", words)
