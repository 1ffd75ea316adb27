"""The route agent's lane: a RouteShell over the log. The agent itself is streams/agents.py's, over varve.intake (I12).

Before: foreign producers, and the API for requests that touch several partitions. After: varve.events, receipts.
"""

from collections.abc import Mapping

from streams.dead_letters import write_letter
from streams.lanes import Lane
from streams.log import Appended, Headers, Log
from streams.receipts import Receipt
from streams.route_state import RouteState
from streams.router import RouteShell
from streams.shell import Remember
from streams.topics import RECORD_BYTES_MAX, Topics
from varve.settings import Settings


def route_lane(settings: Settings, topics: Topics, log: Log, partition: int, records: Mapping[bytes, bytes], remember: Remember) -> Lane:
    """records: the table's of all partitions; each shell picks its own."""
    state = RouteState.recover(partition, records)

    async def append(target: int, value: bytes, headers: Headers) -> Appended:
        return await log.append(topics.events, target, value, headers=headers)

    async def tell(receipt: Receipt) -> None:
        key, value = receipt.encode()
        await log.append(topics.receipts, 0, value, key=key)

    shell = RouteShell(state, topics.partitions, RECORD_BYTES_MAX, append, tell, remember, lambda letter: write_letter(log, topics, letter))
    return Lane(log, topics.intake, partition, shell, state.applied, settings.worker.flush_records)
