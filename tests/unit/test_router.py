"""The route agent's shell on its own: one part a partition, all or nothing, receipts, repetitions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from streams.dead_letters import Letter
from streams.log import Appended, Headers, LogRecord
from streams.receipts import Receipt
from streams.route_state import RouteState
from streams.router import RouteShell
from streams.shell import Jump
from streams.topics import RECORD_BYTES_MAX
from varve.access import ACCESS_TENANT
from varve.codec import ARROW, decode
from varve.series import DEFAULT_TENANT, partition_of, series_id

PARTITIONS = 4
STAMP = 1_700_000_000 * 10**9
KEYS = [f"key-{number}" for number in range(12)]


class Quay:
    """Where parts, receipts, letters and state arrive."""

    def __init__(self, part_bytes_max: int = RECORD_BYTES_MAX) -> None:
        self.parts: list[tuple[int, bytes, Headers]] = []
        self.receipts: list[Receipt] = []
        self.letters: list[Letter] = []
        self.remembered: dict[bytes, bytes] = {}
        self.part_bytes_max = part_bytes_max

    def shell(self) -> RouteShell:
        state = RouteState.recover(1, self.remembered)
        return RouteShell(state, PARTITIONS, self.part_bytes_max, self.append, self.tell, self.remember, self.refuse)

    async def append(self, partition: int, value: bytes, headers: Headers) -> Appended:
        self.parts.append((partition, value, headers))
        return Appended(partition, len(self.parts) * 10, STAMP)

    async def tell(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)

    async def remember(self, key: bytes, value: bytes) -> None:
        self.remembered[key] = value

    async def refuse(self, letter: Letter) -> None:
        self.letters.append(letter)


def record(offset: int, *events: dict[str, Any]) -> LogRecord:
    return LogRecord("v.intake", 1, offset, STAMP, b"any key", orjson.dumps(list(events)))


def event(keys: list[str] = KEYS, **fields: Any) -> dict[str, Any]:
    return {"type": "points_written", "series": keys, "valid_time": [10**18] * len(keys), "value": [1.0] * len(keys)} | fields


def run(body: Callable[[Quay], Awaitable[None]], part_bytes_max: int = RECORD_BYTES_MAX) -> Quay:
    quay = Quay(part_bytes_max)

    async def started() -> None:
        await body(quay)

    asyncio.run(started())
    return quay


def test_a_record_is_split_into_one_part_a_partition_that_names_where_it_came_from() -> None:
    async def body(quay: Quay) -> None:
        assert await quay.shell().step(record(0, event())) == "applied"

    quay = run(body)
    home = {key: partition_of(series_id(DEFAULT_TENANT, key), PARTITIONS) for key in KEYS}
    assert {partition for partition, _, _ in quay.parts} == set(home.values())
    assert len(quay.parts) == len(set(home.values()))
    for partition, value, headers in quay.parts:
        part = decode(value, ARROW)
        assert {target.key for target in part.points.targets} == {key for key in KEYS if home[key] == partition}
        assert part.events[0].recorded_time == STAMP
        assert dict(headers) == {"content-type": ARROW.encode(), "intake": b"1-0"}
    assert quay.receipts == [Receipt(1, 0, {partition: (at + 1) * 10 for at, (partition, _, _) in enumerate(quay.parts)})]


def test_one_bad_event_refuses_the_whole_record() -> None:
    async def body(quay: Quay) -> None:
        shell = quay.shell()
        await shell.step(record(0, event(), event(known_time="2199-01-01T00:00:00Z")))
        await shell.step(LogRecord("v.intake", 1, 1, STAMP, None, b"nonsense"))
        await shell.step(record(2, event()))

    quay = run(body)
    assert quay.letters[0].code == "known-time-ahead"
    assert [one.offset for one in quay.letters] == [0, 1]
    assert [bool(one.refused) for one in quay.receipts] == [True, True, False]
    assert {headers[1][1] for _, _, headers in quay.parts} == {b"1-2"}


def test_a_repeated_event_id_is_dropped_and_told_and_another_body_conflicts() -> None:
    async def body(quay: Quay) -> None:
        shell = quay.shell()
        await shell.step(record(0, event(event_id="one", body_hash="aa" * 8)))
        await shell.flush()
        shell = quay.shell()  # what was seen is remembered
        await shell.step(record(1, event(event_id="one", body_hash="aa" * 8)))
        await shell.step(record(2, event(event_id="one", body_hash="bb" * 8), event(["new"], event_id="two")))

    quay = run(body)
    assert [one.outcomes for one in quay.receipts] == [{"one": "applied"}, {"one": "duplicate"}, {"one": "conflict", "two": "applied"}]
    assert quay.receipts[1].offsets == quay.receipts[0].offsets  # where the first ones lie
    later = [decode(value, ARROW) for _, value, headers in quay.parts if headers[1][1] != b"1-0"]
    assert [[one.event_id for one in part.events] for part in later] == [["two"]]
    assert [target.key for target in later[0].points.targets] == ["new"]


def test_a_part_too_large_for_a_record_is_refused_in_words() -> None:
    async def body(quay: Quay) -> None:
        await quay.shell().step(record(0, event()))

    quay = run(body, 64 * 1024)
    assert quay.parts == []
    assert "send fewer rows at once" in quay.letters[0].reason


def test_an_offset_taken_by_a_marker_is_stepped_over_only_when_the_caller_has_looked() -> None:
    async def body(quay: Quay) -> None:
        shell = quay.shell()
        assert await shell.step(record(3, event(["a"]))) == Jump(0, 3)
        assert quay.parts == []
        assert await shell.step(record(3, event(["a"])), over_gap=True) == "applied"
        assert await shell.step(record(2, event(["a"]))) == "skipped"
        assert await shell.flush() == 3

    assert len(run(body).parts) == 1


def test_a_record_that_would_make_users_is_refused_whole() -> None:
    """Who may write to varve.intake may not give himself a key."""
    user = {"type": "entity_put", "tenant": str(ACCESS_TENANT), "kind": "user", "id": "evil@example.org", "document": {"role": "admin"}}

    async def body(quay: Quay) -> None:
        await quay.shell().step(record(0, event(), user))

    quay = run(body)
    assert (quay.parts, [letter.code for letter in quay.letters]) == ([], ["tenant-reserved"])
