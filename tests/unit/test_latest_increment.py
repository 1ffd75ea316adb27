"""The attempts of a latest increment: which are made after which refusal, and that a repetition makes none."""

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from api.latest_increment import TRIES, Amount, Incremented, increment_latest
from api.reads import Latest, Layer
from api.stamps import Stamp
from api.verdict import OutcomeRow
from api.writer import CONDITION_FAILED, TAIL_UNKNOWN, Written
from varve.codec import event_key
from varve.errors import Conflict
from varve.position import Token, version_of
from varve.record import Record
from varve.series import derived_id

TENANT, SERIES = uuid.UUID(int=7), uuid.UUID(int=8)
KEYED = Stamp(1_000, "0" * 32, TENANT, "hash")
LOG = "5" * 32
MS = 1_000_000


class Refusing:
    """The parts that a latest increment touches; the writer refuses as told, then applies."""

    def __init__(self, refusals: list[str], outcomes: list[OutcomeRow], cell: tuple[int, float | None] | None = (5_000, 41.0)) -> None:
        self.refusals, self.rows, self.cell = refusals, outcomes, cell
        self.written: list[Record] = []
        self.writer = self.reads = self
        self.catalog = SimpleNamespace(check=self.check, wrote=lambda record: None)
        self.runs, self.log = SimpleNamespace(wrote=lambda record: None), SimpleNamespace(log_id=LOG)
        self.views = SimpleNamespace(shown=self.shown)

    async def check(self, _record: Record) -> None: ...

    async def shown(self, token: Token, _wait: str) -> None:
        self.awaited = token

    async def write(self, record: Record, _wait: str) -> Written:
        self.written.append(record)
        if self.refusals:
            raise Conflict(self.refusals.pop(0), "refused")
        return Written(Token(LOG, {0: 9}), False, record.events[0].event_id, 77)

    async def outcomes(self, _events: Any) -> list[OutcomeRow]:
        return self.rows

    async def latest(self, _tenant: uuid.UUID, _ident: uuid.UUID) -> Latest:
        return Latest(33, self.cell)

    async def layer(self, _tenant: uuid.UUID, _ident: uuid.UUID, version: int) -> Layer:
        return Layer(version, 42.0, None)


def increment(parts: Any, stamp: Stamp = KEYED) -> Incremented:
    return asyncio.run(increment_latest(parts, Amount(TENANT, SERIES, None, 1.0, None), stamp, "view"))


def test_attempts_alternate_and_each_has_an_id_of_its_own() -> None:
    parts = Refusing([TAIL_UNKNOWN, CONDITION_FAILED, TAIL_UNKNOWN], [])
    assert increment(parts).value == 42.0
    assert [record.events[0].type for record in parts.written] == ["latest_incremented", "points_written"] * 2
    assert [record.events[0].event_id for record in parts.written] == [derived_id("0" * 32, part) for part in range(4)]
    last = parts.written[-1]
    assert last.events[0].model_dump()["if_series_version"] == 33
    assert (last.points.valid_time.tolist(), last.points.value.tolist()) == ([5_000 + MS], [42.0])


@pytest.mark.parametrize(
    ("cell", "valid_time", "value"), [(None, 1_000, 1.0), ((5_000, None), 5_000 + MS, 1.0), ((-MS * 5, 2.0), 1_000, 3.0)]
)
def test_the_new_point_lies_now_or_behind_the_latest(cell: tuple[int, float | None] | None, valid_time: int, value: float) -> None:
    parts = Refusing([TAIL_UNKNOWN], [], cell)
    increment(parts)
    assert (parts.written[-1].points.valid_time.tolist(), parts.written[-1].points.value.tolist()) == ([valid_time], [value])


def test_after_many_tries_the_request_is_refused() -> None:
    parts = Refusing([TAIL_UNKNOWN, CONDITION_FAILED] * TRIES, [])
    with pytest.raises(Conflict, match=f"{TRIES} times"):
        increment(parts)
    assert len(parts.written) == 2 * TRIES


@pytest.mark.parametrize("refusals", [["key-reused"], [TAIL_UNKNOWN, "key-reused"]])
def test_another_refusal_is_passed_on(refusals: list[str]) -> None:
    with pytest.raises(Conflict) as refused:
        increment(Refusing(refusals, []))
    assert refused.value.code == "key-reused"


def test_a_repetition_is_answered_by_the_attempt_that_was_applied() -> None:
    applied = OutcomeRow(event_key(TENANT, derived_id("0" * 32, 3)), 2, version_of(6), "applied", "hash", "", 55)
    parts = Refusing([], [applied])
    told = increment(parts)
    assert (parts.written, told.written.repeated, told.written.token.offsets, told.valid_time) == ([], True, {2: 6}, 55)
    assert parts.awaited.offsets == {2: 6}
    with pytest.raises(Conflict, match="another body"):
        increment(Refusing([], [OutcomeRow(applied.key, 2, applied.version, "applied", "other", "", 55)]))
