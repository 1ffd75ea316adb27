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
from hypothesis import strategies as st

from streams import buckets
from streams.fold import fold
from streams.points import STEPS
from streams.state import PartitionState
from varve.codec import decode, encode
from varve.codec_columns import points_from_columns
from varve.events import EVENT
from varve.instants import ABSENT, EARLIEST, LATEST
from varve.position import version_of
from varve.record import Record, joined, single

TENANT = uuid.UUID(int=0)
SERIES = [uuid.UUID(int=n + 1) for n in range(3)]
SECOND = 10**9
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
NOON = 1_743_249_600 * SECOND
Event = dict[str, Any]

times = st.one_of(st.integers(0, 9).map(lambda n: NOON + n * 5 * MINUTE), st.integers(0, 4).map(lambda n: NOON + n * DAY // 2))
number = st.integers(-4, 9)
row = st.tuples(st.integers(0, 2), times, number)
nullable = st.tuples(st.integers(0, 2), times, st.none() | number)


def rows(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Mostly in order, as producers send them."""
    listed = st.lists(of, min_size=1, max_size=6)
    return st.one_of(listed, listed.map(lambda found: sorted(found, key=lambda one: one[1])))


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(
        st.sampled_from(["written", "written", "incremented", "incremented", "updated", "deleted", "rewritten", "latest", "dropped"])
    )
    made: Event = {"kind": kind, "known": draw(st.none() | st.none() | st.integers(0, 40)), "series": draw(st.integers(0, 2))}
    match kind:
        case "written" | "updated":
            made |= {"rows": draw(rows(nullable)), "mask": draw(st.sampled_from([1, 2])) if kind == "updated" else 15}
        case "incremented":
            made["rows"] = draw(rows(row))
        case "rewritten":
            found = draw(rows(nullable))
            made["rows"] = [(made["series"], *one[1:]) for one in found]
        case "deleted":
            from_, until = draw(times), draw(times)
            made |= {"from": min(from_, until), "until": draw(st.sampled_from([max(from_, until) + 1, LATEST]))}
        case "latest":
            made["amount"] = draw(number)
    return made


logs = st.lists(st.lists(events(), min_size=1, max_size=4), min_size=1, max_size=8)


def record_of(event: Event, stamp: int, name: str) -> Record:
    body: dict[str, Any] = {"tenant": TENANT, "recorded_time": stamp, "event_id": name, "body_hash": "11"}
    if event["known"] is not None and event["kind"] not in ("latest", "dropped"):
        body["known_time"] = NOON + event["known"] * SECOND
    match event["kind"]:
        case "deleted":
            body |= {"type": "points_deleted", "series_id": SERIES[event["series"]], "from": event["from"], "until": event["until"]}
        case "dropped":
            body |= {"type": "series_deleted", "series_id": SERIES[event["series"]]}
        case "latest":
            body |= {"type": "latest_incremented", "series_id": SERIES[event["series"]], "amount": float(event["amount"])}
        case kind:
            body |= {"type": "series_rewritten" if kind == "rewritten" else f"points_{kind}"}
            columns = {
                "series_id": [str(SERIES[one[0]]) for one in event["rows"]],
                "valid_time": [one[1] for one in event["rows"]],
                "value": [None if one[2] is None else float(one[2]) for one in event["rows"]],
            }
            if kind == "updated":
                columns |= {"mask": [event["mask"]] * len(event["rows"]), "annotation": ["seen"] * len(event["rows"])}
            made = EVENT.validate_python(body)
            return single(made, points_from_columns(columns, None, [made], "here")[0])
    return single(EVENT.validate_python(body))


class Ledger:
    """One event after the other, in lists."""

    def __init__(self) -> None:
        self.layers: list[dict[str, Any]] = []
        self.deletions: list[dict[str, Any]] = []
        self.recorded = [ABSENT] * 3
        self.known = [ABSENT] * 3
        self.first, self.last = [ABSENT] * 3, [ABSENT] * 3

    def apply(self, record: list[Event], offset: int, stamp: int, statuses: list[str]) -> None:
        place = 0
        for event, status in zip(record, statuses, strict=True):
            if event["kind"] in ("deleted", "dropped", "rewritten"):
                self.delete(event, version_of(offset, place), stamp)
                place += 1
            if event["kind"] == "latest":
                if status == "applied":
                    self.add_latest(event, version_of(offset, place), stamp)
                place += 1
            if "rows" in event:
                self.write(event, event["rows"], [version_of(offset, place + n) for n in range(len(event["rows"]))], stamp)
                place += len(event["rows"])

    def delete(self, event: Event, version: int, stamp: int) -> None:
        number, given = event["series"], event["known"] if event["kind"] == "deleted" else None
        recorded = max(stamp, self.recorded[number])
        known = max(recorded, self.known[number]) if given is None else NOON + given * SECOND
        self.recorded[number], self.known[number] = recorded, max(known, self.known[number])
        from_, until = event.get("from", EARLIEST), event.get("until", LATEST)
        self.deletions.append({"series": number, "version": version, "from": from_, "until": until, "known": known, "recorded": recorded})
        if until > self.last[number] and from_ <= self.first[number]:
            self.first[number], self.last[number] = ABSENT, ABSENT

    def add_latest(self, event: Event, version: int, stamp: int) -> None:
        number = event["series"]
        recorded = max(stamp, self.recorded[number])
        at = recorded if self.last[number] == ABSENT else max(recorded, self.last[number] + 10**6)
        before = 0 if self.last[number] == ABSENT else self.value(number, self.last[number]) or 0
        self.write(event | {"known": None}, [(number, at, before + event["amount"])], [version], stamp)

    def write(self, event: Event, found: list[tuple[int, int, int | None]], versions: list[int], stamp: int) -> None:
        op = {"incremented": 1, "updated": 2}.get(event["kind"], 0)
        given = None if event["known"] is None else NOON + event["known"] * SECOND
        for number in sorted({one[0] for one in found}):
            recorded = max(stamp, self.recorded[number])
            known = max(recorded, self.known[number]) if given is None else given
            self.recorded[number], self.known[number] = recorded, max(known, self.known[number])
            for (of, at, value), version in zip(found, versions, strict=True):
                if of == number:
                    mask = 1 if op == 1 else event.get("mask", 15)
                    shown = value if mask & 1 else None
                    layer = {"series": of, "at": at, "known": known, "recorded": recorded, "version": version, "op": op, "mask": mask}
                    twin = next(
                        (one for one in self.layers if op == 1 and one["version"] in versions and one["series"] == of and one["at"] == at),
                        None,
                    )
                    if twin is not None:
                        self.layers.remove(twin)
                        shown = (shown or 0) + twin["value"]
                    self.layers.append(layer | {"value": shown})
                    self.first[number] = at if self.first[number] == ABSENT else min(self.first[number], at)
                    self.last[number] = max(self.last[number], at)

    def value(self, number: int, at: int, until: int = 1 << 63, known_max: int = LATEST) -> int | None:
        """Of a cell, by versions below `until` that were known by known_max."""
        deleted = [
            one["version"] for one in self.deletions
            if one["series"] == number and one["from"] <= at < one["until"] and one["version"] < until and one["known"] <= known_max
        ]  # fmt: skip
        cell = [
            one for one in self.layers
            if (one["series"], one["at"]) == (number, at) and max(deleted, default=0) < one["version"] < until and one["known"] <= known_max
        ]  # fmt: skip
        value = None
        for one in sorted(cell, key=lambda one: (one["known"], one["version"])):
            if one["op"] == 1:
                value = (value or 0) + one["value"]
            elif one["mask"] & 1:
                value = one["value"]
        return value


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
        written = joined([record_of(event, stamp, f"{offset}/{n}") for n, event in enumerate(record)])
        change, made, _ = fold(state, decode(encode(written)), offset, 0)
        state.take(change)
        for name, table in made.tables.items():
            found.setdefault(name, []).extend(table.to_pylist())
        statuses = [one["status"] for one in made.tables["outcomes"].to_pylist()]
        ledger.apply(record, offset, stamp, statuses)
    return ledger, found


def number_of(one: dict[str, Any]) -> int:
    return SERIES.index(uuid.UUID(bytes=one["series_id"]))


@settings(max_examples=1000, deadline=None)
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
    _, found = folded(log)
    rows = {step: [one for one in found["rollups"] if one["step_seconds"] == step] for step in STEPS}
    assert [len(rows[step]) for step in STEPS] == [199, 2]
    assert all(one["until"] == following["bucket"] for one, following in pairwise(rows[900]))
    assert not found["stale"]


def test_small_buckets_get_no_row_and_large_ones_across_records_get_theirs() -> None:
    def write(first: int, count: int) -> list[Event]:
        return [{"kind": "written", "known": None, "series": 0, "rows": [(0, NOON + n * MINUTE, n) for n in range(first, first + count)]}]

    with mock.patch.object(buckets, "ROLLUP_COUNT_MIN", 8):
        ledger, found = folded([write(0, 5), write(5, 22), write(60, 3), write(90, 40)])
    rows = usable(found, 4 << 20)
    assert [(one["bucket"].value - NOON) // MINUTE for one, _ in rows] == [0, 15, 90, 105]
    for one, limit in rows:
        check_row(ledger, one, limit)


def test_a_deletion_within_the_open_bucket_leaves_no_row_of_what_was_there() -> None:
    def write(at: int) -> Event:
        return {"kind": "written", "known": None, "series": 0, "rows": [(0, at, 1)]}

    gone: Event = {"kind": "deleted", "known": None, "series": 0, "from": NOON + 1, "until": NOON + 6 * MINUTE}
    opened = [[write(NOON - DAY)], [write(NOON)], [write(NOON + 5 * MINUTE)], [write(NOON + 10 * MINUTE)]]
    ledger, found = folded([*opened, [gone], [write(NOON + DAY)]])
    rows = usable(found, 6 << 20)
    for one, limit in rows:
        check_row(ledger, one, limit)
    assert NOON not in {one["bucket"].value for one, _ in rows}
    assert [(one["from"].value, one["until"].value) for one in found["stale"]] == [(NOON - NOON % DAY, NOON + 15 * MINUTE)]


def test_a_counter_in_order_has_its_running_value_on_every_layer() -> None:
    log = [[{"kind": "incremented", "known": None, "series": 0, "rows": [(0, NOON, 2), (0, NOON, 1)]} for _ in range(5)] for _ in range(4)]
    _, found = folded(log)
    assert [one["running"] for one in found["layers"]] == [3.0 * (n + 1) for n in range(20)]


def test_the_latest_value_is_not_known_after_a_late_layer_of_its_cell_and_is_again_after_a_newer_cell() -> None:
    write: Event = {"kind": "written", "known": None, "series": 0, "rows": [(0, NOON, 5)]}
    late = write | {"known": 0 - 40}
    latest: Event = {"kind": "latest", "known": None, "series": 0, "amount": 1}
    beyond = write | {"rows": [(0, NOON + DAY, 7)]}
    _, found = folded([[write], [late], [latest], [beyond], [latest]])
    assert [(one["status"], one["reason"].partition(":")[0]) for one in found["outcomes"]] == [
        ("applied", ""), ("applied", ""), ("refused", "tail-unknown"), ("applied", ""), ("applied", ""),
    ]  # fmt: skip
    assert [one["value"] for one in found["layers"]] == [5, 5, 7, 8]
