"""The line of loading: a CSV file of 10 million rows by `varve load`, of one value column and of two, until all is visible.

Before: a file is made. After: the command in a process of its own, with its start; its rate and its memory, beside Arrow's CSV reader and
beside our reader alone. Each load is read back.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from bench.rig import Rig, Server, peaks, timed
from bench.row import Floor, Row, Wrong
from bench.wire import ARROW, read_path

ROWS, PIECE_ROWS = 10_000_000, 500_000
COLUMNS = ("Temperature", "Level")
TARGET, MB_MAX = 300_000, 500
DAY_FIRST = "%d/%m/%Y %H:%M:%S"
_FIRST = 788_918_400  # 1995


def load(rig: Rig) -> list[Row]:
    """10 M rows of CSV by `varve load` → visible."""
    count = rig.scaled(ROWS, 2_000)
    file, day_first = rig.directory / "logger.csv", rig.directory / "day-first.csv"
    _write(file, count, "%Y-%m-%d %H:%M:%S")
    _write(day_first, count // 5, DAY_FIRST)
    denver = {"timezone_type": "iana", "timezone": "America/Denver"}
    arrow = rig.floor("arrow_csv", "floor_csv", file=str(file), columns=COLUMNS)
    ours = rig.floor("own_reader", "floor_csv", file=str(file), columns=COLUMNS, how={})
    zoned = rig.floor("own_reader", "floor_csv", file=str(file), columns=COLUMNS, how=denver)
    formatted = rig.floor("own_reader", "floor_csv", file=str(day_first), columns=COLUMNS, how={"timestamp_format": DAY_FIRST, **denver})
    alone = Floor("Arrow's CSV reader", count / arrow["seconds"])
    rows = [
        Row(f"CSV of {count:,} rows, a time and two values, read alone", count / ours["seconds"], "rows/s", floor=alone),
        Row("— its memory (peak RSS)", ours["peak_mb"], "MiB", MB_MAX, Floor("the same", arrow["peak_mb"])),
        Row("— the same, times of America/Denver", zoned["rows"] / zoned["seconds"], "rows/s", floor=alone),
        Row(
            f"— day-first times of America/Denver by a format, {count // 5:,} rows",
            formatted["rows"] / formatted["seconds"],
            "rows/s",
            floor=alone,
        ),
    ]
    for columns in (COLUMNS[:1], COLUMNS):
        rows += _loaded(rig, file, count, columns, Floor("our reader alone", count / ours["seconds"]))
    return rows


def _loaded(rig: Rig, file: Path, count: int, columns: tuple[str, ...], floor: Floor) -> list[Row]:
    server = rig.server()
    server.quiet()
    rig.say(f"varve load of {len(columns)} column(s)")
    seconds, peak = timed(lambda: _run(server, file, columns))
    _read_back(server, count, columns)
    what = f"varve load of {count:,} rows, {len(columns)} value column(s) → visible"
    return [
        Row(what, count / seconds, "rows/s", TARGET, floor),
        Row("— memory of the loading process (peak RSS)", peak, "MiB", MB_MAX),
    ]


def _run(server: Server, file: Path, columns: tuple[str, ...]) -> float:
    command = [sys.executable, "-m", "varve.cli", "load", str(file), "--time", "Time", "--url", server.url, "--tenant", server.tenant]
    command += [word for name in columns for word in ("--value", name)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with peaks({"load": process.pid}) as peak:
        said, _ = process.communicate()
    if process.returncode:
        raise Wrong(f"varve load ended with {process.returncode}: {said.strip()[-600:]}")
    return peak["load"]


def _read_back(server: Server, count: int, columns: tuple[str, ...]) -> None:
    line = server.line()
    for name in columns:
        found = sum(pa.ipc.open_stream(body).read_all().num_rows for body in line.pages(read_path("flat", [name]), ARROW))
        if found != count:
            raise Wrong(f"{found} points of {name} are visible instead of {count}")
    line.close()


def _write(file: Path, count: int, form: str) -> None:
    """A reading a second."""
    chance = np.random.default_rng(7)
    schema = pa.schema([("Time", pa.string()), *((name, pa.float64()) for name in COLUMNS)])
    with pyarrow.csv.CSVWriter(file, schema) as writer:
        for at in range(0, count, PIECE_ROWS):
            rows = min(PIECE_ROWS, count - at)
            times = pc.strftime(pa.array(np.arange(_FIRST + at, _FIRST + at + rows).astype("M8[s]")), form)
            values = [pa.array(chance.normal(mean, 3.0, rows).round(3)) for mean in (12.0, 40.0)]
            writer.write_table(pa.table([times, *values], schema))
