"""Cells as numbers, a column at a time: empty words are nulls, what is no finite number is told of. Pure.

Before: csv_mending.py and json_source.py have words. After: chunks. (I10: NaN is no value, it is a cell that is empty.)
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.loading.specs import Writing

EMPTY = ["", "NaN", "nan", "NAN", "-NaN", "-nan", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "null", "NULL", "Null", "None", "none",
         "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "#N/A N/A"]  # fmt: skip
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
_SHOWN = 40


POINT = Writing()


class Numbers(NamedTuple):
    """values: float64, null where wrong or empty. wrong: the rows that hold something else."""

    values: pa.Array
    wrong: NDArray[np.int64]


def numbers(words: pa.Array, writing: Writing = POINT) -> Numbers:
    trimmed = pc.utf8_trim_whitespace(pc.fill_null(words, ""))
    empty = pc.is_in(trimmed, pa.array(empty_of(writing)))
    shaped = pc.match_substring_regex(trimmed, _NUMBER.replace(r"\.", f"[{writing.decimal_point}]"))
    pointed = trimmed if writing.decimal_point == "." else pc.replace_substring(trimmed, writing.decimal_point, ".")
    values = pc.if_else(shaped, pc.utf8_ltrim(pointed, "+"), None).cast(pa.float64())
    finite = pc.fill_null(pc.is_finite(values), False)
    wrong = np.flatnonzero(pc.invert(pc.or_(empty, finite)).to_numpy(zero_copy_only=False))
    return Numbers(without_no_data(pc.if_else(finite, values, pa.scalar(None, pa.float64())), writing), wrong)


def empty_of(writing: Writing) -> list[str]:
    return [*EMPTY, *writing.no_data]


def without_no_data(values: pa.Array, writing: Writing) -> pa.Array:
    """Null where a number stands for no reading, however it is written."""
    if not writing.no_data:
        return values
    gone = numbers(pa.array(writing.no_data), Writing(decimal_point=writing.decimal_point)).values.drop_null()
    return pc.if_else(pc.is_in(values, gone), pa.scalar(None, pa.float64()), values)


def why(word: str, writing: Writing = POINT) -> str:
    shown = word.strip()[:_SHOWN]
    if shown.lower().lstrip("+-") in ("inf", "infinity"):
        return f"'{shown}' is not a finite number"
    other = "," if writing.decimal_point == "." else "."
    if other in shown and shown.replace(other, "", 1).lstrip("+-").isdigit():
        return f"'{shown}' is not a number: decimals are written with a {'point' if other == ',' else 'comma'}"
    return f"'{shown}' is not a number"
