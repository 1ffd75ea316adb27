"""HydroServer's bodies with observations against an oracle that goes row by row; and which attempts an addition makes after which
refusal."""

import asyncio
import json
import math
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.doors.hydroserver import observations_write
from api.doors.hydroserver.observations_body import DUPLICATE, Observations, read_observations
from api.doors.hydroserver.observations_write import TRIES, Addition, Mode, Turns, add
from api.errors import ConditionFailed
from api.stamps import Stamp
from api.verdict import OutcomeRow
from api.writer import CONDITION_FAILED, Written
from sink.observations import Standing
from varve.codec import event_key
from varve.columns import Points
from varve.errors import Conflict, TooLarge, Unavailable, VarveError
from varve.events import PointsDeleted, PointsWritten
from varve.instants import ABSENT
from varve.position import Token, offset_of
from varve.record import Record
from varve.series import derived_id

TENANT, SERIES, LOG = uuid.UUID(int=7), uuid.UUID(int=8), "5" * 32
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_sent(moment: datetime, form: str) -> str:
    """One instant as different clients write it."""
    match form:
        case "z":
            return moment.isoformat().replace("+00:00", "Z")
        case "naive":
            return moment.replace(tzinfo=None).isoformat()
        case "blank":
            return str(moment)
        case "hours":
            return moment.astimezone(timezone(timedelta(hours=-7))).isoformat().removesuffix(":00")
        case _:
            return moment.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()


def ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


moments = st.integers(0, 10**9).map(lambda n: NOON + timedelta(microseconds=n * 250_000 if n % 2 else n))
values = st.one_of(st.floats(allow_infinity=False), st.integers(-(2**53), 2**53), st.none(), st.just("2.5"))
codes = st.none() | st.lists(st.sampled_from(["ICE", "EST", "a b", "é"]), max_size=3)
rows_of = st.lists(
    st.tuples(moments, st.sampled_from(["z", "naive", "blank", "hours", "half"]), values, codes), max_size=12, unique_by=lambda row: row[0]
)


@settings(deadline=None)
@given(rows_of, st.permutations([0, 1, 2]), st.booleans(), st.booleans(), st.booleans())
def test_bodies_are_read_as_row_by_row(rows: list[Any], order: list[int], synonyms: bool, by_row: bool, with_codes: bool) -> None:
    names = ["timestamp" if synonyms else "phenomenonTime", "value" if synonyms else "result", "resultQualifierCodes"]
    sent = [(as_sent(moment, form), value, said) for moment, form, value, said in rows]
    chosen = [at for at in order if with_codes or at != 2]
    fields, table = [names[at] for at in chosen], [[row[at] for at in chosen] for row in sent]
    columns = {name: [row[at] for row in table] for at, name in enumerate(fields)}
    found = read_observations(json.dumps({"fields": fields, "data": table} if by_row else columns).encode())
    expected = sorted((ns(moment), math.nan if value is None else float(value), said or []) for moment, _, value, said in rows)
    assert found.valid_time.tolist() == [row[0] for row in expected]
    np.testing.assert_array_equal(found.value, np.array([row[1] for row in expected], float))
    told = [] if found.codes is None else found.codes.to_pylist()
    assert told == ([row[2] for row in expected] if with_codes and (rows or by_row) else [])
    assert found.every_code() == ({code for row in expected for code in row[2]} if with_codes else set())


@settings(deadline=None)
@given(rows_of.filter(bool), st.sampled_from(["z", "naive", "hours"]))
def test_two_of_one_time_are_a_conflict_however_they_are_written(rows: list[Any], form: str) -> None:
    table = [[as_sent(row[0], row[1]), 1.0] for row in rows] + [[as_sent(rows[0][0], form), 2.0]]
    with pytest.raises(Conflict, match=DUPLICATE):
        read_observations(json.dumps({"fields": ["phenomenonTime", "result"], "data": table}).encode())


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_whatever_comes_is_read_or_refused_in_words(body: Any) -> None:
    for sent in (body, {"fields": ["phenomenonTime", "result"], "data": body}, {"phenomenonTime": body, "result": body}):
        with suppress(VarveError):  # anything else is a defect
            read_observations(json.dumps(sent).encode())


class Refusing:
    """The parts that an addition touches; the writer refuses as often as told, then applies."""

    def __init__(self, standings: list[Standing | VarveError], refusals: int = 0, outcomes: list[list[OutcomeRow]] | None = None) -> None:
        self.standings, self.refusals, self.found = standings, refusals, outcomes or []
        self.written: list[Record] = []
        self.writer = self.reads = self
        self.catalog = SimpleNamespace(check=self.check, wrote=lambda record: None)
        self.runs, self.log = SimpleNamespace(wrote=lambda record: None), SimpleNamespace(log_id=LOG)
        self.views = SimpleNamespace(shown=self.shown)
        self.size_max = 10

    async def check(self, _record: Record) -> None: ...

    async def shown(self, token: Token, _wait: str) -> None:
        self.awaited = token

    async def ask(self, _work: Callable[..., Any]) -> Standing | VarveError:
        return self.standings.pop(0) if len(self.standings) > 1 else self.standings[0]

    async def write(self, record: Record, _wait: str) -> Written:
        self.written.append(record)
        if self.refusals:
            self.refusals -= 1
            raise ConditionFailed(CONDITION_FAILED, "refused", "0" * 32)
        return Written(Token(LOG, {0: 9}), False, record.events[0].event_id, 77)

    def fits(self, record: Record) -> bool:
        return len(record.points) <= self.size_max

    async def outcomes(self, _events: Any) -> list[OutcomeRow]:
        return self.found.pop(0) if self.found else []


def added(parts: Any, mode: Mode = "insert", key: str | None = "0" * 32, n: int = 2) -> Written:
    given = Observations(np.arange(n, dtype=np.int64), np.zeros(n), None)
    return asyncio.run(add(parts, Turns(), Addition(TENANT, SERIES, given, mode, Stamp(1_000, key, TENANT, "hash"))))


def conditions(parts: Refusing) -> list[int | None]:
    return [event.if_series_version for record in parts.written for event in record.events if isinstance(event, PointsWritten)]


@pytest.mark.parametrize("mode", ["insert", "append", "backfill"])
def test_what_was_looked_at_is_the_condition_and_a_lost_attempt_looks_again(mode: Mode) -> None:
    parts = Refusing([Standing(5, None, None), Standing(6, None, None), Standing(9, None, None)], refusals=2)
    added(parts, mode)
    assert conditions(parts) == [5, 6, 9]
    assert [record.events[0].event_id for record in parts.written] == [derived_id("0" * 32, part) for part in range(3)]


def test_one_who_loses_every_time_is_told_so() -> None:
    parts = Refusing([Standing(5, None, None)], refusals=TRIES)
    with pytest.raises(Unavailable, match="changed 16 times"):
        added(parts)
    assert len(parts.written) == TRIES


def outcome(part: int) -> OutcomeRow:
    return OutcomeRow(event_key(TENANT, derived_id("0" * 32, part)), 3, 70 << 20 | 2, "applied", "hash", "", 70 << 20 | 2)


def test_a_request_that_was_applied_before_is_not_written_again() -> None:
    parts = Refusing([Standing(5, None, None)], outcomes=[[outcome(4)]])
    found = added(parts)
    assert (found.repeated, found.token.offsets, parts.written) == (True, {3: offset_of(70 << 20)}, [])


def test_what_a_copy_of_the_request_wrote_meanwhile_is_no_duplicate() -> None:
    """The other copy, at another server, is seen after this one looked for it, and before it looked at the series."""
    parts = Refusing([Conflict("observation-duplicate", DUPLICATE)], outcomes=[[], [outcome(0)]])
    assert added(parts).repeated
    with pytest.raises(Conflict, match=DUPLICATE):
        added(Refusing([Conflict("observation-duplicate", DUPLICATE)]))


def test_a_replacement_is_one_record_that_asks_nothing() -> None:
    parts = Refusing([])
    added(parts, "replace", n=3)
    (record,) = parts.written
    deletion, points = record.events
    assert isinstance(deletion, PointsDeleted) and isinstance(points, PointsWritten)
    assert (deletion.from_, deletion.until, points.if_series_version) == (0, 3, None)
    assert record.points.event.tolist() == [1, 1, 1]
    assert isinstance(record.points, Points) and (record.points.known_time == ABSENT).all()


@pytest.mark.parametrize("mode", observations_write.MODES)
def test_more_than_a_record_holds_is_refused_before_anything_is_written(mode: Mode) -> None:
    parts = Refusing([Standing(0, None, None)])
    with pytest.raises(TooLarge, match="11 observations .* send them in parts"):
        added(parts, mode, n=11)
    assert parts.written == []


def test_turns_are_taken_one_after_another_and_forgotten() -> None:
    turns, order = Turns(), list[str]()

    async def one(name: str, series: int) -> None:
        async with turns.alone(TENANT, uuid.UUID(int=series)):
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async def all_three() -> None:
        await asyncio.gather(one("a", 1), one("b", 1), one("c", 2))

    asyncio.run(all_three())
    assert order.index("a ends") < order.index("b begins")
    assert order.index("c begins") < order.index("a ends")
    assert turns._locks == {}
