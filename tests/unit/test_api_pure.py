"""The API's pure rooms: cursors, cutting of large uploads, verdicts on keyed events, stamps, bodies to columns."""

import asyncio
import uuid
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from api.bodies.points import point_record
from api.bodies.tables import read_table
from api.cursor import Cursor, read_cursor
from api.cut import piece_record, plan
from api.request import caller, inflate
from api.stamps import Stamp, event_id_of, make_stamp
from api.tails import BYTES_A_MESSAGE, ROWS_A_MESSAGE, cut
from api.verdict import OutcomeRow, answered, verdict_of, version_after
from varve.clock import SystemClock
from varve.codec import event_key
from varve.columns import Target, make_points
from varve.errors import Conflict, Incorrect, TooLarge, UnsupportedType
from varve.events import PointsWritten, RunOpened
from varve.position import version_of
from varve.record import Record, split
from varve.series import series_id

TENANT = uuid.UUID(int=7)
EVENT = "0" * 31 + "1"


def outcome(status: str, offset: int, partition: int = 0, body_hash: str = "h", event_id: str = EVENT) -> OutcomeRow:
    return OutcomeRow(event_key(TENANT, event_id), partition, version_of(offset), status, body_hash, "")


def test_a_cursor_comes_back_as_it_was_and_only_to_its_own_question() -> None:
    cursor = Cursor({0: 5, 1: 7}, "q", "logid123", {"series_id": TENANT, "valid_time": -5})
    assert read_cursor(str(cursor), "q", "logid123456", {0: 9, 1: 7}) == cursor
    with pytest.raises(Incorrect, match="another question"):
        read_cursor(str(cursor), "other", "logid123456", {0: 9, 1: 7})
    with pytest.raises(Incorrect, match="start again"):
        read_cursor(str(cursor), "q", "otherlog", {0: 9, 1: 7})
    with pytest.raises(Incorrect, match="start again"):
        read_cursor(str(cursor), "q", "logid123456", {0: 4, 1: 7})


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_cursor_that_was_changed_on_its_way_is_refused(place: int, other: str) -> None:
    cursor = Cursor({0: 5, 1: 7}, "q", "logid123", {"series_id": TENANT, "valid_time": -5})
    text = str(cursor)
    place %= len(text)
    with suppress(Incorrect):
        assert read_cursor(text[:place] + other + text[place + 1 :], "q", "logid123456", {0: 9, 1: 7}) == cursor
    with pytest.raises(Incorrect, match="is not a cursor"):
        read_cursor(text[:-4], "q", "logid123456", {0: 9, 1: 7})


@given(st.text(max_size=200))
def test_no_text_breaks_the_cursor_reader(text: str) -> None:
    with pytest.raises(Incorrect):
        read_cursor(text, "q", "logid123456", {0: 1})


@settings(deadline=None)  # the first call imports
@given(st.integers(1, 300), st.integers(1, 12), st.integers(1, 4), st.integers(64, 4096))
def test_cut_pieces_hold_every_row_once_in_order_and_are_cut_alike_again(rows: int, series: int, partitions: int, bytes_max: int) -> None:
    record = wide_record(rows, series)
    pieces = plan(record, partitions, bytes_max, rows * 20)
    again = plan(record, partitions, bytes_max, rows * 20)
    cut = [(piece.partition, piece_record(record, piece, EVENT)) for piece in pieces]
    ids = [event.event_id for _, part in cut for event in part.events]
    assert len(set(ids)) == len(ids)
    assert ids == [event.event_id for piece in again for event in piece_record(record, piece, EVENT).events]
    assert sorted(value for _, part in cut for value in part.points.value.tolist()) == list(range(rows))
    for partition, part in cut:
        assert set(split(part, partitions)) == {partition}
        assert np.all(np.diff(part.points.value) > 0)
    assert sum(isinstance(event, RunOpened) for _, part in cut for event in part.events) == 1


def test_a_condition_cannot_be_cut() -> None:
    record = wide_record(10, 1)
    events = (record.events[0].model_copy(update={"if_series_version": 3}), *record.events[1:])
    with pytest.raises(Incorrect, match="if_series_version"):
        plan(Record(events, record.points), 4, 64, 1000)


def wide_record(rows: int, series: int) -> Record:
    targets = [Target(TENANT, series_id(TENANT, f"s{at}"), f"s{at}") for at in range(series)]
    points = make_points(targets, np.arange(rows, dtype=np.int32) % series, np.arange(rows, dtype=np.int64), np.arange(rows, dtype=float))
    return Record((PointsWritten(tenant=TENANT), RunOpened(tenant=TENANT, run_id=TENANT)), points)


def test_a_keyed_request_is_answered_when_all_its_parts_were_applied() -> None:
    expected = {(TENANT, EVENT): {0, 1}}
    assert answered([outcome("applied", 3)], expected, "h") is None
    assert answered([outcome("applied", 3), outcome("applied", 9, 1), outcome("duplicate", 12)], expected, "h") == {0: 3, 1: 9}
    with pytest.raises(Conflict):
        answered([outcome("applied", 3)], expected, "other")


@pytest.mark.parametrize(
    ("rows", "status", "first"),
    [
        ([outcome("applied", 5)], "applied", 5),
        ([outcome("applied", 3), outcome("duplicate", 5)], "duplicate", 3),
        ([outcome("applied", 3), outcome("conflict", 5)], "conflict", 3),
        ([outcome("refused", 5)], "refused", 5),
        ([outcome("refused", 3), outcome("duplicate", 5)], "refused", 5),
        ([outcome("applied", 5, event_id="0" * 32)], "set aside", -1),
    ],
)
def test_the_verdict_is_that_of_the_attempt_at_its_offset(rows: list[OutcomeRow], status: str, first: int) -> None:
    verdict = verdict_of(rows, (TENANT, EVENT), 0, 5)
    assert (verdict.status, verdict.first_offset) == (status, first)


def test_the_version_after_an_event_is_that_of_its_first_time() -> None:
    first, again = (replace(outcome(status, at), series_version=at) for status, at in (("applied", 3), ("duplicate", 5)))
    assert verdict_of([first, again], (TENANT, EVENT), 0, 5).series_version == 3
    assert version_after([first, again], {(TENANT, EVENT): {0}}) == 3
    assert version_after([replace(first, key=event_key(TENANT, "other"))], {(TENANT, EVENT): {0}}) == 0
    several = [first, replace(first, partition=1, series_version=8)]
    assert version_after(several, {(TENANT, EVENT): {0, 1}}) == 0, "of several series: no one version"


def test_ids_follow_the_key_its_route_and_its_tenant() -> None:
    ids = {
        event_id_of(tenant, scope, key) for tenant in (TENANT, uuid.UUID(int=8)) for scope in ("POST /a", "POST /b") for key in ("x", "y")
    }
    assert len(ids) == 8
    first, again = (make_stamp(SystemClock(), TENANT, "POST /a", "x", [b"body"]) for _ in range(2))
    assert (first.event_id, first.run_id, first.body_hash) == (again.event_id, again.run_id, again.body_hash)
    assert make_stamp(SystemClock(), TENANT, "POST /a", None, [b"body"]).event_id is None


def test_rows_that_lack_a_field_are_null_there() -> None:
    body = read_table(b'{"series": "s", "rows": [{"valid_time": 0, "value": 1}, {"valid_time": 1, "annotation": "a"}]}', "application/json")
    record = point_record("points_written", body, TENANT, Stamp(0, None, TENANT, None))
    assert record.points.valued.tolist() == [True, False]
    assert record.points.annotation is not None
    assert record.points.annotation.to_pylist() == [None, "a"]


def test_what_is_said_twice_is_refused() -> None:
    with pytest.raises(Incorrect, match="beside the rows"):
        read_table(b'{"series": "s", "rows": [{"series": "t", "valid_time": 0, "value": 1}]}', "application/json")


def test_inflating_stops_at_the_bound_and_refuses_what_it_does_not_know() -> None:
    import gzip

    import zstandard

    plain = b"x" * (1 << 20)
    assert inflate(gzip.compress(plain), "gzip", 1) == plain
    assert inflate(zstandard.compress(plain), "zstd", 1) == plain
    for packed, encoding in ((gzip.compress(plain + b"x"), "gzip"), (zstandard.compress(plain + b"x"), "zstd")):
        with pytest.raises(TooLarge):
            inflate(packed, encoding, 1)
    with pytest.raises(Incorrect, match="too early"):
        inflate(gzip.compress(plain)[:50], "gzip", 1)
    with pytest.raises(UnsupportedType):
        inflate(plain, "br", 1)


@given(sizes=st.lists(st.sampled_from((1, 300, BYTES_A_MESSAGE // 2, BYTES_A_MESSAGE + 1)), max_size=20), times=st.integers(1, 300))
def test_rows_of_a_tail_come_in_messages_of_bounded_size(sizes: list[int], times: int) -> None:
    rows = [b"x" * size for size in sizes] + [b"y"] * times * 10
    messages = list(cut(rows))
    assert [row for message in messages for row in message] == rows
    assert all(len(message) <= ROWS_A_MESSAGE and (len(message) == 1 or sum(map(len, message)) <= BYTES_A_MESSAGE) for message in messages)


def test_an_unknown_field_is_told_with_each_known_one_once() -> None:
    with pytest.raises(Incorrect) as refused:
        read_table(b'{"serie": "a", "valid_time": 0}', "application/json")
    known = refused.value.message.partition("known are ")[2].split(", ")
    assert refused.value.message.startswith("serie: ") and len(known) == len(set(known))


@pytest.mark.parametrize(("root", "path"), [("", "/api/v1/latest"), ("/generations/may", "/generations/may/api/v1/latest")])
def test_a_parameter_is_said_once_in_every_generation(root: str, path: str) -> None:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": root, "headers": [], "server": ("127.0.0.1", 8000)}
    asyncio.run(caller(Request(scope | {"query_string": b"after=a&limit=1"})))
    with pytest.raises(Incorrect, match="limit: stands in the address 2 times"):
        asyncio.run(caller(Request(scope | {"query_string": b"limit=1&limit=2"})))
