"""Rooms of the fold by themselves: running sums, and the names of series that a record gives twice."""

import uuid
from itertools import accumulate

import numpy as np
import orjson
import pytest

from streams.event_ids import HOUR_NS
from streams.fold import fold
from streams.log import STORED, LogRecord
from streams.state import PartitionState, fresh_rows
from streams.tail import Steps, move_tails
from varve.codec import decode
from varve.columns import Target
from varve.series import DEFAULT_TENANT, series_id


@pytest.mark.parametrize(("cells", "adds"), [(1, 7), (3, 40), (40, 3), (5, 1)])
def test_running_values_are_added_one_after_another_however_many_cells_there_are(cells: int, adds: int) -> None:
    amounts = [[0.1 * (cell + 1) * 3.0**-add for add in range(adds - cell % 2)] for cell in range(cells)]
    series = np.repeat(np.arange(cells, dtype=np.intp), [len(one) for one in amounts])
    n, yes = len(series), np.ones(len(series), bool)
    zeros = np.zeros(n, np.int64)
    steps = Steps(series, zeros, zeros, np.array([amount for one in amounts for amount in one]), ~yes, ~yes, yes)
    rows = fresh_rows([Target(uuid.UUID(int=1), uuid.UUID(int=cell), "") for cell in range(cells)])
    assert move_tails(rows, steps).running.tolist() == [value for one in amounts for value in accumulate(one)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_series_that_a_record_names_by_id_and_by_key_has_its_key(turned: bool) -> None:
    named = [{"series_id": str(series_id(DEFAULT_TENANT, "a"))}, {"series": "a"}]
    events = [{"type": "points_written", "valid_time": [1_000], "value": [1.0], **name} for name in (named[::-1] if turned else named)]
    _, made, refused = fold(PartitionState(0), decode(orjson.dumps(events)), 0, 10**18)
    assert not refused
    assert made.tables["series"].column("key").to_pylist() == ["a"]
    assert made.tables["layers"].num_rows == 2


def test_a_clock_that_runs_days_ahead_makes_no_event_id_old() -> None:
    state, now = PartitionState(0), 10**18
    count = {"type": "points_incremented", "series": "a", "valid_time": [1_000], "value": [1.0], "event_id": "once"}
    ahead = count | {"event_id": "ahead", "recorded_time": now + 100 * HOUR_NS}
    applied = []
    for offset, event in enumerate([count, ahead, count]):
        change, folded, _ = fold(state, decode(orjson.dumps([event])), offset, now + offset)
        state.take(change)
        applied.append(len(folded.applied))
    assert applied == [1, 1, 0]


def test_a_restored_record_is_as_old_as_it_was() -> None:
    def stored(*headers: tuple[str, bytes]) -> int:
        return LogRecord("events", 0, 0, 7, None, b"", headers).stored

    assert stored() == stored((STORED, b"soon")) == stored((STORED, b"9" * 40)) == stored((STORED, b"9" * 19)) == 7
    assert stored((STORED, b"1764000000123456789")) == 1764000000123456789
