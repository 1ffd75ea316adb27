"""Floor of back-up and restore: the same Parquet files with their checksums, and neither broker nor records around them.

Before: backup.py has made the files. After: seconds to write them from memory, and to read them.
"""

import hashlib
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from varve.clock import SystemClock

CLOCK = SystemClock()


def main() -> None:
    """python -m bench.floor_backup parquet JSON"""
    asked = json.loads(sys.argv[2])
    sys.stdout.write(json.dumps(parquet(Path(asked["files"]), Path(asked["directory"]))) + "\n")


def parquet(files: Path, directory: Path) -> dict[str, float]:
    directory.mkdir(parents=True)
    wrote = read = 0.0
    for file in files.glob("*.parquet"):  # what is loaded with the first file, and the disk's cache
        pq.ParquetFile(file).read()
    for number, file in enumerate(sorted(files.glob("*.parquet"))):
        start = CLOCK.monotonic()
        _digest(file)
        table = pq.ParquetFile(file).read()
        read += CLOCK.monotonic() - start
        wrote += _written(table, directory / f"{number}.parquet")
    return {"write": wrote, "read": read}


def _written(table: pa.Table, file: Path) -> float:
    start = CLOCK.monotonic()
    pq.write_table(table, file, compression="zstd")
    _digest(file)
    return CLOCK.monotonic() - start


def _digest(file: Path) -> None:
    with file.open("rb") as source:
        hashlib.file_digest(source, "sha256")


if __name__ == "__main__":
    main()
