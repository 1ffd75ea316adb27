"""What the fold says of increments, deletions and rollups, against a ledger that applies one event after the other: layers and their
times, running values, and every rollup row that a read may use at any watermark."""

import uuid
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
from hypothesis import event as note
from hypothesis import given, settings

from streams import buckets
from streams.fold import fold
from streams.points import STEPS
from streams.state import PartitionState
from tests.cases import cases
from tests.ledger import DAY, MINUTE, NOON, SECOND, SERIES, Event, Ledger, logs, named, record_of
from varve.codec import decode, encode


@pytest.fixture(autouse=True, scope="module")
def _small_buckets_count() -> Iterator[None]:
    """Rows of single points too, so that small examples have rows."""
    with mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 1):
        yield


def folded(log: list[list[Event]]) -> tuple[Ledger, dict[str, list[dict[str, Any]]]]:
    ledger, state = Ledger(), PartitionState(0)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("layers", "rollups", "stale", "deletions", "outcomes")}
    for offset, record in enumerate(log):
        stamp = NOON + offset * SECOND
        change, made, _ = fold(state, decode(encode(record_of(record, stamp))), offset, 0)
        state.take(change)
        for name, table in made.tables.items():
            found.setdefault(name, []).extend(table.to_pylist())
        statuses = [one["status"] for one in made.tables["outcomes"].to_pylist()]
        ledger.apply(record, offset, stamp, statuses)
    return ledger, found


def number_of(one: dict[str, Any]) -> int:
    return SERIES.index(uuid.UUID(bytes=one["series_id"]))


@settings(max_examples=cases(250), deadline=None)
@given(logs)
def test_layers_running_values_and_rollup_rows_are_what_the_ledger_says(log: list[list[Event]]) -> None:
    ledger, found = folded(log)
    assert sorted(
        (
            number_of(one),
            one["valid_time"].value,
            one["known_time"].value,
            one["recorded_time"].value,
            one["version"],
            one["op"],
            one["mask"],
            one.get("value"),
        )
        for one in found["layers"]
    ) == sorted((o["series"], o["at"], o["known"], o["recorded"], o["version"], o["op"], o["mask"], o["value"]) for o in ledger.layers)
    for one in found["layers"]:
        running = one.get("running")
        if running is not None:
            own = one["version"] + 1
            assert running == ledger.value(number_of(one), one["valid_time"].value, own, one["known_time"].value)
            assert running == ledger.value(number_of(one), one["valid_time"].value, own)
    note(f"running: {any(one.get('running') is not None for one in found['layers'])}")
    used = [one for watermark in range(1, len(log) + 1) for one in usable(found, watermark << 20)]
    note(f"usable rows: {bool(used)}")
    for one, limit in used:
        check_row(ledger, one, limit)


def usable(found: dict[str, list[dict[str, Any]]], limit: int) -> list[tuple[dict[str, Any], int]]:
    """Rows that a read at the limit may use, by the rule alone."""
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for one in sorted(found["rollups"], key=lambda one: one["covers"]):
        if one["covers"] < limit:
            newest[(one["series_id"], one["step_seconds"], one["bucket"])] = one
    marks = [mark for mark in found["stale"] if mark["version"] < limit]
    return [
        (one, limit)
        for one in newest.values()
        if one["until"] > one["bucket"]
        and not any(
            mark["series_id"] == one["series_id"]
            and mark["version"] > one["covers"]
            and mark["from"] < one["until"]
            and mark["until"] > one["bucket"]
            for mark in marks
        )
    ]


def check_row(ledger: Ledger, one: dict[str, Any], limit: int) -> None:
    number, start, until, step = number_of(one), one["bucket"].value, one["until"].value, one["step_seconds"] * SECOND
    ats = sorted({layer["at"] for layer in ledger.layers if layer["series"] == number and start <= layer["at"] < until})
    points = [(at, value) for at in ats if (value := ledger.value(number, at, limit)) is not None]
    assert all(at < start + step for at, _ in points), "a row tells of emptiness where there is a point"
    values = [value for _, value in points]
    assert one["count"] == len(values) > 0
    assert (one["min"], one["max"], one["sum"]) == (min(values), max(values), sum(values))
    assert (one["first"], one["first_time"].value, one["last"], one["last_time"].value) == (
        values[0],
        points[0][0],
        values[-1],
        points[-1][0],
    )
    mean = sum(values) / len(values)
    assert one["mean"] == pytest.approx(mean) and one["m2"] == pytest.approx(sum((value - mean) ** 2 for value in values), abs=1e-9)


def test_a_series_in_order_has_a_row_for_each_bucket_and_each_day_that_closed() -> None:
    log = [[{"kind": "written", "known": None, "series": 0, "rows": [(0, NOON + n * 5 * MINUTE, n)]}] for n in range(600)]
    _, found = folded(named(log))
    rows = {step: [one for one in found["rollups"] if one["step_seconds"] == step] for step in STEPS}
    assert [len(rows[step]) for step in STEPS] == [199, 2]
    assert all(one["until"] == following["bucket"] for one, following in pairwise(rows[900]))
    assert not found["stale"]


def test_small_buckets_get_no_row_and_large_ones_across_records_get_theirs() -> None:
    def write(first: int, count: int) -> list[Event]:
        return [{"kind": "written", "known": None, "series": 0, "rows": [(0, NOON + n * MINUTE, n) for n in range(first, first + count)]}]

    with mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 8):
        ledger, found = folded(named([write(0, 5), write(5, 22), write(60, 3), write(90, 40)]))
    rows = usable(found, 4 << 20)
    assert [(one["bucket"].value - NOON) // MINUTE for one, _ in rows] == [0, 15, 90, 105]
    for one, limit in rows:
        check_row(ledger, one, limit)


def test_a_deletion_within_the_open_bucket_leaves_no_row_of_what_was_there() -> None:
    def write(at: int) -> Event:
        return {"kind": "written", "known": None, "series": 0, "rows": [(0, at, 1)]}

    gone: Event = {"kind": "deleted", "known": None, "series": 0, "from": NOON + 1, "until": NOON + 6 * MINUTE}
    opened = [[write(NOON - DAY)], [write(NOON)], [write(NOON + 5 * MINUTE)], [write(NOON + 10 * MINUTE)]]
    ledger, found = folded(named([*opened, [gone], [write(NOON + DAY)]]))
    rows = usable(found, 6 << 20)
    for one, limit in rows:
        check_row(ledger, one, limit)
    assert NOON not in {one["bucket"].value for one, _ in rows}
    assert [(one["from"].value, one["until"].value) for one in found["stale"]] == [(NOON - NOON % DAY, NOON + 15 * MINUTE)]


def test_a_counter_in_order_has_its_running_value_on_every_layer() -> None:
    log = [[{"kind": "incremented", "known": None, "series": 0, "rows": [(0, NOON, 2), (0, NOON, 1)]} for _ in range(5)] for _ in range(4)]
    _, found = folded(named(log))
    assert [one["running"] for one in found["layers"]] == [3.0 * (n + 1) for n in range(20)]


def test_the_latest_value_is_not_known_after_a_late_layer_of_its_cell_and_is_again_after_a_newer_cell() -> None:
    write: Event = {"kind": "written", "known": None, "series": 0, "rows": [(0, NOON, 5)]}
    late = write | {"known": 0 - 40}
    latest: Event = {"kind": "latest", "known": None, "series": 0, "amount": 1}
    beyond = write | {"rows": [(0, NOON + DAY, 7)]}
    _, found = folded(named([[write], [late], [latest], [beyond], [latest]]))
    assert [(one["status"], one["reason"].partition(":")[0]) for one in found["outcomes"]] == [
        ("applied", ""), ("applied", ""), ("refused", "tail-unknown"), ("applied", ""), ("applied", ""),
    ]  # fmt: skip
    assert [one["value"] for one in found["layers"]] == [5, 5, 7, 8]
