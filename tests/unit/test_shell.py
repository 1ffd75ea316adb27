"""The fold's shell on its own: what it hands over, in which order, and what it does with records that cannot be folded."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from streams.dead_letters import Letter
from streams.log import LogRecord
from streams.points import PointsRecord, decode_points
from streams.shell import FoldShell, Jump
from streams.state import PartitionState
from varve.errors import Fault

STAMP = 1_700_000_000 * 10**9
GOOD = b'{"type":"points_written","series":["a"],"valid_time":["2024-01-01T00:00:00Z"],"value":[1.5]}'
AHEAD = b'{"type":"points_written","series":["a"],"valid_time":["2024-01-01T00:00:00Z"],"value":[2],"known_time":"2199-01-01T00:00:00Z"}'


@dataclass
class Ship:
    """Writes down what the shell does, in order."""

    did: list[str] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    points: list[PointsRecord] = field(default_factory=list)
    remembered: dict[bytes, bytes] = field(default_factory=dict)

    def shell(self, state: PartitionState | None = None) -> FoldShell:
        return FoldShell(state or PartitionState(0), self.emit, self.remember, self.refuse)

    def emit(self, points: PointsRecord) -> Awaitable[object]:
        self.points.append(points)
        self.did.append("hand over")
        return self.stored()

    async def stored(self) -> None:
        self.did.append("stored")

    async def remember(self, key: bytes, value: bytes) -> None:
        self.remembered[key] = value
        self.did.append("remember " + ("partition" if key.endswith(b"/partition") else "shard"))

    async def refuse(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.did.append("letter")


def record(offset: int, value: bytes = GOOD) -> LogRecord:
    return LogRecord("v.events", 0, offset, STAMP, None, value)


def run(body: Callable[[Ship], Awaitable[None]]) -> Ship:
    ship = Ship()

    async def started() -> None:  # asyncio.run wants a coroutine
        await body(ship)

    asyncio.run(started())
    return ship


def test_points_are_stored_before_the_shards_and_the_partitions_record_comes_last() -> None:
    async def body(ship: Ship) -> None:
        shell = ship.shell()
        dirty = [shell.dirty]
        assert await shell.step(record(0)) == "applied"
        dirty.append(shell.dirty)
        assert await shell.flush() == 0
        dirty.append(shell.dirty)
        assert await shell.flush() == 0
        assert dirty == [False, True, False]

    ship = run(body)
    last_stored = max(at for at, did in enumerate(ship.did) if did == "stored")
    assert ship.did.count("stored") == ship.did.count("hand over") == len(ship.points)
    assert set(ship.did[last_stored + 1 : -1]) == {"remember shard"}
    assert ship.did[-1] == "remember partition"
    assert [decode_points(one.value, one.headers).last for one in ship.points] == [False] * (len(ship.points) - 1) + [True]


def test_a_shell_that_recovers_goes_on_after_what_was_remembered() -> None:
    async def body(ship: Ship) -> None:
        shell = ship.shell()
        for offset in range(3):
            await shell.step(record(offset))
        await shell.flush()
        again = ship.shell(PartitionState.recover(0, ship.remembered))
        assert await again.step(record(2)) == "skipped"
        assert await again.step(record(5)) == Jump(3, 5)
        assert await again.step(record(3)) == "applied"

    run(body)


def test_a_gap_on_a_log_that_keeps_everything_is_a_fault_that_names_the_repair() -> None:
    async def body(ship: Ship) -> None:
        with pytest.raises(Fault, match="lacks the records 0 to 3.*restore"):
            await ship.shell().step(record(4), over_gap=True)

    run(body)


def test_a_record_that_cannot_be_decoded_becomes_a_letter_and_its_position_is_closed() -> None:
    async def body(ship: Ship) -> None:
        shell = ship.shell()
        await shell.step(record(0, b"nonsense"))
        await shell.step(record(1))

    ship = run(body)
    assert [(one.value, one.offset, one.topic) for one in ship.letters] == [(b"nonsense", 0, "v.events")]
    assert ship.letters[0].code
    closed = [decode_points(one.value, one.headers) for one in ship.points]
    assert (closed[0].table, closed[0].offset, closed[0].last) == (None, 0, True)
    assert closed[-1].offset == 1


def test_a_refused_event_is_a_letter_before_its_position_is_closed() -> None:
    async def body(ship: Ship) -> None:
        await ship.shell().step(record(0, AHEAD))

    ship = run(body)
    assert ship.did.index("letter") < ship.did.index("hand over")
    assert ship.letters[0].code == "known-time-ahead"


def test_a_defect_in_the_fold_costs_one_record_and_not_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by mistake")

    async def body(ship: Ship) -> None:
        shell = ship.shell()
        with monkeypatch.context() as patch:
            patch.setattr("streams.shell.fold", broken)
            assert await shell.step(record(0)) == "applied"
        assert await shell.step(record(1)) == "applied"

    ship = run(body)
    assert [(one.code, one.reason, one.value) for one in ship.letters] == [("fold-failed", "ZeroDivisionError: by mistake", GOOD)]
    assert len(ship.points) > 1


def test_points_that_could_not_be_stored_are_not_remembered() -> None:
    async def body(ship: Ship) -> None:
        async def lost() -> None:
            raise ConnectionError

        ship.stored = lost  # type: ignore[method-assign]
        shell = ship.shell()
        await shell.step(record(0))
        with pytest.raises(ConnectionError):
            await shell.flush()

    assert run(body).remembered == {}
