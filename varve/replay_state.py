"""`varve replay --state`: the workers' state, folded anew from varve.events; points, tables and the log stay as they are (I1).

Before: a state that is lost, damaged or of another format, and nothing that folds. After: workers go on from where varve.points ends.
Cut short, it is run again.
"""

import asyncio
from collections.abc import Callable

from streams.changelogs import changelogs
from streams.emitted import emitted
from streams.log_kafka import KafkaLog, make_topics, remove_topics
from streams.rebuild import refuse_while_folding
from streams.replay import Replay
from varve.client_progress import transfer
from varve.offline import offline, refuse_without_log, run_with_log
from varve.settings import Settings

SHOWN_EVERY_SECONDS = 0.2


def run_state(settings: Settings, say: Callable[[str], None]) -> None:
    refuse_without_log(settings)
    with offline(settings) as reached:
        run_with_log(reached, lambda log: _run(log, reached, say))


async def _run(log: KafkaLog, settings: Settings, say: Callable[[str], None]) -> None:
    await refuse_while_folding(log, log.topics)
    until, state = await emitted(log, log.topics), changelogs(log.topics)[0]
    await remove_topics(log.brokers, [state.name])
    await make_topics(log.brokers, [state], settings.log.replication)
    replay = Replay(log, log.topics, until, emits=False)
    folding = asyncio.create_task(replay.run())
    with transfer("folding", sum(until), words="records") as told:
        shown = 0
        while not folding.done():
            await asyncio.wait({folding}, timeout=SHOWN_EVERY_SECONDS)
            told(sum(replay.folded.values()) - shown)
            shown = sum(replay.folded.values())
    folding.result()
    say(f"the state of {sum(until)} event record(s) is in {state.name}: start `varve up`, or the workers")
