"""The public contract's bytes: what a producer may send, what is refused and how, and that old bytes decode for ever."""

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varve.codec import ARROW, decode, encode, encode_json, event_key
from varve.codec_columns import COLUMNS
from varve.columns import MASK_ANNOTATION, MASK_VALUE, Target, make_points
from varve.errors import Incorrect
from varve.events import EVENT, PointsUpdated, PointsWritten, RunOpened, SeriesDescribed
from varve.instants import ABSENT, EARLIEST
from varve.position import ROWS_PER_RECORD_MAX
from varve.record import Record, joined, single, split
from varve.series import DEFAULT_TENANT, series_id

GOLDEN = Path(__file__).parent / "golden"
OTHER = uuid.UUID(int=7)


def rows_of(record: Record) -> list[dict[str, Any]]:
    """Every row with its event and target spelled out, for comparison."""
    points = record.points
    words = {
        name: getattr(points, name).to_pylist() if getattr(points, name) is not None else None for name in ("text", "annotation", "tags")
    }
    return [
        {
            "event": int(points.event[row]),
            "target": points.targets[points.target[row]],
            "times": (int(points.valid_time[row]), int(points.valid_time_end[row]), int(points.known_time[row])),
            "value": float(points.value[row]) if points.valued[row] else None,
            "mask": int(points.mask[row]),
            **{name: column[row] if column else None for name, column in words.items()},
        }
        for row in range(len(points))
    ]


def a_record() -> Record:
    """Two tenants, a run, a partial update, nulls, words: one of each thing that the columns can say."""
    targets = [Target(DEFAULT_TENANT, series_id(DEFAULT_TENANT, "wind"), "wind"), Target(OTHER, series_id(OTHER, "wind"), "wind")]
    hours = np.arange(4, dtype=np.int64) * 3_600_000_000_000
    points = make_points(
        targets,
        np.array([0, 0, 1, 1], np.int32),
        hours,
        np.array([1.5, 0.0, -2.0, 3.25]),
        event=np.array([1, 1, 2, 2], np.int32),
        valued=np.array([True, False, True, True]),
        valid_time_end=np.array([3_600_000_000_000, ABSENT, ABSENT, ABSENT], np.int64),
        known_time=np.array([ABSENT, 5, ABSENT, ABSENT], np.int64),
        mask=np.array([15, 15, MASK_VALUE, MASK_VALUE | MASK_ANNOTATION], np.uint8),
        annotation=pa.array([None, "gap", None, "fixed"]),
        tags=pa.array([None, ["raw"], None, None], pa.list_(pa.string())),
    )
    run = uuid.UUID(int=99)
    events = (
        RunOpened(tenant=DEFAULT_TENANT, run_id=run, workflow_id="nightly", known_time=1, params={"model": "a"}),
        PointsWritten(tenant=DEFAULT_TENANT, run_id=run, event_id="e1", body_hash="ab" * 16, value_type="number", recorded_time=2),
        PointsUpdated(tenant=OTHER, run_id=run, changed_by="ann@example.org", value_type="number", recorded_time=3),
    )
    return Record(events, points)


def test_arrow_bytes_of_version_1_decode_as_they_did() -> None:
    record = decode((GOLDEN / "record_v1.arrow").read_bytes(), ARROW)
    assert rows_of(record) == rows_of(a_record())
    assert record.events == a_record().events


def test_json_bytes_of_version_1_decode_as_they_did() -> None:
    record = decode((GOLDEN / "record_v1.json").read_bytes())
    assert rows_of(record) == rows_of(a_record())
    assert record.events == a_record().events


def test_every_type_of_the_contract_has_golden_json_that_still_decodes() -> None:
    bodies = json.loads((GOLDEN / "types_v1.json").read_text())
    assert {body["type"] for body in bodies} == set(EVENT.json_schema()["discriminator"]["mapping"])
    for body in bodies:
        assert decode(json.dumps(body).encode()).events[0].type == body["type"]


def test_both_encodings_keep_every_row() -> None:
    assert rows_of(decode(encode(a_record()))) == rows_of(decode(encode_json(a_record()))) == rows_of(a_record())


def test_null_clears_and_absent_keeps_after_the_bytes() -> None:
    described = decode(encode(single(SeriesDescribed(series="a", unit=None)))).events[0]
    assert "unit" in described.model_fields_set and "name" not in described.model_fields_set


def test_the_parts_of_a_split_record_together_are_the_record() -> None:
    parts = split(a_record(), 7)
    rows = sorted((row["target"].series_id.bytes, row["times"], row["value"] or 0) for part in parts.values() for row in rows_of(part))
    assert rows == sorted((row["target"].series_id.bytes, row["times"], row["value"] or 0) for row in rows_of(a_record()))
    for part in parts.values():
        assert [event.type for event in part.events] == [event.type for event in a_record().events if event in part.events]
        assert all(part.events[row["event"]].tenant == row["target"].tenant for row in rows_of(part))


def test_joined_records_keep_their_rows_and_events() -> None:
    both = joined([a_record(), a_record()])
    assert len(both.events) == 6 and len(both.points.targets) == 2
    assert [row | {"event": row["event"] - 3} for row in rows_of(both)[4:]] == rows_of(a_record())


WRITE = {"type": "points_written", "series": "a", "valid_time": ["2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z"], "value": [1, 2.5]}


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"valid_time": ["2025-01-01T00:00:00", "2025-01-01T01:00:00Z"]}, "time-malformed", "row 0"),
        ({"valid_time": ["yesterday", "2025-01-01T01:00:00Z"]}, "time-malformed", "'yesterday' is not an ISO 8601 time"),
        ({"valid_time": ["1815-06-18T00:00:00Z", "2025-01-01T01:00:00Z"]}, "time-malformed", "before 1900"),
        ({"value": [1]}, "column-length", "value has 1 rows, others have 2"),
        ({"value": [1, {}]}, "column-malformed", "column value"),
        ({"colour": "red"}, "event-malformed", "colour"),
        ({"type": "points_writen"}, "event-malformed", "points_writen"),
        ({"version": 2}, "version-unknown", "version 2"),
        ({"series": None}, "series-missing", "names no series"),
        ({"series": ["a", None]}, "series-missing", "row 1"),
        ({"series": "k" * 600}, "key-too-long", "600 characters"),
        ({"series_id": "x", "series": None}, "series-id-malformed", "'x' is not a UUID"),
        ({"mask": 1}, "mask", "points_updated"),
        ({"known_time": "2025-01-01"}, "time-malformed", "no offset"),
    ],
)
def test_a_malformed_event_is_refused_in_words(change: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(Incorrect) as refused:
        decode(json.dumps(WRITE | change).encode())
    assert refused.value.code == code and says in refused.value.message


@pytest.mark.parametrize("value", [b'{"type": "points_written", "value": [NaN]}', b"[1]", b"[]", b"{", b"\xff\x00", b"", b"ARROW1"])
def test_bytes_that_are_no_record_are_refused(value: bytes) -> None:
    with pytest.raises(Incorrect):
        decode(value)


def test_nan_in_arrow_is_refused_with_its_row() -> None:
    record = single(
        PointsWritten(),
        make_points([Target(DEFAULT_TENANT, OTHER, "")], np.zeros(2, np.int32), np.zeros(2, np.int64), np.array([1, np.nan])),
    )
    with pytest.raises(Incorrect, match="row 1"):
        decode(encode(record))


def test_a_record_with_too_many_rows_is_refused() -> None:
    n = ROWS_PER_RECORD_MAX + 1
    record = single(
        PointsWritten(), make_points([Target(DEFAULT_TENANT, OTHER, "")], np.zeros(n, np.int32), np.zeros(n, np.int64), np.zeros(n))
    )
    with pytest.raises(Incorrect, match="send several"):
        decode(encode(record))


def test_what_values_are_is_told_from_the_columns() -> None:
    kinds = [
        decode(json.dumps(WRITE | {"value": values}).encode()).events[0] for values in ([1, 2], [True, None], ["x", "y"], [None, None])
    ]
    assert [getattr(event, "value_type", None) for event in kinds] == ["number", "bool", "text", "number"]


def test_one_instant_holds_for_all_rows() -> None:
    body = WRITE | {"series": ["a", "b", "c"], "valid_time": "2025-01-01T00:00:00Z", "value": [1, 2, 3]}
    points = decode(json.dumps(body).encode()).points
    assert len(points) == 3 and len(set(points.valid_time.tolist())) == 1
    tagged = decode(json.dumps(WRITE | {"valid_time": "2025-01-01T00:00:00Z", "value": 1, "tags": ["x", "y"]}).encode()).points
    assert len(tagged) == 1 and tagged.tags is not None and tagged.tags.to_pylist() == [["x", "y"]]


def test_another_body_under_an_event_id_has_another_hash_and_another_stamp_does_not() -> None:
    def hash_of(**change: Any) -> str | None:
        return decode(json.dumps(WRITE | {"event_id": "e"} | change).encode()).events[0].body_hash

    assert hash_of() == hash_of(recorded_time="2025-01-01T00:00:00Z") != hash_of(value=[1, 3])


def test_an_update_sets_the_columns_that_are_there() -> None:
    body = WRITE | {"type": "points_updated", "annotation": None}
    assert decode(json.dumps(body).encode()).points.mask.tolist() == [MASK_VALUE | MASK_ANNOTATION] * 2
    body.pop("value")
    assert decode(json.dumps(body).encode()).points.mask.tolist() == [MASK_ANNOTATION] * 2


def test_an_event_key_belongs_to_its_tenant() -> None:
    assert event_key(DEFAULT_TENANT, "a") != event_key(OTHER, "a")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_incorrect(value: bytes) -> None:
    try:
        decode(value)
    except Incorrect:
        pass


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(EARLIEST, 10**18) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
        st.lists,
        max_leaves=8,
    ),
    st.sampled_from([*COLUMNS, "event_id", "type", "version", "tenant"]),
)
def test_no_json_raises_anything_but_incorrect(value: Any, field: str) -> None:
    try:
        decode(json.dumps(WRITE | {field: value}).encode())
    except Incorrect:
        pass
