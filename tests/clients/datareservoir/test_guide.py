"""DataReservoir's client, unmodified, through every call of its guide."""

import pytest

from tests.clients.datareservoir.conftest import Play
from tests.conftest import wait_until

pytestmark = pytest.mark.slow
NOT_FOUND = "404 Client Error: Not Found"


def test_a_series_is_made_read_appended_to_and_deleted(play: Play) -> None:
    told = play("guide")
    assert told == {
        "ping": "pong",
        "made": [1514764800000000000, 1514959200000000000, ["FileId", "TimeOfFirstSample", "TimeOfLastSample", "TimeSeriesId"]],
        "whole": True,
        "part": ["2018-01-01 12:00:00+00:00", "2018-01-01 18:00:00+00:00", "2018-01-02 00:00:00+00:00"],
        "appended": [True, 1515045600000000000],
        "overwritten": [14, True, True],
        "known": [1514764800000000000, 1515045600000000000, []],
        "deleted": [204, NOT_FOUND],
    }


def test_a_sequence_keeps_its_numbers(play: Play) -> None:
    told = play("sequence")
    given = {str(at): value for at, value in enumerate(told["given"])}
    assert told["sequence"] == given | {"9": 1.5, "12": 2.5}


def test_what_is_not_waited_for_comes_when_it_is_validated_or_is_ignored(play: Play) -> None:
    told = play("unwaited")
    assert told["wrong"]
    wait_until(lambda: len(play("read", told["made"])["values"]) == 11, 60, "the points of two files")
    assert play("read", told["made"])["values"][-1] == 1.0


def test_text_and_booleans_come_back_as_the_client_reads_them(play: Play) -> None:
    told = play("words")
    assert told["text"] == {"0": "a", "1": "b,c", "2": 'd"e', "3": "Öl", "4": "f g"}
    assert told["flags"] == ["True", "False", "True"]
    assert (told["before"], told["empty"]) == ([0, -1], ["x", "12", "13"])
    assert told["mixed"] == "422 Client Error: Unprocessable Entity"
    assert told["failed"] == "Failed"


def test_nanoseconds_and_numbers_are_exact_and_nothing_stands_for_nan(play: Play) -> None:
    told = play("nanoseconds")
    assert told["index"] == [1514764800000000001, 1514764800000000002, 1514764800123456789]
    assert told["values"] == [0.1, 1e300, -5e-324]


def test_metadata_is_set_edited_assigned_found_and_deleted(play: Play) -> None:
    told = play("metadata")
    assert told == {
        "same": True,
        "by_pair": {"vendor": "Sensor Corp", "type": "Ampermeter"},
        "by_id": True,
        "namespaces": ["", "foo.bar"],
        "keys": ["baz", "gyro"],
        "searched": ["gyro"],
        "assigned": ["baz"],
        "on_the_way": ["baz", "gyro"],
        "taken": "Metadata already exist. Specify overwrite=True toconfirm overwriting the metadata.",
        "overwritten": [{"type": "Gyro"}],
        "found": [True] * 5,
        "removed": ["gyro"],
        "deleted": None,
        "gone": NOT_FOUND,
        "left": ["gyro"],
    }


def test_samples_come_in_pages_raw_and_aggregated(play: Play) -> None:
    told = play("samples")
    assert told == {
        "raw": True,
        "text": ["a", "b\nc"],
        "flags": [True, False],
        "mean": [["2018-01-01 00:00:00+00:00", "2018-01-01 00:15:00+00:00"], [7.0, 22.0, 37.0], 16],
        "paged": [["2018-01-01 00:00:00+00:00", "2018-01-01 00:01:00+00:00"], [0.0, 1.0, 2.0], 240],
        "std": [["2018-01-01 00:00:00+00:00", "2018-01-01 02:00:00+00:00"], [pytest.approx(34.785054, rel=1e-6)] * 2, 2],
        "empty": 480,
        "ticks": [["2018-01-01 00:00:00.000000100+00:00", "2018-01-01 03:59:00+00:00"], [1.0, 2.0]],
    }


def test_days_that_did_not_change_come_from_the_client_s_own_cache(play: Play) -> None:
    assert play("cached") == {"first": 3, "again": True, "more": 4, "kept": True}


@pytest.mark.soak
def test_a_month_of_seconds_comes_back_as_it_was_given(play: Play) -> None:
    assert play("month") == {"last": 1517364799000000000, "index": True, "values": True}
