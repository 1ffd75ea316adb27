"""`varve export`: rows of series out of a running Varve, page by page at one watermark (I9), into one file, or one for each type
of values.

Before: varve/cli_files.py. After: varve/series_files.py writes; varve/importing.py reads it into another Varve.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from varve.client_frames import named
from varve.client_http import Line
from varve.client_progress import Advance, transfer
from varve.client_words import Name, path_name, selections
from varve.errors import Incorrect
from varve.series_files import GROUP_ROWS, form_of, instant_schema, written

Shape = Literal["flat", "overlapping", "history"]
KINDS = {"number": pa.float64(), "bool": pa.bool_(), "text": pa.string()}
DESCRIPTION = ("key", "value_type", "name", "description", "unit", "tags", "attributes", "labels")
POSTED = ("valid_time", "value", "valid_time_end", "known_time", "annotation", "tags")  # what POST /api/v1/points takes too
TOLD = ("recorded_time", "changed_by", "run_id", "op", "mask", "version", "deleted_time")  # of history, for readers


@dataclass(frozen=True)
class Wanted:
    """names, or filters as parameters of GET /api/v1/series (neither: every series); bounds as those of the read."""

    names: Sequence[Name]
    filters: Mapping[str, Any]
    shape: Shape
    bounds: Mapping[str, str | None]


@dataclass(frozen=True)
class Exported:
    path: Path
    series: int
    rows: int


def export(line: Line, wanted: Wanted, target: Path, ending: str | None, progress: bool | None = None) -> list[Exported]:
    """target: a file; with an ending, a directory of one file for each type of values. Nothing is overwritten."""
    found = _found(line, wanted)
    kinds = sorted({one["value_type"] for one in found})
    paths = {kind: target if ending is None else target / f"{kind}{ending}" for kind in kinds}
    if ending is None and len(kinds) > 1:
        words = f"these series hold {' and '.join(kinds)}: name a directory, which gets a file for each, or choose series of one type"
        raise Incorrect("types-mixed", words)
    for path in paths.values():
        _refuse_unwritable(path, ending is not None)
    done, mark = [], None
    with transfer("exporting", None, progress) as advance:
        for kind, path in paths.items():
            some = [one for one in found if one["value_type"] == kind]
            rows, mark = _write(line, wanted, path, some, mark, advance)
            done.append(Exported(path, len(some), rows))
    return done


def _found(line: Line, wanted: Wanted) -> list[Mapping[str, Any]]:
    """404 names the series that is not there."""
    if wanted.names:
        rows = [line.get(f"/api/v1/series/{path_name(name)}") for name in wanted.names]
        return list({row["series_id"]: row for row in rows}.values())
    rows = list(line.listed("/api/v1/series", "series", {**wanted.filters, "limit": 10_000}))
    if not rows:
        raise Incorrect("series-missing", "no series matches: `GET /api/v1/series` lists those that are there")
    return rows


def _refuse_unwritable(path: Path, make: bool) -> None:
    form_of(path)
    if path.exists():
        raise Incorrect("file-exists", f"{path} is there already: name another file, or remove it first")
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.is_dir():
        raise Incorrect("directory-missing", f"{path.parent} is not a directory: make it first")


def _write(
    line: Line, wanted: Wanted, path: Path, series: Sequence[Mapping[str, Any]], mark: str | None, advance: Advance
) -> tuple[int, str | None]:
    """How many rows, and the watermark that all of them were read at."""
    columns = POSTED + (TOLD if wanted.shape == "history" else ())
    schema = instant_schema(KINDS[series[0]["value_type"]], columns)
    called = {uuid.UUID(one["series_id"]): one["key"] or one["series_id"] for one in series}
    described = [{name: one[name] for name in DESCRIPTION} | {"key": one["key"] or one["series_id"]} for one in series]
    rows = 0
    with written(path, schema, described) as file:
        for names in _questions(called):
            params = {"series_id": list(map(str, names)), "columns": ",".join(("series_id", *columns)), "limit": GROUP_ROWS}
            for table, at in line.placed_pages(f"/api/v1/values/{wanted.shape}", {**params, **wanted.bounds, "watermark": mark}):
                mark = mark or at
                file.write(_shown(named(table, names), schema))
                rows += table.num_rows
                advance(table.num_rows)
    return rows, mark


def _questions(called: Mapping[uuid.UUID, str]) -> Iterator[dict[uuid.UUID, str]]:
    """As many series in one as an address line can hold."""
    for chosen in selections({ident: str(ident) for ident in called}):
        yield {ident: called[ident] for ident in map(uuid.UUID, chosen["series_id"])}


def _shown(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """In the file's types: op in words, ids as text."""
    columns = {name: table.column(name) for name in schema.names}
    if "op" in columns:
        columns["op"] = pc.take(pa.array(["set", "add", "update"]), columns["op"])
    if "run_id" in columns:
        plain = columns["run_id"].to_pylist()
        columns["run_id"] = pa.chunked_array([pa.array([None if one is None else str(one) for one in plain], pa.string())])
    return pa.table(columns).cast(schema)
