"""`varve replay`: builds every view anew from varve.events while the running system serves and writes, compares, and serves it (I1).

Before: a person, or a change of the fold or the tables. After: the next generation is served and the old one is gone. The fold runs
here, the tables are filled by the running server, which alone may touch the store. Stopped or killed anywhere, it goes on when
run again.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx

from streams.changelogs import following, own_topics
from streams.log_kafka import KafkaLog, make_topics, remove_topics
from streams.replay import Replay
from streams.topics import Topics
from varve.client_http import error_of
from varve.clock import SystemClock
from varve.errors import NotFound, Unavailable
from varve.offline import run_with_log
from varve.replay_progress import Shown, shown
from varve.running import one_replay
from varve.settings import Settings

ASKED_EVERY_SECONDS = 0.5
SILENT_SECONDS_MAX = 120.0  # of a server that is being started again
FIRST_ANSWER_SECONDS_MAX = 5.0  # of one that may never have been there
SERVED_SECONDS_MAX = 180.0
LISTED_MAX = 20
NICER = 5
CLOSE_RECORDS = 100  # behind what is served, where writes go on: the server waits for these
CLOCK = SystemClock()
T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """check: compare and drop again. serve_anyway: asked where the built generation differs, with the question."""

    url: str
    check: bool
    serve_anyway: Callable[[str], bool]
    key: str | None = None


def give_way() -> None:
    """What serves and writes goes before what is built beside it."""
    os.nice(NICER)


def run_replay(settings: Settings, wanted: Wanted, say: Callable[[str], None]) -> bool:
    """Whether all is as it should be: no difference where it was only to be checked, else the new generation is served."""
    give_way()
    with one_replay(settings.data):
        asyncio.run(_answered(wanted.url, wanted.key))
        return run_with_log(settings, lambda log: _run(log, settings, wanted, say))


async def _answered(url: str, key: str | None) -> None:
    """Nothing is begun where nobody serves."""
    async with Server(url, key, FIRST_ANSWER_SECONDS_MAX) as server:
        await server.state()


async def _run(log: KafkaLog, settings: Settings, wanted: Wanted, say: Callable[[str], None]) -> bool:
    async with Server(wanted.url, wanted.key) as server:
        served = (await server.state())["served"]["vector"]
    replay = Replay(log, following(log.topics), served=served)
    await make_topics(log.brokers, own_topics(replay.topics), settings.log.replication)
    say(f"generation {replay.topics.generation} of the views is being built; generation {log.topics.generation} serves meanwhile")
    done, gone = await beside(replay, _built(log, replay, wanted, say))
    if gone is not None:
        async with Server(wanted.url, wanted.key) as server:
            await server.ask("DELETE", f"/{gone.generation}")
        await remove_topics(log.brokers, [one.name for one in own_topics(gone)])
        say(f"generation {gone.generation} is removed")
    return done


async def _built(log: KafkaLog, replay: Replay, wanted: Wanted, say: Callable[[str], None]) -> tuple[bool, Topics | None]:
    """Whether all is as it should be, and the generation that is wanted no more."""
    number = replay.topics.generation
    async with Server(wanted.url, wanted.key) as server:
        found = await _compared(log, server, replay, say)
        for line in _told(found, log.topics.generation, number):
            say(line)
        if wanted.check:
            return not found, replay.topics
        if found and not wanted.serve_anyway(f"Serve generation {number} although it differs?"):
            say("it is not served: `varve replay --yes` serves it, `varve replay --check` removes it")
            return False, None
        with suppress(NotFound):  # asked again of a server that was killed after it had flipped; else _served() will tell
            await server.ask("POST", f"/{number}/serve")
        await _served(server, replay)
        say(f"generation {number} is served")
        return True, log.topics


async def beside(replay: Replay, work: Coroutine[Any, Any, T]) -> T:
    """The fold goes on while the work is done; what stops the fold stops the work."""
    folding, working = asyncio.create_task(replay.run()), asyncio.create_task(work)
    try:
        await asyncio.wait((folding, working), return_when=asyncio.FIRST_COMPLETED)
        if folding.done():
            folding.result()
        return await working
    finally:
        folding.cancel()
        working.cancel()
        await asyncio.gather(folding, working, return_exceptions=True)


async def _compared(log: KafkaLog, server: "Server", replay: Replay, say: Callable[[str], None]) -> list[Mapping[str, Any]]:
    while True:
        with shown(say) as bar:
            await _caught_up(log, server, replay, bar)
        with suppress(NotFound):  # the server was started again meanwhile, and knows of no generation but the served one
            found: list[Mapping[str, Any]] = (await server.ask("GET", f"/{replay.topics.generation}/differences"))["differences"]
            return found


async def _caught_up(log: KafkaLog, server: "Server", replay: Replay, bar: Shown) -> None:
    """It has all that was there when it began, and nearly all that came since."""
    there = await log.ends(replay.topics.events)
    while True:
        state = await server.state()
        replay.served = state["served"]["vector"]
        built = state["building"]
        if built is None:  # not begun, or the server was started again
            await server.ask("POST", "")
            continue
        refuse_failed(built)
        ends = await log.ends(replay.topics.events)
        bar.at(sum(built["vector"]), sum(ends.values()), built["points"])
        behind = sum(max(0, served - here) for served, here in zip(state["served"]["vector"], built["vector"], strict=True))
        if behind <= CLOSE_RECORDS and all(here >= there[partition] for partition, here in enumerate(built["vector"])):
            bar.caught_up()
            return
        await asyncio.sleep(ASKED_EVERY_SECONDS)


def refuse_failed(built: Mapping[str, Any]) -> None:
    """The server's sink for it has given up."""
    if built["failed"]:
        raise Unavailable("build-failed", f"the server cannot fill generation {built['generation']}: {built['trouble']}")


async def _served(server: "Server", replay: Replay) -> None:
    """Until the servers answer from it and workers fold it: then nobody needs this fold any more."""
    number, deadline = replay.topics.generation, CLOCK.monotonic() + SERVED_SECONDS_MAX
    while CLOCK.monotonic() < deadline:
        if (await server.state())["served"]["generation"] == number and await server.ready():
            return
        await asyncio.sleep(ASKED_EVERY_SECONDS)
    words = (
        f"generation {number} is to be served, but server and workers were not ready with it within {SERVED_SECONDS_MAX:.0f} s: see their "
        "logs. The fold of this command ends here; workers go on from it once they run"
    )
    raise Unavailable("not-flipped", words)


def _told(found: list[Mapping[str, Any]], served: int, built: int) -> list[str]:
    if not found:
        return [f"generations {served} and {built} hold the same rows of every series"]
    lines = [f"{len(found)} series or runs differ between generation {served} (served) and {built} (built):"]
    for one in found[:LISTED_MAX]:
        rows = f"{one['served_rows']} and {one['built_rows']} rows" if one["served_rows"] != one["built_rows"] else "other values"
        lines.append(f"  {one['table']} of {one['id']} (tenant {one['tenant']}): {rows}")
    return [*lines, *(["  ..."] if len(found) > LISTED_MAX else [])]


class Server:
    """The running server's generations; one that is being started again is waited for."""

    def __init__(self, url: str, key: str | None = None, silent_seconds_max: float = SILENT_SECONDS_MAX) -> None:
        self._silent_seconds_max = silent_seconds_max
        self._http = httpx.AsyncClient(base_url=url, headers={"X-API-Key": key} if key else {}, timeout=httpx.Timeout(600.0, connect=5.0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def state(self) -> Any:
        return await self.ask("GET", "")

    async def ready(self) -> bool:
        try:
            return (await self._http.get("/readyz")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Asked again where nobody answers: each of these may be asked twice."""
        deadline = CLOCK.monotonic() + self._silent_seconds_max
        while True:
            try:
                answer = await self._http.request(method, f"/api/v1/generations{path}", json=body)
                break
            except httpx.TransportError as reason:
                if CLOCK.monotonic() > deadline:
                    words = f"no server answers at {self._http.base_url} ({reason}): start `varve up`, or say --url"
                    raise Unavailable("server-unreachable", words) from None
                await asyncio.sleep(ASKED_EVERY_SECONDS)
        if answer.is_error:
            raise error_of(answer)
        return answer.json() if answer.content else None
