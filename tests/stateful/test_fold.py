"""The vectorized fold against one that anybody can check by reading: event by event, row by row."""

import json
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.fold import fold, pass_over
from streams.state import PartitionState, position_of
from tests.cases import cases
from varve.codec import decode, encode
from varve.columns import Target, make_points
from varve.events import PointsWritten, SeriesDefined
from varve.instants import ABSENT
from varve.position import version_of
from varve.record import Record, joined, single

TENANT = uuid.UUID(int=0)
SERIES = [uuid.UUID(int=n + 1) for n in range(4)]
SECOND = 10**9
Row = tuple[int, int, int]  # series, valid_time, known_time or ABSENT

events = st.fixed_dictionaries(
    {
        "stamp": st.integers(0, 30).map(lambda n: n * SECOND),
        "known": st.one_of(st.none(), st.integers(0, 40).map(lambda n: n * SECOND)),
        "id": st.one_of(st.none(), st.sampled_from("abc")),
        "hash": st.sampled_from(["11", "22"]),
        "if_version": st.one_of(st.none(), st.none(), st.just(0)),
        "rows": st.lists(
            st.tuples(
                st.integers(0, 3),
                st.integers(0, 5).map(lambda n: n * SECOND),
                st.one_of(st.just(ABSENT), st.integers(0, 40).map(lambda n: n * SECOND)),
            ),
            min_size=1,
            max_size=5,
        ),
    }
)
logs = st.lists(st.lists(events, min_size=1, max_size=5), min_size=1, max_size=6)


def event_record(event: dict[str, Any]) -> Record:
    rows: list[Row] = event["rows"] if event["if_version"] is None else [row for row in event["rows"] if row[0] == event["rows"][0][0]]
    targets = [Target(TENANT, SERIES[row[0]], "") for row in rows]
    points = make_points(
        targets,
        np.arange(len(rows), dtype=np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.arange(len(rows), dtype=float),
        known_time=np.array([row[2] for row in rows], np.int64),
    )
    envelope = PointsWritten(
        tenant=TENANT, recorded_time=event["stamp"], known_time=event["known"], event_id=event["id"],
        body_hash=event["hash"] * 8 if event["id"] else None, if_series_version=event["if_version"],
    )  # fmt: skip
    return single(envelope, points)


class Oracle:
    """One partition, sequentially. layers: (series, valid_time, known, recorded, version)."""

    def __init__(self) -> None:
        self.series: dict[int, dict[str, int]] = {}
        self.seen: dict[str, str] = {}
        self.layers: list[tuple[int, int, int, int, int]] = []
        self.outcomes: list[tuple[str, int, str]] = []

    def apply(self, record: list[dict[str, Any]], offset: int) -> None:
        at = 0
        for number, event in enumerate(record):
            rows = event["rows"] if event["if_version"] is None else [row for row in event["rows"] if row[0] == event["rows"][0][0]]
            status = self.status(event, rows)
            if event["id"] is not None:
                self.outcomes.append((event["id"], number, status))
            if status == "applied":
                self.write(event, rows, offset, at)
            at += len(rows)

    def status(self, event: dict[str, Any], rows: list[Row]) -> str:
        knowns = [row[2] for row in rows if row[2] != ABSENT] + ([event["known"]] if event["known"] is not None else [])
        if any(known > event["stamp"] + 60 * SECOND for known in knowns):
            return "refused"
        if event["id"] in self.seen:
            return "duplicate" if self.seen[event["id"]] == event["hash"] else "conflict"
        if event["id"] is not None:
            self.seen[event["id"]] = event["hash"]
        if event["if_version"] is not None and self.series.get(rows[0][0], {"applied": 0})["applied"] != event["if_version"]:
            return "refused"
        return "applied"

    def write(self, event: dict[str, Any], rows: list[Row], offset: int, at: int) -> None:
        for number in {row[0] for row in rows}:
            mine = [row for row in rows if row[0] == number]
            before = self.series.setdefault(number, {"applied": 0, "recorded": ABSENT, "known": ABSENT})
            recorded = max(event["stamp"], before["recorded"])
            knowns = [row[2] if row[2] != ABSENT else event["known"] for row in mine]
            highest = max(before["known"], *(recorded if known is None else known for known in knowns))
            for n, row in enumerate(rows):
                if row[0] == number:
                    known = row[2] if row[2] != ABSENT else event["known"]
                    version = version_of(offset, at + n)
                    self.layers.append((number, row[1], highest if known is None else known, recorded, version))
                    before["applied"] = max(before["applied"], version)
            before["recorded"], before["known"] = recorded, highest


def fold_all(log: list[Record], state: PartitionState, start: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Every row that the log from `start` on gives, after the records went through their bytes."""
    out: dict[str, list[dict[str, Any]]] = {"layers": [], "outcomes": [], "series": []}
    for offset in range(start, len(log)):
        change, folded, _ = fold(state, decode(encode(log[offset])), offset, 0)
        state.take(change)
        for name, table in folded.tables.items():
            out.setdefault(name, []).extend(table.to_pylist())
    return out


def layer_rows(found: list[dict[str, Any]]) -> list[tuple[int, int, int, int, int]]:
    names = {one.bytes: n for n, one in enumerate(SERIES)}
    return sorted(
        (names[row["series_id"]], *(row[k].value for k in ("valid_time", "known_time", "recorded_time")), row["version"]) for row in found
    )


@settings(max_examples=cases(200), deadline=None)
@given(logs)
def test_the_fold_gives_what_folding_row_by_row_gives(log: list[list[dict[str, Any]]]) -> None:
    oracle, state = Oracle(), PartitionState(0)
    records = [joined([event_record(event) for event in record]) for record in log]
    for offset, record in enumerate(log):
        oracle.apply(record, offset)
    found = fold_all(records, state)
    assert layer_rows(found["layers"]) == sorted(oracle.layers)
    assert [((row["version"] & 0xFFFFF) - 1, row["status"]) for row in found["outcomes"]] == [
        (number, status) for _, number, status in oracle.outcomes
    ]
    assert len(found["series"]) == len(oracle.series)


@settings(max_examples=cases(100), deadline=None)
@given(logs, st.data())
def test_a_crash_at_any_moment_of_a_flush_changes_nothing(log: list[list[dict[str, Any]]], draw: st.DataObject) -> None:
    """I3: the state is flushed at random, the last flush is cut anywhere; folding on gives the rows of an undisturbed fold."""
    records = [joined([event_record(event) for event in record]) for record in log]
    expected_state = PartitionState(0)
    expected = fold_all(records, expected_state)
    kept: dict[bytes, bytes] = {}
    state, found = PartitionState(0), []
    flushes = draw.draw(st.sets(st.integers(0, len(records) - 1)))
    for offset, record in enumerate(records):
        change, folded, _ = fold(state, record, offset, 0)
        found += [row for table in folded.tables.values() for row in table.to_pylist() if "valid_time" in row]
        state.take(change)
        if offset in flushes:
            written = state.flush()
            cut = draw.draw(st.integers(0, len(written)))
            kept.update(written[:cut])
            if cut < len(written):
                break
    recovered = PartitionState.recover(0, kept)
    again = fold_all(records, recovered, recovered.applied + 1)
    versions = {row["version"] for row in found}
    merged = found + [row for row in again["layers"] if row["version"] not in versions]
    assert layer_rows(merged) == layer_rows(expected["layers"])
    assert {row["version"]: row for row in found + again["layers"]} == {row["version"]: row for row in expected["layers"]}
    assert recovered.applied == expected_state.applied and len(recovered) == len(expected_state)


def test_a_series_defined_by_key_and_written_by_key_is_one_series() -> None:
    define = decode(b'{"type":"series_defined","series":"temperature","unit":"celsius"}')
    write = decode(b'{"type":"points_written","series":"temperature","valid_time":"2025-01-01T00:00:00Z","value":1.5}')
    state = PartitionState(0)
    rows = fold_all([define, write], state)["series"]
    assert [(row["key"], row["unit"]) for row in rows] == [("temperature", "celsius")]


def test_the_first_write_makes_the_series_and_a_later_definition_does_not_make_it_again() -> None:
    write = decode(b'{"type":"points_written","series":"on","valid_time":["2025-01-01T00:00:00Z"],"value":[true]}')
    rows = fold_all([write, single(SeriesDefined(series="on", unit="1")), write], PartitionState(0))["series"]
    assert [(row["value_type"], row["unit"]) for row in rows] == [("bool", None), (None, "1")]


def test_an_intake_position_is_applied_once() -> None:
    write = decode(b'{"type":"points_written","series":"a","valid_time":"2025-01-01T00:00:00Z","value":1}')
    state = PartitionState(0)
    for offset, intake in enumerate([(3, 5), (3, 5), (3, 4), (2, 4), (3, 6)]):
        change, folded, _ = fold(state, write, offset, 0, intake)
        state.take(change)
        assert ("layers" in folded.tables) == (offset in (0, 3, 4))
    assert PartitionState.recover(0, dict(state.flush())).intake == {3: 6, 2: 4}


def test_a_poison_record_only_moves_the_position() -> None:
    state = PartitionState(2)
    change, folded = pass_over(state, 0)
    state.take(change)
    assert state.applied == 0 and not folded.tables
    assert all(position_of(value) == 0 for _, value in state.flush())


def test_a_change_must_follow_the_state_it_was_made_from() -> None:
    with pytest.raises(AssertionError):
        PartitionState(0).take(pass_over(PartitionState(0), 5)[0])


def test_a_state_of_many_series_recovers_whole() -> None:
    keys = [f"s{n}" for n in range(1000)]
    write = decode(json.dumps({"type": "points_written", "series": keys, "valid_time": [0] * 1000, "value": list(range(1000))}).encode())
    state = PartitionState(0)
    fold_all([write], state)
    recovered = PartitionState.recover(0, dict(state.flush()))
    slots, targets = recovered.lookup(write.points.targets), write.points.targets
    assert len(recovered) == 1000
    assert recovered.rows(slots).tobytes() == state.rows(state.lookup(targets)).tobytes()
