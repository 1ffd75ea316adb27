"""Reading a CSV file without a server: Arrow alone as the floor, and our own reader, each in a process of its own, with its memory.

Before: loads.py has made the file. After: seconds and the largest resident memory, MiB.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from bench.memory import peak_mib
from streams.loading.reading import read
from streams.loading.specs import source_of
from varve.clock import SystemClock

CLOCK = SystemClock()


def main() -> None:
    """python -m bench.floor_csv arrow_csv|own_reader JSON"""
    asked = json.loads(sys.argv[2])
    act = {"arrow_csv": arrow_csv, "own_reader": own_reader}[sys.argv[1]]
    start = CLOCK.monotonic()
    rows = act(Path(asked["file"]), asked)
    seconds = CLOCK.monotonic() - start
    peak_mb = peak_mib()
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": rows, "peak_mb": peak_mb}) + "\n")


def arrow_csv(file: Path, asked: dict[str, Any]) -> int:
    """Times and numbers, block by block; what is wrong would end it, and no line is known."""
    types = {"Time": pa.timestamp("ns"), **dict.fromkeys(asked["columns"], pa.float64())}
    convert = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types))
    with pyarrow.csv.open_csv(file, pyarrow.csv.ReadOptions(block_size=1 << 20), convert_options=convert) as reader:
        return sum(batch.num_rows for batch in reader)


def own_reader(file: Path, asked: dict[str, Any]) -> int:
    source = source_of({"url": str(file), "timestamp_key": "Time", **asked["how"]})
    return sum(len(chunk.valid_time) for chunk in read(file, source, asked["columns"]))


if __name__ == "__main__":
    main()
