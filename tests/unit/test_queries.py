"""The SQL of every read shape, checked in under snapshots/ and reviewed as a diff. To accept a change:
`VARVE_SNAPSHOTS=write pytest tests/unit/test_queries.py`, then read the diff."""

import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sink.queries.arrived import touched
from sink.queries.days import days, digests, lines, newest_deletion
from sink.queries.entities import EntitySearch, entities, heads
from sink.queries.extents import Near, Reach, around, in_gaps, near
from sink.queries.flat import FLAT
from sink.queries.history import HISTORY
from sink.queries.latest import LATEST
from sink.queries.layers import ALWAYS, View, source
from sink.queries.modified import modified
from sink.queries.observations import Layers, Observed, counted, times, told
from sink.queries.outcomes import outcomes
from sink.queries.overlapping import OVERLAPPING
from sink.queries.query import Query
from sink.queries.relative import DaysBefore, Lead, relative
from sink.queries.runs import RunSearch, runs
from sink.queries.samples import samples
from sink.queries.selection import Selection
from sink.queries.series import SeriesSearch, series, value_types
from sink.queries.shape import probe
from sink.queries.steps import look, stepped
from varve.errors import Incorrect
from varve.instants import EARLIEST
from varve.instants import LATEST as LATEST_INSTANT

SNAPSHOTS = Path(__file__).parent / "snapshots"
SERIES = uuid.UUID("11111111-1111-5111-8111-111111111111")
ONE = Selection(uuid.UUID(int=7), (5, 6, 7), (SERIES,), from_=0, until=10)
MANY = Selection(
    uuid.UUID(int=7), (5, 6, 7), known_from=1, known_until=2, as_of_known=3, as_of_recorded=4, run_id=SERIES, order="time", limit=9
).every_column()


def snapshots() -> Iterator[tuple[str, Query]]:
    shapes = [FLAT, OVERLAPPING, HISTORY, LATEST, replace(relative(Lead(5)), name="relative_lead")]
    shapes.append(replace(relative(DaysBefore(1, 43_200, "Europe/Stockholm")), name="relative_days"))
    for shape in shapes:
        key = dict.fromkeys(shape.keys(MANY), 3) | {"series_id": SERIES}
        yield f"{shape.name}_plain", shape.query(ONE, View())
        yield f"{shape.name}_plain_page", shape.query(replace(MANY, after=key), View())
        yield f"{shape.name}_folded", shape.query(ONE, View(folded=True))
        yield f"{shape.name}_folded_page", shape.query(replace(MANY, after=key), View(folded=True))
        yield f"{shape.name}_hiding", shape.query(ONE, View(hiding=True))
        yield f"{shape.name}_always_page", shape.query(replace(MANY, after=key), ALWAYS)
    yield "flat_boundary", FLAT.boundary(MANY, View())
    yield "probe", probe(ONE)
    yield "probe_page", probe(MANY)
    search = SeriesSearch(
        uuid.UUID(int=7), (5, 6, 7), (SERIES,), {"key": "a"}, {"name": "b"}, ("c",), {"d": "e"}, {"f": "g"}, False, ("h", SERIES), 9
    )
    yield "series", series(search)
    documents = EntitySearch(
        uuid.UUID(int=7), (5, 6, 7), "k", "i", "p", {"a": "b"}, ("c",), {"d": ("e%", "%f")}, ("g",), (SERIES,), 8, "h", 9
    )  # fmt: skip
    yield "entities", entities(documents)
    yield "entity_heads", heads(EntitySearch(uuid.UUID(int=7), (5, 6, 7), "k"))
    yield "days", days(ONE)
    yield "days_digests", digests(FLAT.query(ONE, View()), "number")
    yield "days_lines", lines(FLAT.query(ONE, View()), "text")
    yield "newest_deletion", newest_deletion(ONE)
    yield "modified", modified(replace(ONE, from_=None, until=None))
    some = replace(ONE, limit=2, offset=3)
    plain = Layers(source(some, hiding=False), folded=False)
    yield "observations_record", told(Observed(some, True, ("a",)), plain, "record", "w")
    yield "observations_folded", told(Observed(some), Layers(source(some, hiding=True), folded=True), "column", "w")
    yield "observations_times", times(Observed(ONE), Layers(stepped(ONE, [(5, 6, 7)]), folded=False))
    yield "observations_counted", counted(Observed(ONE, codes=("a",)), plain)
    yield "look", look(ONE, ends=False)
    yield "look_ends", look(ONE, ends=True)
    bound: dict[str, Any] = {}
    yield "extents_near", Query(near([Near((SERIES,), EARLIEST, 5), Near((SERIES,), 7, LATEST_INSTANT)], bound), bound)
    told_of: dict[str, Any] = {}
    yield "extents_around", Query(around([Reach(SERIES, 5, 9, 6, 7)], told_of), told_of)
    yield "extents_in_gaps", in_gaps(FLAT.query(MANY, View()), [(SERIES, 5, 6)])
    yield "touched", touched((1, 2, 3), (1, 5, 4))
    yield "samples", samples(FLAT.query(ONE, View()))
    yield "value_types", value_types(uuid.UUID(int=7), (SERIES,))
    yield "runs", runs(RunSearch(uuid.UUID(int=7), (5, 6, 7), (SERIES,), "w", "sealed", (1, SERIES), 9))
    yield "outcomes", outcomes([SERIES.bytes])


@pytest.mark.parametrize(("name", "query"), [pytest.param(name, query, id=name) for name, query in snapshots()])
def test_generated_sql_is_as_reviewed(name: str, query: Query) -> None:
    file = SNAPSHOTS / f"{name}.sql"
    if os.environ.get("VARVE_SNAPSHOTS") == "write":
        file.write_text(query.sql + "\n")
    assert file.read_text() == query.sql + "\n"


def test_no_snapshot_is_left_of_a_query_that_is_gone() -> None:
    assert {file.stem for file in SNAPSHOTS.glob("*.sql")} == {name for name, _ in snapshots()}


@pytest.mark.parametrize("query", [pytest.param(query, id=name) for name, query in snapshots()])
def test_every_place_is_bound_and_nothing_else_is(query: Query) -> None:
    assert set(re.findall(r"\{(\w+):", query.sql)) == set(query.parameters)


def test_a_hostile_word_is_bound_and_never_part_of_the_sql() -> None:
    hostile = "'; DROP TABLE points; --"
    query = series(SeriesSearch(uuid.UUID(int=7), exact={"key": hostile}, tags=(hostile,), attributes={hostile: hostile}))
    assert "DROP" not in query.sql
    assert hostile in query.parameters.values()


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: DaysBefore(1, 0, "Europe/Stokholm"), "zone-unknown"),
        (lambda: DaysBefore(1, 0, "../../etc/passwd"), "zone-unknown"),
        (lambda: DaysBefore(1, 86_400, "UTC"), "time-of-day-malformed"),
        (lambda: DaysBefore(-1, 0, "UTC"), "days-out-of-range"),
        (lambda: Lead(1 << 63), "lead-out-of-range"),
        (lambda: replace(ONE, columns=("nothing",)), "column-unknown"),
        (lambda: replace(ONE, limit=0), "limit-out-of-range"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_its_code(make: object, code: str) -> None:
    assert callable(make)
    with pytest.raises(Incorrect) as refused:
        make()
    assert refused.value.code == code
