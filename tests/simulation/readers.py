"""Readers: at a watermark vector, now or kept from long ago, the store holds what the points topic tells below it, no row less; and a
real store answers every read shape, page by page, and rollups, as the oracles do from the topic (I8, I9).

Before: sinks told their watermarks. After: complaints.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from sink.functions import parse_function
from sink.periods import grid_of, parse_period
from sink.queries.flat import FLAT
from sink.queries.history import HISTORY
from sink.queries.latest import LATEST as NEWEST
from sink.queries.overlapping import OVERLAPPING
from sink.queries.selection import Selection
from sink.reads import page_of
from sink.rollups import rollup
from sink.store import Store
from tests import oracle
from tests.rollup_oracle import FUNCTIONS, rolled
from tests.simulation.generations import VERSIONS, Generation
from tests.simulation.store_memory import Row, as_uuid
from tests.store_rows import NO_RUN, rows_of
from varve.series import DEFAULT_TENANT

if TYPE_CHECKING:
    from tests.simulation.world import World

Vector = tuple[int, ...]
SHAPES = (
    (FLAT, oracle.flat, ("series_id", "valid_time")),
    (OVERLAPPING, oracle.overlapping, ("series_id", "valid_time", "known_time")),
    (HISTORY, oracle.history, ("series_id", "valid_time", "known_time", "version")),
    (NEWEST, oracle.latest, ("series_id",)),
)
SHOWN = ("series_id", "valid_time", "known_time", "recorded_time", "value", "annotation", "version")
PERIODS = ("15min", "15min", "1hour", "1day", "5min")
OF_ROWS = ("sum", "mean", "min", "max", "count", "first", "last", "stddev")  # one that is not keeps stored rows out of the answer
ZONES = ("UTC", "Europe/Stockholm", "Asia/Kathmandu")
KEPT_MAX = 4
ABSENT_IN_STORE: dict[str, Any] = {"text": None, "valid_time_end": None, "changed_by": "", "annotation": None, "tags": [], "value": None}


@dataclass
class Paging:
    """A read that has begun; its vector stays."""

    selection: Selection
    rows: list[Row] = field(default_factory=list)


class Readers:
    def __init__(self, world: "World") -> None:
        self._world, self._chosen = world, world.chosen
        self._kept: list[Vector] = []
        self._paging: Paging | None = None

    async def read(self) -> None:
        """At what a process shows now, or showed some time ago, perhaps before it died."""
        generation, vector = self._world.served, self._world.sink_process().watermarks.current
        self._kept = [*self._kept, vector][-KEPT_MAX:]
        vector = self._chosen.choice(self._kept)
        for partition, next_offset in enumerate(vector):
            if missing := generation.lacks(partition, lambda one: one.position < next_offset):  # noqa: B023
                self._complain(f"a read at {vector} lacks {missing} rows of partition {partition}")
        real = generation.store.beside
        if real is not None and any(vector):
            self._check(real, generation, vector)

    async def read_on(self) -> None:
        """The next page of a read that began at its own vector."""
        generation = self._world.served
        real = generation.store.beside
        if real is None:
            return
        if self._paging is None:
            asked = self._selection(generation, self._world.sink_process().watermarks.current)
            if asked is not None:
                self._paging = Paging(replace(asked, limit=self._chosen.randint(3, 12)))
            return
        paging = self._paging
        page = page_of(real, FLAT, paging.selection)
        paging.rows += _found(real, page.query)
        paging.selection = replace(paging.selection, after=page.after)
        if page.after is None:
            self._paging = None
            self._compare("pages of flat", generation, paging.selection, paging.rows, oracle.flat, ("series_id", "valid_time"))

    def forget(self) -> None:
        """Another generation is served: its readers begin anew."""
        self._kept, self._paging = [], None

    def _check(self, real: Store, generation: Generation, vector: Vector) -> None:
        asked = self._selection(generation, vector)
        if asked is None:
            return
        shape, answer, key = self._chosen.choice(SHAPES)
        found = _found(real, page_of(real, shape, asked).query)
        self._compare(shape.name, generation, asked, found, answer, key)
        self._check_rollup(real, generation, asked)

    def _selection(self, generation: Generation, vector: Vector) -> Selection | None:
        """Some series, but none of which a purge beyond the vector may have taken what it still tells."""
        purged = {as_uuid(row["series_id"]) for row in generation.rows("purges") if row["version"] >= vector[row["partition"]] * VERSIONS}
        idents = sorted({as_uuid(row["series_id"]) for row in generation.rows("series")} - purged - self._world.unread)
        if not idents:
            return None
        some = tuple(self._chosen.sample(idents, self._chosen.randint(1, len(idents))))
        return Selection(DEFAULT_TENANT, vector, some, columns=SHOWN)

    def _compare(self, name: str, generation: Generation, asked: Selection, found: list[Row], answer: Any, key: Sequence[str]) -> None:
        assert asked.series is not None
        plain = replace(asked, limit=None, after=None)
        expected = [{column: row[column] for column in SHOWN} for row in answer(_layers(generation), plain, _deletions(generation))]
        rows, wanted = ([row for row in some if not _gone(generation, row)] for some in (found, expected))
        if _sorted(rows, key) != _sorted(wanted, key):
            self._complain(f"{name} at {asked.watermark} of {len(asked.series)} series: {_first_apart(rows, wanted, key)}")

    def _check_rollup(self, real: Store, generation: Generation, asked: Selection) -> None:
        assert asked.series is not None
        period, zone = parse_period(self._chosen.choice(PERIODS)), self._chosen.choice(ZONES)
        names = self._chosen.sample(OF_ROWS if self._chosen.random() < 0.8 else sorted(FUNCTIONS), 3)
        flat = sorted(oracle.flat(_layers(generation), asked, _deletions(generation)), key=lambda row: row["valid_time"])
        times = [row["valid_time"] for row in flat] or [0]
        span = replace(asked, from_=min(times) - self._chosen.choice((0, 7 * 10**9)), until=max(times) + 1, columns=())
        assert span.from_ is not None and span.until is not None
        table = rollup(real, span, [parse_function(name) for name in names], grid_of(period, zone, span.from_, span.until))
        answered = {
            (table.series[index], int(bucket)): [float(table.values[name][at]) for name in names]
            for at, (index, bucket) in enumerate(zip(table.index.tolist(), table.bucket.tolist(), strict=True))
        }
        expected: dict[tuple[uuid.UUID, int], list[float]] = {}
        for ident in asked.series:
            points = [(row["valid_time"], row["value"]) for row in flat if row["series_id"] == ident and row["value"] is not None]
            for bucket, values in rolled(points, period, zone, names).items():
                expected[ident, bucket] = [values[name] for name in names]
        wrong = [at for at in answered.keys() | expected.keys() if not _near(answered.get(at), expected.get(at))]
        if wrong:
            at = min(wrong)
            told = f"{names} of {at}: {answered.get(at)} instead of {expected.get(at)}"
            self._complain(f"rollup by {period} in {zone} at {asked.watermark} is not that of flat: {told}")

    def _complain(self, words: str) -> None:
        self._world.complaints.append(words)


def _near(found: list[float] | None, expected: list[float] | None) -> bool:
    return found is not None and expected is not None and found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def _found(real: Store, query: Any) -> list[Row]:
    return [row | {"series_id": as_uuid(row["series_id"])} for row in rows_of(real.arrow(query))]


def _layers(generation: Generation) -> list[oracle.Layer]:
    found = {(row["series_id"], row["version"]): row for row in generation.rows("layers")}
    ids = {"tenant": DEFAULT_TENANT, "run_id": NO_RUN}
    return [ABSENT_IN_STORE | row | ids | {"series_id": as_uuid(row["series_id"])} for row in found.values()]


def _deletions(generation: Generation) -> list[oracle.Deletion]:
    found = {(row["series_id"], row["version"]): row for row in generation.rows("deletions")}
    return [row | {"tenant": DEFAULT_TENANT, "series_id": as_uuid(row["series_id"])} for row in found.values()]


def _gone(generation: Generation, row: Row) -> bool:
    return generation.purged("points", row | {"tenant": DEFAULT_TENANT.bytes, "series_id": row["series_id"].bytes})


def _sorted(rows: list[Row], key: Sequence[str]) -> list[Row]:
    return sorted(rows, key=lambda row: [str(row[name]) for name in key])


def _first_apart(found: list[Row], expected: list[Row], key: Sequence[str]) -> str:
    """In words, for whoever looks into it."""
    more = [row for row in found if row not in expected]
    less = [row for row in expected if row not in found]
    return f"{len(found)} rows instead of {len(expected)}; too much: {_sorted(more, key)[:2]}; missing: {_sorted(less, key)[:2]}"
