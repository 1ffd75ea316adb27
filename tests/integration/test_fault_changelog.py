"""A changelog that is lost or damaged: the worker folds varve.events anew by itself, and what comes out equals a replay (I1, I3).
A log that is shorter than what was folded is refused, also by a worker that runs (I12).
"""

import asyncio
from pathlib import Path

import pytest

from streams.changelogs import changelogs
from streams.event_ids import SeenId
from streams.lanes import Lane, Lanes
from streams.log_kafka import KafkaLog, remove_topics
from streams.log_memory import MemoryLog
from streams.lost_records import LogLost, TailWatch
from streams.recovery import keep_highest
from streams.route_state import RouteState
from streams.shell import FoldShell
from streams.state import Change, Damaged, PartitionState, fresh_rows, shard_of
from streams.topics import Topics
from tests.integration.crew import Crew, compare, remembered_records, settled
from tests.integration.test_worker import KEYS, event, run
from varve.clock import SystemClock
from varve.columns import Target
from varve.series import DEFAULT_TENANT, series_id

TARGETS = tuple(Target(DEFAULT_TENANT, series_id(DEFAULT_TENANT, key), key) for key in KEYS)


async def write(log: KafkaLog, topics: Topics, numbers: range) -> None:
    for number in numbers:
        await log.append(topics.intake, number % 4, event(number))


@pytest.mark.soak
@pytest.mark.slow
def test_changelogs_that_are_lost_under_a_running_worker_are_made_again_from_the_log(broker: str, tmp_path: Path) -> None:
    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        crew.start("a")
        await write(log, topics, range(30))
        await settled(log, topics, crew, 40)
        await remove_topics(broker, [topic.name for topic in changelogs(topics)])
        await write(log, topics, range(30, 40))
        await settled(log, topics, crew, 60)
        assert crew.ends, "it noticed"
        seen = await compare(log, topics, 40 * len(KEYS))
        assert seen.complaints == []
        parts = sum((await log.ends(topics.events)).values())
        assert parts <= 41 * topics.partitions, "what the receipts tell of was not routed again"

    run(broker, tmp_path, body)


@pytest.mark.slow
def test_damaged_and_lost_changelogs_are_made_again_from_the_log(broker: str, tmp_path: Path) -> None:
    async def damage(log: KafkaLog, topics: Topics) -> None:
        state, routes = (topic.name for topic in changelogs(topics))
        for partition in range(4):
            held = await remembered_records(log, state, partition)
            shard = next(key for key in held if b"shard" in key)
            own = b"%d/partition" % partition
            harm = [
                [(shard, held[shard][:-7]), (b"0/shard/500", held[shard][:-7])],
                [(own, held[own][:-3])],
                [(b"a stranger's", b"record"), (own, b"short"), (shard, b"")],
                [(own, held[own]), (shard, held[shard][:17])],
            ][partition]
            for key, value in harm:
                await log.append(state, partition, value, key=key)
        routed = (await remembered_records(log, routes, 1))[b"1/partition"]
        await log.append(routes, 1, routed[:-1], key=b"1/partition")

    async def body(log: KafkaLog, topics: Topics, crew: Crew) -> None:
        crew.start("a")
        await write(log, topics, range(30))
        await settled(log, topics, crew, 40)
        assert crew.leave("a") == 0
        await damage(log, topics)
        crew.start("a")
        await write(log, topics, range(30, 34))
        await settled(log, topics, crew, 60)
        said = (tmp_path / "a.log").read_text()
        assert [f"partition {partition} is unreadable" in said for partition in range(4)] == [True, True, False, True], said
        assert "folding the partition anew from its first record" in said and "the receipts tell how far it was" in said
        assert (await compare(log, topics, 34 * len(KEYS))).complaints == []
        assert crew.leave("a") == 0
        crew.start("a")
        await write(log, topics, range(34, 36))
        await settled(log, topics, crew, 40)
        assert (tmp_path / "a.log").read_text().count("folding the partition anew") == 3, "the damage is gone"
        assert crew.leave("a") == 0
        await remove_topics(broker, [topic.name for topic in changelogs(topics)])
        crew.start("a")
        await write(log, topics, range(36, 38))
        await settled(log, topics, crew, 60)
        assert crew.ends == []
        assert (await compare(log, topics, 38 * len(KEYS))).complaints == []
        assert sum((await log.ends(topics.events)).values()) <= 38 * topics.partitions, "what the receipts tell of was not routed again"

    run(broker, tmp_path, body)


def test_a_log_that_becomes_shorter_than_what_was_folded_is_noticed_while_the_worker_runs() -> None:
    async def scenario() -> None:
        topics = Topics("varve", 1)
        log, lanes = MemoryLog(topics.all(), SystemClock()), Lanes()
        watch = TailWatch(log, lanes)
        state = PartitionState(0)
        lanes.put(Lane(log, topics.events, 0, FoldShell(state, nothing, nothing, nothing), state.applied, 10))
        for offset in range(5):
            await log.append(topics.events, 0, b"{}")
            state.take(Change(offset))
            await watch.look()
        log.lose_tail(topics.events, 0, 2)
        await watch.look()  # a broker that has just started may say so, once
        with pytest.raises(LogLost, match="ends at 2, but this worker has folded up to 4.*varve rebuild"):
            await watch.look()

    asyncio.run(scenario())


async def nothing(*_: object) -> None:
    """Neither emitted nor remembered."""


def remembered(state: PartitionState, offsets: range) -> dict[bytes, bytes]:
    """Each record touches one series, and gives an event id."""
    for offset in offsets:
        target = TARGETS[offset % len(TARGETS)]
        seen = SeenId(b"%016d" % offset, 1, offset)
        state.take(Change(offset, (target,), fresh_rows([target]), (seen,)))
    return dict(state.flush())


def test_a_state_that_lacks_a_record_is_not_taken_for_one() -> None:
    whole = PartitionState(0)
    first = remembered(whole, range(20))
    later = remembered(whole, range(20, 24))
    held = first | later
    assert len(PartitionState.recover(0, held)) == len(whole)
    for key in held.keys() - {b"0/partition"}:
        with pytest.raises(Damaged):
            PartitionState.recover(0, {one: value for one, value in held.items() if one != key})
    for key in later.keys() & first.keys() - {b"0/partition"}:  # compaction would have left the old one alone
        if b"shard" in key:
            with pytest.raises(Damaged):
                PartitionState.recover(0, held | {key: first[key]})
    older = PartitionState.recover(0, later | first)  # a zombie's, all of it
    assert older.applied == 19


def test_what_replaces_a_damaged_state_wins_over_it_once_it_has_gone_as_far() -> None:
    whole = PartitionState(0)
    held = remembered(whole, range(24))
    shard = b"0/shard/%d" % shard_of(TARGETS[0].ident)
    strange = b"0/shard/%d" % (shard_of(TARGETS[0].ident) ^ 1)  # no series is in it
    harmed = held | {shard: held[shard][:-1], strange: held[shard][:-1]}
    with pytest.raises(Damaged):
        PartitionState.recover(0, harmed)
    anew = PartitionState.anew(0, harmed)
    cut_short = harmed | keep_highest(harmed, remembered(anew, range(10)).items())
    with pytest.raises(Damaged):
        PartitionState.recover(0, cut_short)
    done = cut_short | keep_highest(cut_short, remembered(anew, range(10, 24)).items())
    found = PartitionState.recover(0, done)
    assert (found.applied, len(found)) == (23, len(whole))


def test_records_that_no_worker_wrote_are_passed_over() -> None:
    held = remembered(PartitionState(0), range(3))
    strange: list[tuple[bytes, bytes]] = [(b"0/partition", b"short"), (b"nonsense", b"x" * 40), (b"0/shard/x", b"x" * 40)]
    assert keep_highest(held, strange) == {}


def test_a_route_agents_state_that_is_cut_short_is_not_taken_for_one() -> None:
    state = RouteState(1)
    state.take(3, 0, [SeenId(b"%016d" % 1, 1, 1)], {0: 7})
    held = dict(state.flush())
    assert RouteState.recover(1, held).last == {0: 7}
    with pytest.raises(Damaged):
        RouteState.recover(1, held | {b"1/partition": held[b"1/partition"][:-1]})
    with pytest.raises(Damaged):
        RouteState.recover(1, {b"1/partition": held[b"1/partition"]})
