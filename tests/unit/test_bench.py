"""The benchmark's table: ratios point the same way for rates and for times, and a line that failed is told."""

import pyarrow as pa
import pytest

from bench.made import Shape, arrow_body, tables
from bench.row import Floor, Outcome, Row, share
from bench.table import document


@pytest.mark.parametrize(("unit", "ours", "floor"), [("points/s", 50.0, 100.0), ("ms", 100.0, 50.0), ("MiB", 100.0, 50.0)])
def test_half_as_good_as_the_floor_is_a_half_whatever_the_unit(unit: str, ours: float, floor: float) -> None:
    assert Row("it", ours, unit, floor=Floor("bare", floor)).ratio == 0.5


def test_a_target_is_a_least_for_rates_and_a_most_for_times() -> None:
    assert [Row("it", 9.0, unit, target).met for unit, target in (("rows/s", 8), ("rows/s", 10), ("ms", 10), ("ms", 8))] == [
        True,
        False,
        True,
        False,
    ]
    assert Row("it", 9.0, "ms").met is None


def test_the_document_tells_command_machine_figures_and_failures() -> None:
    rows = (Row("reads", 12.5, "ms", 25, Floor("bare", 5.0)),)
    text = document([Outcome("reading", rows), Outcome("other", (), "it broke")], "python -m bench", "today", {"memory": "1 GiB"})
    assert "| reading | 0.40 | reads | 12.5 ms | 5.00 ms: bare | < 25.0 ✓ |" in text
    assert "| other |  | failed: it broke |" in text
    assert "| command | `python -m bench` |" in text
    assert "| memory | 1 GiB |" in text


def test_a_share_of_the_values_does_not_exceed_the_quantile() -> None:
    values = [float(one) for one in range(100)]
    assert (share(values, 0.5), share(values, 0.99), share([1.0], 0.99)) == (50.0, 99.0, 1.0)


def test_bodies_hold_every_point_once_and_are_the_same_each_time() -> None:
    shape = Shape(3, 7, body_rows=10)
    made = list(tables(shape))
    rows = [(row["series"], row["valid_time"]) for table in made for row in table.to_pylist()]
    assert len(set(rows)) == len(rows) == shape.rows
    assert max(table.num_rows for table in made) <= 10
    assert [arrow_body(table) for table in made] == [arrow_body(table) for table in tables(shape)]
    assert pa.ipc.open_stream(arrow_body(made[0])).read_all().equals(made[0])
