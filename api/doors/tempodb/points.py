"""Points of series out of the store as columns, for what TempoDB's reads do with them beyond a query.

Before: a read chose its series and span. After: shaping, then body.py writes them. All at the selection's watermark (I9).
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numpy.typing import NDArray

from api.answer import FORMS
from api.parts import Parts
from api.request import ARROW
from sink.queries.flat import FLAT
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.shape import Shape
from sink.rollups import RollupTable
from varve.errors import Incorrect

VALUE = "value"


@dataclass(frozen=True)
class Found:
    """after: the key to go on from, None where this is all. table's one column is VALUE, NaN where null."""

    table: RollupTable
    after: Mapping[str, Any] | None


async def points(parts: Parts, selection: Selection) -> Found:
    """Flat points of the selection's series; a selection without a limit is refused where there are more than one page holds."""
    assert selection.series is not None
    bound = parts.settings.http.page_rows_max
    limited = selection if selection.limit is not None else replace(selection, limit=bound)
    if not selection.series:
        return Found(_table(selection.series, None), None)
    page = await parts.reads.values(FLAT, replace(limited, columns=("series_id", "valid_time", VALUE)))
    if selection.limit is None and page.after is not None:
        raise Incorrect("too-many-points", f"there are more than {bound} points: ask for a rollup, or for a shorter time at once")
    return Found(_table(selection.series, await arrow(parts, page.query)), page.after)


async def arrow(parts: Parts, query: Query) -> pa.Table:
    body = b"".join([chunk async for chunk in parts.reads.stream(query, FORMS[ARROW])])
    return pyarrow.ipc.open_stream(body).read_all()


async def nearest(parts: Parts, shape: Shape, selection: Selection, then: Any = None) -> RollupTable:
    """At most one point a series; then: a query of the shape's query."""
    assert selection.series is not None
    if not selection.series:
        return _table((), None)
    page = await parts.reads.values(shape, replace(selection, columns=("series_id", "valid_time", VALUE)))
    return _table(selection.series, await arrow(parts, page.query if then is None else then(page.query)))


def _table(series: Sequence[uuid.UUID], found: pa.Table | None) -> RollupTable:
    """Sorted by the series' place in `series`, then by time."""
    if found is None or not found.num_rows:
        return RollupTable(tuple(series), np.empty(0, np.int32), np.empty(0, np.int64), {VALUE: np.empty(0)}, None)
    index = _places(series, found.column("series_id"))
    times = found.column("valid_time").cast(pa.int64()).to_numpy()
    values = found.column(VALUE).cast(pa.float64()).to_numpy()
    order = np.lexsort((times, index))
    return RollupTable(tuple(series), index[order], times[order], {VALUE: values[order]}, None)


def _places(series: Sequence[uuid.UUID], column: pa.ChunkedArray) -> NDArray[np.int32]:
    """int32[n]: only where the id changes from row to row is it looked up."""
    if len(series) == 1:
        return np.zeros(len(column), np.int32)
    chunks = [chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk for chunk in column.chunks]
    idents = np.concatenate([np.frombuffer(chunk.buffers()[1], "V16")[chunk.offset : chunk.offset + len(chunk)] for chunk in chunks])
    halves = idents.view("u8").reshape(-1, 2)
    starts = np.flatnonzero(np.concatenate([[True], (halves[1:] != halves[:-1]).any(axis=1)]))
    place = {ident.bytes: at for at, ident in enumerate(series)}
    found = np.array([place[idents[at].tobytes()] for at in starts.tolist()], np.int32)
    return np.repeat(found, np.diff([*starts.tolist(), len(idents)]))
