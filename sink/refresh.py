"""Refresh: works out stored rollup rows anew where marks say that they may be wrong, inside the store, beside the sink (I8).

Order: the watermark, the marks below it, the rows, then the marks' removal. A row covers the watermark that it was worked out at,
so whatever comes meanwhile has a newer mark. Every row that reaches into a marked span is superseded; nothing is told at or
beyond the series' open bucket, where the fold appends without marks.
"""

import asyncio
import itertools
import logging
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sink.queries.layers import View
from sink.queries.query import Query
from sink.queries.refresh import Spans, active_marks, counted, newest, overlapped, renewed, settled
from sink.queries.shape import probe
from sink.store import Store
from sink.watermark import Watermarks
from streams.points import STEPS
from varve.clock import Clock
from varve.errors import VarveError
from varve.instants import LATEST, NS_PER_SECOND

MARKS_MAX = 5_000  # of one step
SPANS_MAX = 200  # of one statement
POINTS_MAX = 1_000_000  # of one statement: their fold is held in memory
AHEAD_NS = 2 * 86_400 * NS_PER_SECOND  # how far beyond a span a newer point is looked for
SETTLE_SECONDS = 600  # no read or refresh that began at an older watermark is still running then
REMOVED_MAX = 20_000  # removed marks that are kept
RETRY_SECONDS = 5.0
_LOG = logging.getLogger(__name__)
Span = tuple[uuid.UUID, int, int]


@dataclass(frozen=True)
class _Settling:
    """The watermark at an instant of the monotonic clock."""

    watermark: tuple[int, ...]
    seconds: float


class Refresh:
    """step() does some of what there is to do; run() goes on until it is cancelled, at most half of the time."""

    def __init__(
        self, store: Store, watermarks: Watermarks, clock: Clock, seconds: float, partitions: Collection[int] | None = None
    ) -> None:
        self._store, self._watermarks, self._clock, self._seconds = store, watermarks, clock, seconds
        self._partitions = sorted(range(len(watermarks.current)) if partitions is None else partitions)
        self._stopping = threading.Event()
        self._done: tuple[int, ...] = ()  # nothing was left to do at this watermark
        self._settling = _Settling((), clock.monotonic())

    def step(self) -> int:
        """How many marks were worked off. Blocking."""
        watermark = self._watermarks.current
        if watermark == self._done:
            return 0
        marks = self._store.arrow(active_marks(watermark, self._partitions, MARKS_MAX))
        for spans in spans_of(marks):
            for part in self._parts(spans, watermark):
                if self._stopping.is_set():
                    return 0
                self._renew(part, watermark)
        if marks.num_rows:
            self._store.insert("stale", _removed(marks))
        if marks.num_rows < MARKS_MAX:
            self._done = watermark
        return int(marks.num_rows)

    def settle(self) -> None:
        """Forgets removed marks, once there are many; reads look at them until nothing can be older than their removal. Blocking."""
        now = self._clock.monotonic()
        if now - self._settling.seconds < SETTLE_SECONDS:
            return
        before, self._settling = self._settling, _Settling(self._watermarks.current, now)
        if before.watermark and self._store.rows(Query("SELECT sum(removed) AS removed FROM stale"))[0]["removed"] > REMOVED_MAX:
            self._store.change(Query("OPTIMIZE TABLE stale FINAL"))  # a mark goes before its removal does
            self._store.change(settled(before.watermark))

    async def run(self) -> None:
        thread, trouble = ThreadPoolExecutor(1, "refresh"), ""
        loop = asyncio.get_running_loop()
        try:
            while True:
                started = loop.time()
                pause = self._seconds
                try:
                    await loop.run_in_executor(thread, self.step)
                    await loop.run_in_executor(thread, self.settle)
                    trouble = ""
                except VarveError as error:
                    if error.message != trouble:
                        _LOG.warning("refresh of rollups: %s", error.message)
                    trouble, pause = error.message, RETRY_SECONDS
                await asyncio.sleep(max(pause, loop.time() - started))
        finally:
            self._stopping.set()
            thread.shutdown(wait=True)

    def _parts(self, spans: Spans, watermark: tuple[int, ...]) -> Iterator[Spans]:
        """Few enough spans and points for one statement: halved by time of start, at last one span by its days."""
        if len(spans) <= SPANS_MAX:
            points = int(self._store.rows(counted(spans.selection(watermark)))[0]["points"])
            if points <= POINTS_MAX:
                yield spans
                return
            if len(spans) == 1:
                yield from days_of(spans, -(-points // POINTS_MAX))
                return
        middle = len(spans) // 2
        yield from self._parts(spans.part(0, middle), watermark)
        yield from self._parts(spans.part(middle, len(spans)), watermark)

    def _renew(self, marked: Spans, watermark: tuple[int, ...]) -> None:
        levels = [(step, self._closed(aligned(marked, step), step)) for step in STEPS]
        low, high = min(min(spans.from_) for _, spans in levels), max(max(spans.until) for _, spans in levels)
        found = self._store.rows(probe(marked.selection(watermark, low, min(high, LATEST - AHEAD_NS) + AHEAD_NS)))[0]
        view = View(folded=bool(found["partial"]), hiding=bool(found["deleted"]))
        newest_times = self._newest(marked, watermark, (low, high), view)
        for step, spans in levels:
            length = step * NS_PER_SECOND
            clips = [at // length * length if (at := newest_times.get(ident)) is not None else low for ident in spans.series]
            self._store.change(renewed(spans, clips, step, watermark, view))

    def _closed(self, spans: Spans, step: int) -> Spans:
        """Widened over the rows that reach into them."""
        found = self._store.arrow(overlapped(spans, step))
        from_, until = np.array(spans.from_, np.int64), np.array(spans.until, np.int64)
        at = found.column("place").to_numpy().astype(np.intp) - 1
        from_[at] = np.minimum(from_[at], found.column("low").to_numpy())
        until[at] = np.maximum(until[at], found.column("high").to_numpy())
        return apart(spans.tenant, list(zip(spans.series, from_.tolist(), until.tolist(), strict=True)))

    def _newest(self, spans: Spans, watermark: tuple[int, ...], span: tuple[int, int], view: View) -> dict[uuid.UUID, int]:
        """By series, the valid_time of a point that is as new as need be: what lies before its bucket is closed. Mostly there are
        points soon after the span; what is not found there is looked for in it."""
        low, high = span
        found: dict[uuid.UUID, int] = {}
        for from_, until in ((high, min(high, LATEST - AHEAD_NS) + AHEAD_NS), (low, high)):
            missing = [at for at, ident in enumerate(spans.series) if ident not in found]
            if missing and from_ < until:
                some = Spans(spans.tenant, tuple(spans.series[at] for at in missing), (low,), (high,))
                rows = self._store.rows(newest(some.selection(watermark, from_, until), view.hiding))
                found |= {row["series_id"]: int(row["at"]) for row in rows}
        return found


def spans_of(marks: pa.Table) -> Iterator[Spans]:
    """By tenant."""
    tenants, idents = ([uuid.UUID(bytes=item) for item in _bytes(marks, name).to_pylist()] for name in ("tenant", "series_id"))
    starts, ends = (marks.column(name).cast(pa.int64()).to_pylist() for name in ("from", "until"))
    by_tenant: dict[uuid.UUID, list[Span]] = {}
    for tenant, *span in zip(tenants, idents, starts, ends, strict=True):
        by_tenant.setdefault(tenant, []).append((span[0], span[1], span[2]))
    for tenant, spans in by_tenant.items():
        yield apart(tenant, spans)


def apart(tenant: uuid.UUID, spans: Sequence[Span]) -> Spans:
    """Those of a series that touch become one; in order of start."""
    found: list[Span] = []
    for ident, from_, until in sorted(spans):
        if found and found[-1][0] == ident and from_ <= found[-1][2]:
            found[-1] = (ident, found[-1][1], max(found[-1][2], until))
        elif from_ < until:
            found.append((ident, from_, until))
    found.sort(key=lambda span: span[1])
    return Spans(tenant, tuple(one[0] for one in found), tuple(one[1] for one in found), tuple(one[2] for one in found))


def aligned(spans: Spans, step: int) -> Spans:
    """To whole buckets."""
    length = step * NS_PER_SECOND
    whole = [(ident, a // length * length, min(-(-b // length), LATEST // length) * length) for ident, a, b in _each(spans)]
    return apart(spans.tenant, whole)


def days_of(spans: Spans, parts: int) -> Iterator[Spans]:
    """One span in about so many parts of whole days."""
    ((ident, from_, until),) = _each(spans)
    day = STEPS[-1] * NS_PER_SECOND
    size = max(1, -(-(until - from_) // (day * parts))) * day
    cuts = [from_, *range((from_ // size + 1) * size, until, size), until]
    for low, high in itertools.pairwise(cuts):
        yield Spans(spans.tenant, (ident,), (low,), (high,))


def _each(spans: Spans) -> list[Span]:
    return list(zip(spans.series, spans.from_, spans.until, strict=True))


def _removed(marks: pa.Table) -> pa.Table:
    for name in ("tenant", "series_id"):
        marks = marks.set_column(marks.column_names.index(name), name, _bytes(marks, name))
    return marks.append_column("removed", pa.array(np.ones(marks.num_rows, np.uint8)))


def _bytes(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks().storage
