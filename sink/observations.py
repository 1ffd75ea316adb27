"""A series' observations for who reads pages of them, or is about to add some: where they begin and end, and which times are taken.

Before: HydroServer's door with a selection of one series. After: the store. Blocking, like it; all questions are at the selection's one
watermark vector (I9), so that what is told holds at the version that is told with it.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sink.columns import column
from sink.queries.layer import series_version
from sink.queries.observations import Format, Observed, counted, times, told
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.reads import view_of
from sink.store import Store
from varve.instants import LATEST

ROWS_AT_ONCE = 2_000_000  # times of a page that is looked through
Instants = NDArray[np.int64]


@dataclass(frozen=True)
class Standing:
    """version: what a condition on the series is compared with. begin, end: UTC ns of the first and the last observation, None where
    there is none."""

    version: int
    begin: int | None
    end: int | None


def page(store: Store, asked: Observed, form: Format, workspace_id: str) -> Query:
    return told(asked, view_of(store, asked.selection), form, workspace_id)


def count(store: Store, asked: Observed) -> int:
    return int(store.rows(counted(asked, view_of(store, asked.selection)))[0]["count"])


def standing(store: Store, selection: Selection) -> Standing:
    assert selection.single is not None
    found = store.rows(series_version(selection.tenant, selection.single, selection.watermark))
    one, view = replace(selection, limit=1), view_of(store, selection)
    ends = [store.rows(times(Observed(one, descending), view)) for descending in (False, True)]
    begin, end = (int(rows[0]["at"]) if rows else None for rows in ends)
    return Standing(int(found[0]["version"]) if found else 0, begin, end)


def taken(store: Store, selection: Selection, instants: Instants) -> int | None:
    """The first of these times (UTC ns, rising) at which there is an observation."""
    found, view = replace(selection, until=after(int(instants[-1])), limit=ROWS_AT_ONCE), view_of(store, selection)
    from_ = int(instants[0])
    while True:
        there = column(store.arrow(times(Observed(replace(found, from_=from_)), view)), "at")
        at = np.searchsorted(there, instants)
        same = (at < len(there)) & (there[np.minimum(at, len(there) - 1)] == instants) if len(there) else np.zeros(len(instants), bool)
        if same.any():
            return int(instants[int(np.argmax(same))])
        if len(there) < ROWS_AT_ONCE:
            return None
        from_ = int(there[-1]) + 1


def after(instant: int) -> int | None:
    """The end of a span that holds the instant as its last; None: there is nothing later."""
    return None if instant >= LATEST else instant + 1
