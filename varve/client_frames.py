"""pandas to Arrow columns of the API and back: an index named valid_time, in UTC, is the one time axis.

Before: varve/client.py, with what a person gave it or what the server answered. After: bodies, or frames. Pure.
Naive times are refused (I10). In a Series a missing value is written as null; in a wide frame a hole says nothing.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from varve.errors import Incorrect

if TYPE_CHECKING:
    import pandas as pd

Missing = Literal["null", "skip"]
INSTANT = pa.timestamp("ns", "UTC")
TIMES = ("valid_time", "known_time", "recorded_time", "valid_time_end")
ROW_COLUMNS = ("valid_time", "valid_time_end", "known_time", "value", "text", "annotation", "tags")
NAMES = ("series", "series_id")


def tables_of(values: Any, series: str | None, missing: Missing | None = None) -> list[pa.Table]:
    """Bodies to send, one per kind of value (numbers, booleans, text): a body holds one kind."""
    import pandas as pd

    match values:
        case pa.Table():
            return [_with_series(values, series)]
        case pd.Series():
            return [_drop_missing(_series_table(values, series or _name_of(values)), missing or "null")]
        case pd.DataFrame() if series is not None or any(name in values.columns for name in NAMES):
            return [_with_series(_long_table(values), series)]
        case pd.DataFrame():
            return _wide_tables(values, missing or "skip")
    raise Incorrect("values-unknown", f"values is a {type(values).__name__}: give a pandas Series or DataFrame, or an Arrow table")


def series_of(table: pa.Table, name: str, index: Sequence[str]) -> "pd.Series[Any]":
    """The rows of one series: its values over time(s)."""
    values: pd.Series[Any] = frame_of(table, index)["value"]
    return values.rename(name)


def wide_of(table: pa.Table, names: Sequence[str], index: Sequence[str]) -> "pd.DataFrame":
    """Rows of several series side by side: a column each, in the order of `names`."""
    long = _pandas(table)
    if "text" in long.columns:  # mixed types: text values have a column of their own
        long["value"] = long["value"].astype(object).where(long["text"].isna(), long["text"])
    wide = long.pivot(index=list(index), columns="series", values="value")
    return wide.reindex(columns=list(names)).sort_index().rename_axis(columns=None)


def rolled(table: pa.Table, names: Sequence[str] | None, one_function: bool) -> Any:
    """Rows of a rollup by valid_time. names None: of one series, a column a function (a Series where there is one function);
    else a column a series, under (series, function) where there are several functions."""
    long = _pandas(table)
    functions = [name for name in long.columns if name not in ("valid_time", *NAMES)]
    if names is None:
        found = long.set_index("valid_time")[functions]
        return found[functions[0]] if one_function else found
    wide = long.pivot(index="valid_time", columns="series", values=functions).swaplevel(axis=1).sort_index()
    wide = wide.reindex(columns=[(name, function) for name in names for function in functions])
    wide.columns = wide.columns.set_names([None, None])
    return wide.droplevel(1, axis=1) if one_function else wide


def named(table: pa.Table, names: Mapping[uuid.UUID, str]) -> pa.Table:
    """With a column `series` of what the caller calls them, instead of series_id; an answer about one series has neither."""
    called = pa.array(list(names.values()), pa.string())
    if "series_id" not in table.column_names:
        codes = pa.array(memoryview(bytes(4 * table.num_rows)).cast("i"), pa.int32())
        return table.add_column(0, "series", pa.DictionaryArray.from_arrays(codes, called))
    at = table.column_names.index("series_id")
    ids = pa.array([ident.bytes for ident in names], pa.binary(16))
    codes = pc.index_in(_plain(table.column(at)).combine_chunks(), value_set=ids)
    return table.set_column(at, "series", pa.DictionaryArray.from_arrays(codes, called))


def frame_of(table: pa.Table, index: Sequence[str]) -> "pd.DataFrame":
    """All columns, indexed by time(s)."""
    return _pandas(table).set_index(list(index))


def instants_of(index: Any, name: str) -> pa.Array:
    """UTC nanoseconds of a pandas index or column of times; a naive one is refused."""
    import pandas as pd

    times = pd.DatetimeIndex(index) if str(getattr(index, "dtype", "")) == "object" else index
    zone = getattr(getattr(times, "dtype", None), "tz", None)
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise Incorrect(
            "index-not-times", f"{name} holds {getattr(times, 'dtype', type(times).__name__)}: give a DatetimeIndex with a time zone"
        )
    if zone is None:
        raise Incorrect(
            "index-naive",
            f"{name} has no time zone, so its times name no instants: say whose clock it is, "
            "e.g. series.tz_localize('UTC') or series.tz_localize('Europe/Oslo')",
        )
    return pa.array(times.tz_convert("UTC") if isinstance(times, pd.DatetimeIndex) else times.dt.tz_convert("UTC"), INSTANT)


def _series_table(values: "pd.Series[Any]", key: str) -> pa.Table:
    columns = _times(values.index)
    columns["value"] = _values(values, key)
    return _with_series(pa.table(columns), key)


def _long_table(frame: "pd.DataFrame") -> pa.Table:
    """A frame whose columns are fields: value, and perhaps annotation, tags, known_time, valid_time_end, series."""
    unknown = [str(name) for name in frame.columns if name not in (*ROW_COLUMNS, *NAMES)]
    if unknown:
        raise Incorrect("column-unknown", f"unknown column(s) {', '.join(unknown)}; known are {', '.join((*NAMES, *ROW_COLUMNS))}")
    columns: dict[str, Any] = {} if "valid_time" in frame.columns else _times(frame.index)
    for name in frame.columns:
        given = frame[name]
        if name in TIMES:
            columns[name] = instants_of(given, name)
        elif name in ("value", "text"):
            columns[name] = _values(given, name)
        else:
            array = pa.array(given, from_pandas=True)
            columns[name] = array.dictionary_encode() if name in NAMES else array
    return pa.table(columns)


def _wide_tables(frame: "pd.DataFrame", missing: Missing) -> list[pa.Table]:
    times = _times(frame.index)
    kinds: dict[str, list[pa.Table]] = {}
    for key in frame.columns:
        values = _values(frame[key], str(key))
        if pa.types.is_null(values.type):
            values = values.cast(pa.float64())
        table = _drop_missing(_with_series(pa.table({**times, "value": values}), str(key)), missing)
        if table.num_rows:
            kinds.setdefault(_kind_of(values.type), []).append(table)
    return [pa.concat_tables(parts, promote_options="permissive").unify_dictionaries() for parts in kinds.values()]


def _times(index: Any) -> dict[str, Any]:
    """valid_time, and known_time where the index has two levels."""
    import pandas as pd

    if not isinstance(index, pd.MultiIndex):
        return {"valid_time": instants_of(index, "the index")}
    if sorted(str(name) for name in index.names) != ["known_time", "valid_time"]:
        raise Incorrect("index-levels", f"the index has the levels {list(index.names)}: valid_time, or known_time and valid_time, are read")
    return {name: instants_of(index.get_level_values(name), name) for name in ("known_time", "valid_time")}


def _values(values: Any, where: str) -> pa.Array:
    """NaN and None are missing values here; infinity is refused by the server."""
    try:
        array = pa.array(values, from_pandas=True)
    except pa.ArrowException as reason:
        raise Incorrect("values-mixed", f"{where}: {str(reason).splitlines()[0]}: a series holds numbers, booleans or text") from None
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.string()) if pa.types.is_large_string(array.type) else array


def _with_series(table: pa.Table, series: str | None) -> pa.Table:
    if series is None:
        return table
    if any(name in table.column_names for name in NAMES):
        raise Incorrect("series-twice", "series is given, and the rows name their series too: say it once")
    codes = pa.array(memoryview(bytes(4 * table.num_rows)).cast("i"), pa.int32())
    return table.append_column("series", pa.DictionaryArray.from_arrays(codes, pa.array([series])))


def _drop_missing(table: pa.Table, missing: Missing) -> pa.Table:
    return table.filter(table.column("value").is_valid()) if missing == "skip" else table


def _kind_of(kind: pa.DataType) -> str:
    return "text" if pa.types.is_string(kind) else "bool" if pa.types.is_boolean(kind) else "number"


def _name_of(values: "pd.Series[Any]") -> str:
    if values.name is None:
        raise Incorrect("series-missing", "the Series has no name: name it by its key, or give series=")
    return str(values.name)


def _pandas(table: pa.Table) -> "pd.DataFrame":
    """Times become UTC instants whatever the server called their zone."""
    columns: Mapping[str, pa.ChunkedArray] = {
        name: table.column(name).cast(INSTANT) if name in TIMES else _plain(table.column(name)) for name in table.column_names
    }
    frame: pd.DataFrame = pa.table(dict(columns)).to_pandas()
    for name in ("series_id", "run_id"):
        if name in frame.columns:
            frame[name] = [None if ident is None else str(uuid.UUID(bytes=ident)) for ident in frame[name]]
    return frame


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids as their 16 bytes."""
    return column.cast(column.type.storage_type) if isinstance(column.type, pa.BaseExtensionType) else column
