"""`varve replay --into-log NAME --partitions N`: a new log with another partition count, filled from this one (I2).

Before: a person whose log needs more partitions, with a running Varve or a stopped one. After: streams/into_log.py has copied what was on
the log when it began; run again, it copies what came since. `VARVE_LOG__PREFIX` and `VARVE_LOG__PARTITIONS` then serve the new log.
"""

import re
from collections.abc import Callable

from streams.into_log import Place, copied, copy
from streams.log_kafka import KafkaLog, log_of
from varve.client_progress import transfer
from varve.errors import Incorrect
from varve.offline import refuse_without_log, run_with_log, running_or_offline
from varve.settings import Settings

_PREFIX = re.compile(r"^[A-Za-z0-9._-]{1,100}$")


def run_into(settings: Settings, name: str, partitions: int, say: Callable[[str], None]) -> None:
    if not _PREFIX.match(name) or name == settings.log.prefix:
        words = f"'{name[:80]}' cannot name the new log: letters, digits, '.', '_', '-', and not {settings.log.prefix} again"
        raise Incorrect("name-incorrect", words)
    refuse_without_log(settings)
    with running_or_offline(settings) as reached:
        run_with_log(reached, lambda log: _run(log, reached, name, partitions, say))


async def _run(log: KafkaLog, settings: Settings, name: str, partitions: int, say: Callable[[str], None]) -> None:
    changed = settings.log.model_copy(update={"prefix": name, "partitions": partitions})
    async with log_of(settings.model_copy(update={"log": changed})) as other:
        source, target = Place(log, log.topics), Place(other, other.topics)
        before, until = await copied(log, target), await log.ends(log.topics.events)
        with transfer("copying", sum(until.values()), words="records") as told:
            new = await copy(source, target, before, until, told)
        left = sum((await log.ends(log.topics.events)).values()) - sum(until.values())
        held = sum((await other.ends(other.topics.events)).values())
    say(f"{new} record(s) copied; {other.topics.events} holds {held} in {partitions} partition(s)")
    if left:
        say(f"{left} record(s) came meanwhile: when nobody writes any more, run this again")
    say(f"VARVE_LOG__PREFIX={name} VARVE_LOG__PARTITIONS={partitions} serves it; former tokens and versions are not this log's")
