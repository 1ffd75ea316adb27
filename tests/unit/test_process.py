"""What processes share: a worker without pandas works from its first array on."""

import subprocess
import sys

FIRST_ARRAYS = """
import sys
from varve.process import without_pandas
without_pandas()
import pyarrow as pa
import pyarrow.compute as pc
assert pc.fill_null(pa.array([1.0, None]), 0.0).to_pylist() == [1.0, 0.0]
assert pa.Table.from_pylist([{"key": "a"}]).num_rows == 1
assert "pandas" not in sys.modules
"""


def test_the_first_array_without_pandas_does_not_fail() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_ARRAYS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
