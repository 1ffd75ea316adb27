"""What a source's rows become: chunks of instants and numbers, with the lines that they stood in and the lines that were refused.

Before: csv_source.py and json_source.py make them. After: the runner, `varve load` and the page's upload append them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

REJECTED_LISTED_MAX = 100  # of a chunk


class Rejected(NamedTuple):
    """line: in the file, from 1; of JSON, the record's number from 1.

    column: whose cell it is; the timestamp's where the whole row is lost.
    """

    line: int
    column: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """valid_time: UTC ns. values: float64 by source identifier, as long; null where a cell is empty or was rejected.

    lines: where each row stood. rows_read: rows of the source that this chunk is made of. rejected: the first of them;
    rejected_count: how many cells and rows were.
    """

    valid_time: NDArray[np.int64]
    values: Mapping[str, pa.Array]
    lines: NDArray[np.int64]
    rows_read: int
    rejected: tuple[Rejected, ...] = ()
    rejected_count: int = 0
