"""The benchmark's table: ratios point the same way for rates and for times, and a line that failed is told."""

from pathlib import Path

import pyarrow as pa
import pytest

from bench import peers
from bench.increments import Cells, _layers, _rounds, _table
from bench.made import Shape, arrow_body, tables
from bench.peers import Told, programs_here, told_by, updates_per_second
from bench.rollups import _made
from bench.row import Floor, Outcome, Row, Wrong, share
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
    outcomes = [Outcome("reading", rows), Outcome("other", (), "it broke")]
    text = document(outcomes, "python -m bench", "2026-11-22 03:11 UTC", {"memory": "1 GiB"})
    assert "| reading | 0.40 | reads | 12.5 ms | 5.00 ms: bare | < 25.0 ✓ | 2026-11-22 |" in text
    assert "| other |  | failed: it broke |" in text
    assert "| command | `python -m bench` |" in text
    assert "| memory | 1 GiB |" in text


def test_lines_that_did_not_run_again_keep_their_rows_their_date_and_their_place() -> None:
    first = document([Outcome(name, (Row("reads", 1.0, "ms"),)) for name in ("a", "b", "c")], "all", "2026-11-20 00:00 UTC", {})
    text = document([Outcome("b", (Row("reads", 2.0, "ms"), Row("more", 3.0, "ms")))], "one", "2026-11-22 00:00 UTC", {}, first)
    assert text.splitlines()[-4:] == [
        "| a |  | reads | 1.00 ms |  |  | 2026-11-20 |",
        "| b |  | reads | 2.00 ms |  |  | 2026-11-22 |",
        "| b |  | more | 3.00 ms |  |  | 2026-11-22 |",
        "| c |  | reads | 1.00 ms |  |  | 2026-11-20 |",
    ]


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


def test_what_pgbench_tells_is_read_and_silence_is_refused() -> None:
    told = (
        "number of transactions actually processed: 20771\nlatency average = 1.9 ms\ntps = 4153.644174 (without initial connection time)\n"
    )
    assert told_by(told) == Told(20771, 4153.644174)
    with pytest.raises(Wrong, match="told no rate"):
        told_by("pgbench: error: connection failed")


def test_the_newest_of_several_programs_is_taken(tmp_path: Path) -> None:
    for number in ("9", "15"):
        program = tmp_path / number / "bin" / "initdb"
        program.parent.mkdir(parents=True)
        program.touch(0o755)
    assert programs_here(tmp_path)["initdb"] == str(tmp_path / "15" / "bin" / "initdb")


def test_where_there_is_no_postgresql_the_peer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "programs_here", dict)
    floor = updates_per_second(8, 1_000, 1)
    row = Row("increments", 200.0, "increments/s", floor=floor)
    assert row.ratio is None
    assert "| PostgreSQL, UPDATE v = v + 1 of 1,000 rows, 8 clients: not here, there is no initdb" in document(
        [Outcome("it", (row,))], "", "", {}
    )


def test_bodies_of_increments_hold_the_amounts_whose_sums_are_checked() -> None:
    cells = Cells(3, 4)
    first, second = _rounds(cells, 2)
    rows = _table(cells, first).to_pylist()
    assert len({(row["series"], row["valid_time"]) for row in rows}) == len(first) == 12
    assert [row["value"] for row in rows] == first.tolist() != second.tolist()
    assert sum(first) == int(sum(first))


def test_layers_of_a_hot_cell_are_known_one_after_another() -> None:
    tables_ = [_layers(0, 5), _layers(5, 5)]
    known = [row["known_time"] for table in tables_ for row in table.to_pylist()]
    assert known == sorted(set(known))
    assert len({(row["series"], row["valid_time"]) for table in tables_ for row in table.to_pylist()}) == 1


def test_what_rollups_are_checked_against_is_what_is_written() -> None:
    shape = Shape(3, 7, body_rows=6)
    values = _made(shape)
    written = {(row["series"], row["valid_time"]): row["value"] for table in tables(shape) for row in table.to_pylist()}
    times = sorted({at for _, at in written})
    assert values.tolist() == [[written[key, at] for at in times] for key in shape.keys]
