"""`varve replay --until ... --name ...`: a generation of what varve.events held until a position, kept under a name; `varve generations`
lists and removes them.

Before: a person who wants the past as today's fold and tables tell it. After: /generations/NAME/... of the running server answers from
it (api/named.py). Stopped or killed anywhere, it goes on when run again with the same end.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from streams.changelogs import own_topics
from streams.generations import name_taken, refuse_name
from streams.log_kafka import KafkaLog, make_topics, remove_topics
from streams.replay import Replay
from varve.errors import Conflict, Incorrect, NotFound
from varve.instants import parse_instant
from varve.offline import run_with_log
from varve.own_key import own_key
from varve.position import Token
from varve.replay import ASKED_EVERY_SECONDS, Server, beside, give_way, refuse_failed
from varve.replay_progress import shown
from varve.running import one_replay
from varve.settings import Settings

Say = Callable[[str], None]


def run_named(settings: Settings, url: str, name: str, until: str, say: Say) -> None:
    """until: a token that a read gave, or an instant: what was stored before it."""
    refuse_name(name)
    give_way()
    with one_replay(settings.data):
        run_with_log(settings, lambda log: _run(log, settings, url, name, until, say))


def list_named(settings: Settings, url: str, say: Say) -> None:
    async def told() -> None:
        async with Server(url, own_key(settings, url)) as server:
            state = await server.state()
        say(f"{state['served']['generation']}  is served")
        for one in state["kept"]:
            say(f"{one['name']}  made {one['made']}, until {one['until']}: {url}/generations/{one['name']}/api/v1/...")

    asyncio.run(told())


def remove_named(settings: Settings, url: str, name: str, say: Say) -> None:
    """Also one that was begun and not finished."""
    refuse_name(name)

    async def removed(log: KafkaLog) -> None:
        async with Server(url, own_key(settings, url)) as server:
            await server.ask("DELETE", f"/{name}")
        await remove_topics(log.brokers, [one.name for one in own_topics(replace(log.topics, name=name))])
        say(f"generation {name} is removed")

    run_with_log(settings, removed)


async def _run(log: KafkaLog, settings: Settings, url: str, name: str, until: str, say: Say) -> None:
    ends = await _ends(log, until)
    replay = Replay(log, replace(log.topics, name=name), tuple(ends[partition] for partition in range(log.topics.partitions)))
    async with Server(url, own_key(settings, url)) as server:
        if name in _names(await server.state()):
            raise name_taken(name)
        await make_topics(log.brokers, own_topics(replay.topics), settings.log.replication)
        of = sum((await log.ends(log.topics.events)).values())
        say(f"generation {name} is being built of the first {sum(ends.values())} of {of} event records")
        token = Token(log.log_id, {partition: end - 1 for partition, end in ends.items() if end})
        await beside(replay, _kept(server, replay, {"name": name, "until": str(token)}, say))
    await remove_topics(log.brokers, [one.name for one in own_topics(replay.topics)])
    say(f"generation {name} is kept: {url}/generations/{name}/api/v1/... answers from it")


async def _ends(log: KafkaLog, until: str) -> Mapping[int, int]:
    """By partition, the first offset that is left out."""
    ends = await log.ends(log.topics.events)
    with suppress(Incorrect):
        token = Token.parse(until)
        if token.log_id != log.log_id:
            raise Conflict("token-foreign", f"--until: the token is of log {token.log_id[:8]}…, this is log {log.log_id[:8]}…")
        beyond = {partition: offset for partition, offset in token.offsets.items() if offset >= ends.get(partition, 0)}
        if beyond:
            words = f"--until: partition {min(beyond)} has no record {beyond[min(beyond)]}: give a token of a read, unchanged"
            raise Conflict("position-unknown", words)
        return {partition: token.offsets.get(partition, -1) + 1 for partition in ends}
    return await log.offsets_at(log.topics.events, parse_instant(until, where="--until"))


async def _kept(server: Server, replay: Replay, wanted: Mapping[str, Any], say: Say) -> None:
    while True:
        await _filled(server, replay, wanted, say)
        with suppress(NotFound):  # the server was started again meanwhile: kept before that, or to be filled once more
            await server.ask("POST", f"/{replay.topics.label}/serve")
        if replay.topics.label in _names(await server.state()):
            return


async def _filled(server: Server, replay: Replay, wanted: Mapping[str, Any], say: Say) -> None:
    until = replay.until or ()
    with shown(say) as bar:
        while True:
            built = (await server.state())["building"]
            if built is None:
                await server.ask("POST", "", wanted)
                continue
            refuse_failed(built)
            bar.at(sum(built["vector"]), sum(until), built["points"])
            if built["generation"] != replay.topics.label or all(here >= end for here, end in zip(built["vector"], until, strict=True)):
                await server.ask("POST", "", wanted)  # refused in words where another one is being built
                bar.caught_up()
                return
            await asyncio.sleep(ASKED_EVERY_SECONDS)


def _names(state: Mapping[str, Any]) -> list[str]:
    return [one["name"] for one in state["kept"]]
