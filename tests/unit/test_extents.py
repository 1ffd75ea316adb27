"""Where gaps lie, by series: what the look-up a row is told holds every gap, and no series that has none between its head and its tail."""

import itertools
import uuid

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sink.extents import _reaches
from sink.stored import Gaps
from varve.instants import EARLIEST, LATEST

SERIES = tuple(uuid.UUID(int=n) for n in range(3))
SPANS = ((EARLIEST, LATEST), (0, 100), (EARLIEST, 100))


@settings(deadline=None)
@given(st.sampled_from(SPANS), st.lists(st.sets(st.integers(1, 99), max_size=8), min_size=3, max_size=3), st.data())
def test_every_gap_is_reached_and_a_series_without_one_is_not(span: tuple[int, int], cuts: list[set[int]], drawn: st.DataObject) -> None:
    rows = []
    for series, cut in enumerate(cuts):
        edges = [span[0], *sorted(cut), span[1]]
        every = list(itertools.pairwise(edges))
        rows += [(series, *gap) for gap in every[drawn.draw(st.integers(0, 1)) :: 2]]  # apart from one another
    own, from_, until = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    reaches = _reaches(SERIES, Gaps(own.astype(np.int32), from_, until), span)
    for series, reach in enumerate(reaches):
        gaps = [(low, high) for one, low, high in rows if one == series]
        for at in range(max(span[0], 0), min(span[1], 100)):
            reached = at < reach.head or at >= reach.tail or reach.inner_from <= at < reach.inner_until
            assert reached or not any(low <= at < high for low, high in gaps)
            assert not reached or gaps
