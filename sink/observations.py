"""A series' observations for who reads pages of them, or is about to add some: where they begin and end, and which times are taken.

Before: HydroServer's door with a selection of one series. After: the store. Blocking, like it; all questions are at the selection's one
watermark vector (I9), so that what is told holds at the version that is told with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sink.columns import column
from sink.queries.layers import source
from sink.queries.observations import Format, Layers, Observed, counted, times, told
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.steps import STEPS_MAX, hides_at, look, stepped
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
    return told(asked, layers_of(store, asked.selection), form, workspace_id)


def count(store: Store, asked: Observed) -> int:
    return int(store.rows(counted(asked, layers_of(store, asked.selection)))[0]["count"])


def standing(store: Store, selection: Selection) -> Standing:
    """One question, but where an end was deleted, or set to null."""
    (found,) = store.rows(look(selection, ends=True))
    layers = _layers(selection, found)
    begin, end = (_edge(store, selection, layers, found, name) for name in ("first", "last"))
    return Standing(int(found["version"] or 0), begin, end)


def taken(store: Store, selection: Selection, instants: Instants) -> int | None:
    """The first of these times (UTC ns, rising) at which there is an observation."""
    found, from_ = replace(selection, until=after(int(instants[-1])), limit=ROWS_AT_ONCE), int(instants[0])
    while True:
        some = replace(found, from_=from_)
        there = column(store.arrow(times(Observed(some), layers_of(store, some))), "at")
        both = np.intersect1d(there, instants, assume_unique=True)
        if len(both):
            return int(both[0])
        if len(there) < ROWS_AT_ONCE:
            return None
        from_ = int(there[-1]) + 1


def layers_of(store: Store, selection: Selection) -> Layers:
    """selection: of one series, without bounds on known_time and recorded_time."""
    return _layers(selection, store.rows(look(selection, ends=False))[0])


def after(instant: int) -> int | None:
    """The end of a span that holds the instant as its last; None: there is nothing later."""
    return None if instant >= LATEST else instant + 1


def _layers(selection: Selection, found: Mapping[str, Any]) -> Layers:
    many = len(found["deletions"]) > STEPS_MAX
    return Layers(source(selection, hiding=True) if many else stepped(selection, found["deletions"]), bool(found["partial"]))


def _edge(store: Store, selection: Selection, layers: Layers, found: Mapping[str, Any], name: str) -> int | None:
    """Where the first or the last observation is: in the outermost cell, or else looked for."""
    if not found[name]:
        return None
    ((at, version, empty),) = found[name]
    if not (layers.folded or empty or len(found["deletions"]) > STEPS_MAX or version < hides_at(found["deletions"], at)):
        return int(at)
    rows = store.rows(times(Observed(replace(selection, limit=1), name == "last"), layers))
    return int(rows[0]["at"]) if rows else None
