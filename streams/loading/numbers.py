"""Cells as numbers, a column at a time: empty words are nulls, what is no finite number is told of. Pure.

Before: csv_mending.py and json_source.py have words. After: chunks. (I10: NaN is no value, it is a cell that is empty.)
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

EMPTY = ["", "NaN", "nan", "NAN", "-NaN", "-nan", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "null", "NULL", "Null", "None", "none",
         "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "#N/A N/A"]  # fmt: skip
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_SHOWN = 40


class Numbers(NamedTuple):
    """values: float64, null where wrong or empty. wrong: the rows that hold something else."""

    values: pa.Array
    wrong: NDArray[np.int64]


def numbers(words: pa.Array) -> Numbers:
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(words, ""))
    empty = pc.is_in(trimmed, pa.array(EMPTY))
    shaped = pc.match_substring_regex(trimmed, _NUMBER)
    values = pc.if_else(shaped, pc.utf8_ltrim(trimmed, "+"), None).cast(pa.float64())
    finite = pc.fill_null(pc.is_finite(values), False)
    wrong = np.flatnonzero(pc.invert(pc.or_(empty, finite)).to_numpy(zero_copy_only=False))
    return Numbers(pc.if_else(finite, values, pa.scalar(None, pa.float64())), wrong)


def why(word: str) -> str:
    shown = word.strip()[:_SHOWN]
    if shown.lower().lstrip("+-") in ("inf", "infinity"):
        return f"'{shown}' is not a finite number"
    if "," in shown and shown.replace(",", "", 1).lstrip("+-").isdigit():
        return f"'{shown}' is not a number: decimals are written with a point"
    return f"'{shown}' is not a number"
