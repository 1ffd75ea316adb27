"""pandas to bodies and answers to pandas: zones, missing values, kinds of value, names."""

import subprocess
import sys
import uuid
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest

from varve.client_frames import named, rolled, series_of, tables_of, wide_of
from varve.client_words import QUERY_CHARACTERS_MAX, instant_text, named_series, selections
from varve.errors import Incorrect
from varve.series import DEFAULT_TENANT, series_id

HOURS = pd.date_range("2025-01-01", periods=3, freq="h", tz="Europe/Oslo")


def test_importing_varve_or_its_client_does_not_import_pandas() -> None:
    code = "import sys, varve; varve.Client; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_naive_index_is_refused_with_what_to_do() -> None:
    with pytest.raises(Incorrect, match="tz_localize"):
        tables_of(pd.Series([1.0], pd.DatetimeIndex(["2025-01-01"]), name="a"), None)


def test_times_of_any_zone_are_sent_as_utc() -> None:
    (table,) = tables_of(pd.Series([1.0, 2.0, 3.0], HOURS, name="a"), None)
    assert table.column("valid_time").type == pa.timestamp("ns", "UTC")
    assert table.column("valid_time")[0].as_py() == pd.Timestamp("2024-12-31T23:00Z")
    assert table.column("series").to_pylist() == ["a", "a", "a"]


def test_a_missing_value_is_null_in_a_series_and_nothing_in_a_wide_frame() -> None:
    values = pd.Series([1.0, None, 3.0], HOURS, name="a")
    assert tables_of(values, None)[0].column("value").to_pylist() == [1.0, None, 3.0]
    assert tables_of(values.to_frame(), None)[0].column("value").to_pylist() == [1.0, 3.0]
    assert tables_of(values.to_frame(), None, "null")[0].num_rows == 3


def test_a_wide_frame_is_sent_as_one_body_for_each_kind_of_value() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6], "on": [True, False, True], "word": ["x", "y", "z"]}, HOURS)
    kinds = {str(table.column("value").type): table.num_rows for table in tables_of(frame, None)}
    assert kinds == {"double": 6, "bool": 3, "string": 3}


def test_a_series_without_a_name_needs_one() -> None:
    with pytest.raises(Incorrect, match="series="):
        tables_of(pd.Series([1.0, 2.0, 3.0], HOURS), None)


def test_forecasts_by_known_time_and_valid_time_keep_both() -> None:
    index = pd.MultiIndex.from_arrays([HOURS, HOURS + pd.Timedelta("1h")], names=["known_time", "valid_time"])
    (table,) = tables_of(pd.Series([1.0, 2.0, 3.0], index, name="a"), None)
    assert table.column("valid_time")[0].as_py() - table.column("known_time")[0].as_py() == pd.Timedelta("1h")


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(Incorrect, match="colour"):
        tables_of(pd.DataFrame({"value": [1.0], "colour": ["red"]}, HOURS[:1]), "a")


def test_answers_about_several_series_stand_side_by_side_in_the_order_asked_for() -> None:
    names = named_series(["b", "a", "c"], DEFAULT_TENANT)
    ids = [series_id(DEFAULT_TENANT, key).bytes for key in ("a", "b", "b")]
    times = pa.array([0, 0, 1], pa.timestamp("ns", "UTC"))
    table = pa.table({"series_id": pa.array(ids, pa.binary(16)), "valid_time": times, "value": [1.0, 2.0, 3.0]})
    wide = wide_of(named(table, names), list(names.values()), ("valid_time",))
    assert wide.columns.tolist() == ["b", "a", "c"]
    assert wide["b"].tolist() == [2.0, 3.0]
    assert wide["a"].isna().tolist() == [False, True] and wide["c"].isna().all()


def test_an_empty_answer_is_an_empty_series_over_utc() -> None:
    table = pa.table({"valid_time": pa.array([], pa.timestamp("ns", "UTC")), "value": pa.array([], pa.float64())})
    found = series_of(named(table, named_series("a", DEFAULT_TENANT)), "a", ("valid_time",))
    assert found.empty and found.name == "a" and str(found.index.dtype) == "datetime64[ns, UTC]"


def test_very_many_names_are_asked_for_in_several_questions_each_name_once() -> None:
    keys = [f"plant/{number:06}" for number in range(2000)]
    asked = list(selections(named_series([*keys, uuid.UUID(int=7)], DEFAULT_TENANT)))
    assert len(asked) > 1 and all(sum(map(len, one["key"])) < QUERY_CHARACTERS_MAX for one in asked)
    assert [key for one in asked for key in one["key"]] == keys
    assert [ident for one in asked for ident in one["series_id"]] == [str(uuid.UUID(int=7))]


def test_a_naive_datetime_is_refused_and_an_aware_one_told_whole() -> None:
    with pytest.raises(Incorrect, match="time zone"):
        instant_text(datetime(2025, 1, 1), "as_of")  # noqa: DTZ001 - the point
    assert instant_text(pd.Timestamp("2025-01-01T00:00:00.000000001Z"), "as_of") == "2025-01-01T00:00:00.000000001+00:00"


def test_a_rollup_is_a_column_a_function_or_a_series_in_the_order_asked() -> None:
    times = pa.array([0, 3600, 3600], pa.timestamp("s", "UTC")).cast(pa.timestamp("ns", "UTC"))
    both = pa.table({"series": ["a", "a", "b"], "valid_time": times, "mean": [1.0, 2.0, 3.0], "max": [1.0, 2.0, 4.0]})
    of_one, means = both.slice(0, 2).drop_columns(["series"]), both.drop_columns(["max"])
    assert rolled(of_one.drop_columns(["max"]), None, True).tolist() == [1.0, 2.0]
    assert rolled(of_one, None, False)["max"].tolist() == [1.0, 2.0]
    wide = rolled(means, ["b", "a", "empty"], True)
    assert list(wide.columns) == ["b", "a", "empty"] and wide.iloc[1].tolist()[:2] == [3.0, 2.0] and wide["empty"].isna().all()
    assert rolled(both, ["a", "b"], False)[("b", "max")].tolist()[1] == 4.0
    assert rolled(means.slice(0, 0), ["a", "b"], True).empty
