"""DataReservoir's files on disk and their validation, where requests do not reach: what is swept, what is taken for what."""

import asyncio
import os
import uuid
from pathlib import Path

import pytest

from api.doors.datareservoir import uploads
from api.doors.datareservoir.files import File, Files, Order, Verdict
from api.doors.datareservoir.uploads import Uploads
from api.doors.datareservoir.validation import PIECE_ROWS_MAX, Checked, check, pieces
from tests.conftest import wait_until
from varve.clock import SystemClock
from varve.errors import Conflict, Incorrect, NotFound, Unavailable
from varve.events import ValueType

SERIES = str(uuid.UUID(int=1))
READY = Verdict(1, 0, 0, "number")


@pytest.fixture
def file(tmp_path: Path) -> File:
    found = Files(tmp_path).file(uuid.UUID(int=2), uuid.UUID(int=3))
    found.home.mkdir(parents=True)
    return found


def test_only_what_nobody_waits_for_is_swept(tmp_path: Path, file: File) -> None:
    other = Files(tmp_path).file(uuid.UUID(int=2), uuid.UUID(int=4))
    other.home.mkdir()
    (tmp_path / "stray").mkdir()
    (tmp_path / "stray" / "file").touch()
    (file.home / "sent").touch()
    file.commit()
    for home in (file.home, other.home):
        os.utime(home, (100, 100))
    Files(tmp_path).sweep(99)
    assert other.home.exists()
    Files(tmp_path).sweep(101)
    assert file.home.exists() and not other.home.exists()
    assert [one for one in Files(tmp_path).all() if one.unfinished()] == [file]
    file.judge(READY)
    os.utime(file.home, (100, 100))
    Files(tmp_path).sweep(101)
    assert not file.home.exists()


def test_an_order_is_kept_once_and_ends_once(file: File) -> None:
    with pytest.raises(NotFound, match="nothing was uploaded"):
        file.commit()
    (file.home / "sent").write_text("0,1\n")
    file.commit()
    first = file.order(Order(SERIES, new=True, recorded_time=5))
    assert file.order(Order(SERIES, new=True, recorded_time=9)) == first
    file.judge(READY)
    assert file.pending() == [first]
    file.end(first)
    for name in ("points.arrow", "points.arrow.5.new", "words.arrow", "6.part"):
        (file.home / name).touch()
    file.forget_rows()
    assert sorted(path.suffix for path in file.home.iterdir()) == [".json", ".json"]
    file.end(first, "another server took them")
    assert (file.pending(), file.ended(SERIES)) == ([], Order(SERIES, True, 5, done=True))
    assert file.is_committed() and not file.unfinished()
    with pytest.raises(Conflict, match="taken already"):
        file.order(Order(str(uuid.UUID(int=9)), new=False, recorded_time=5))


@pytest.mark.parametrize(
    ("csv", "found"),
    [
        ("", Checked(0, 0, -1, None)),
        ("3,\n4,nan\n", Checked(2, 3, 4, None)),
        ("3,\n4,1e300\n5,NaN\n", Checked(3, 3, 5, "number")),
        ("-5,True\n4,\n5,False\n", Checked(3, -5, 5, "bool")),
        ("1,True\n2,maybe\n", Checked(2, 1, 2, "text")),
        ('1,"12"\r\n2,13\r\n', Checked(2, 1, 2, "number")),
        ('1,"a\nb"\n2,"c,d"', Checked(2, 1, 2, "text")),
    ],
)
def test_the_first_value_says_what_the_values_are(tmp_path: Path, csv: str, found: Checked) -> None:
    (tmp_path / "csv").write_text(csv, newline="")
    assert check(tmp_path / "csv", tmp_path / "rows") == found
    assert sum(len(piece) for piece in pieces(tmp_path / "rows")) == found.rows


@pytest.mark.parametrize("kind", ["text", "bool"])
def test_numbers_may_be_words_where_the_series_holds_words(tmp_path: Path, kind: ValueType) -> None:
    (tmp_path / "csv").write_text("1,1.50\n2,2\n")
    if kind == "bool":
        with pytest.raises(Incorrect, match="line 1: the value '1.50' is not True or False"):
            check(tmp_path / "csv", tmp_path / "rows", kind)
        return
    check(tmp_path / "csv", tmp_path / "rows", kind)
    assert [piece.column(1).to_pylist() for piece in pieces(tmp_path / "rows")] == [["1.50", "2"]]


def test_a_long_file_is_cut_where_records_end_and_its_last_line_is_named(tmp_path: Path) -> None:
    rows = 3 * PIECE_ROWS_MAX
    (tmp_path / "csv").write_text("".join(f"{at},1\n" for at in range(rows)))
    assert check(tmp_path / "csv", tmp_path / "rows").rows == rows
    assert max(len(piece) for piece in pieces(tmp_path / "rows")) <= PIECE_ROWS_MAX
    with (tmp_path / "csv").open("a") as more:
        more.write(f"{rows},one\n")
    with pytest.raises(Incorrect, match=f"line {rows + 1}: the value 'one'"):
        check(tmp_path / "csv", tmp_path / "rows")


def test_rows_that_are_read_stay_as_they_are_when_they_are_written_again(tmp_path: Path) -> None:
    (tmp_path / "csv").write_text("".join(f"{at},1.5\n" for at in range(2 * PIECE_ROWS_MAX)))
    check(tmp_path / "csv", tmp_path / "rows")
    reading = pieces(tmp_path / "rows")
    first = next(reading)
    (tmp_path / "csv").write_text("0,2\n")
    check(tmp_path / "csv", tmp_path / "rows")
    assert sum(len(piece) for piece in (first, *reading)) == 2 * PIECE_ROWS_MAX
    assert sorted(path.name for path in tmp_path.iterdir()) == ["csv", "rows"]


def test_what_a_disk_refused_is_tried_again_and_who_asked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uploads, "RETRY_SECONDS", 0.001)

    async def nothing(*_: object) -> None: ...

    async def run() -> Verdict | None:
        held = Uploads(tmp_path, b"secret", SystemClock())
        file = held.files.file(uuid.UUID(int=2), uuid.UUID(int=3))
        (file.home / "points.arrow").mkdir(parents=True)  # nothing can be written there
        (file.home / f"order-{SERIES}.json").mkdir()
        (file.home / "sent").write_text("0,1\n")
        with pytest.raises(Unavailable, match="could not keep"):
            await held.kept(file.order, Order(SERIES, new=True, recorded_time=5))
        (file.home / f"order-{SERIES}.json").rmdir()
        running = asyncio.create_task(held.run(nothing, nothing))
        await held.kept(file.commit)
        held.wake(file)
        await asyncio.to_thread(wait_until, lambda: "trying again" in caplog.text, 10, "the disk refuses")
        (file.home / "points.arrow").rmdir()
        verdict = await held.until(file.verdict, 10)
        running.cancel()
        await held.close()
        return verdict

    assert asyncio.run(run()) == READY
