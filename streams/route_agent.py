"""The route agent's lane: a RouteShell over the log. The agent itself is streams/agents.py's, over varve.intake (I12).

Before: foreign producers, and the API for requests that touch several partitions. After: varve.events, receipts.
"""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress

from streams.dead_letters import write_letter
from streams.lanes import Lane
from streams.log import Appended, Headers, Log
from streams.read_whole import read_whole
from streams.receipts import Receipt
from streams.route_state import RouteState
from streams.router import RouteShell
from streams.shell import Remember
from streams.state import Damaged
from streams.topics import RECORD_BYTES_MAX, Topics
from varve.settings import Settings

_say = logging.getLogger("varve.route")


async def route_states(log: Log, topics: Topics, partitions: Collection[int], records: Mapping[bytes, bytes]) -> list[RouteState]:
    """records: the table's of all partitions. Where they tell nothing of one that is in use, the receipts tell how far it was: an event id
    that comes again is then known to the fold alone, which guards by it too."""
    states = [_recovered(partition, records) for partition in partitions]
    starts, ends = await log.starts(topics.intake), await log.ends(topics.intake)
    lost = {state.partition: state for state in states if state.applied < 0 and starts[state.partition] < ends[state.partition]}
    if lost:
        async for record in read_whole(log, topics.receipts):
            with suppress(ValueError, KeyError, TypeError):  # a stranger's record
                receipt = Receipt.decode(record.key or b"", record.value)
                if (state := lost.get(receipt.intake_partition)) is not None:
                    state.applied = max(state.applied, receipt.intake_offset)
    return states


def _recovered(partition: int, records: Mapping[bytes, bytes]) -> RouteState:
    try:
        return RouteState.recover(partition, records)
    except Damaged as error:
        _say.warning("%s: the receipts tell how far it was", error.message)
        return RouteState(partition)


def route_lane(settings: Settings, topics: Topics, log: Log, state: RouteState, remember: Remember) -> Lane:
    async def append(target: int, value: bytes, headers: Headers) -> Appended:
        return await log.append(topics.events, target, value, headers=headers)

    async def tell(receipt: Receipt) -> None:
        key, value = receipt.encode()
        await log.append(topics.receipts, 0, value, key=key)

    shell = RouteShell(state, topics.partitions, RECORD_BYTES_MAX, append, tell, remember, lambda letter: write_letter(log, topics, letter))
    return Lane(log, topics.intake, state.partition, shell, state.applied, settings.worker.flush_records)
