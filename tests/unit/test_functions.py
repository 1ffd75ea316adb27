"""Names of functions, and their values out of merged aggregates, equal Python's own statistics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sink.functions import NAMES, Function, of_aggregates, parse_function
from streams.aggregate import merged, singles
from tests.rollup_oracle import FUNCTIONS
from varve.errors import Incorrect


@pytest.mark.parametrize(
    ("text", "name"),
    [("avg", "mean"), ("Mean", "mean"), ("mult", "multiply"), ("p95", "p95"), ("percentile,95", "p95"), ("p99.90", "p99.9"), ("p0", "p0")],
)
def test_synonyms_have_one_name(text: str, name: str) -> None:
    assert parse_function(text).name == name


@pytest.mark.parametrize("text", ["", "p", "p101", "p-1", "percentile", "percentile,", "sum;", "p1e1"])
def test_what_is_no_function_is_refused_in_words(text: str) -> None:
    with pytest.raises(Incorrect, match="choose from"):
        parse_function(text)


def test_only_what_aggregates_tell_is_stored() -> None:
    assert {name for name in NAMES if not parse_function(name).stored} == {"multiply", "median"}
    assert not parse_function("p50").stored
    assert parse_function("median").fraction == 0.5
    with pytest.raises(ValueError, match="median"):
        of_aggregates(Function("median", "median", 0.5), singles(np.zeros(1, np.int64), np.ones(1)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.sampled_from([name for name in NAMES if parse_function(name).stored]))
def test_functions_of_merged_aggregates_are_those_of_the_values(values: list[float], name: str) -> None:
    parts = singles(np.arange(len(values), dtype=np.int64), np.array(values))
    (found,) = of_aggregates(parse_function(name), merged(np.zeros(len(values), np.intp), 1, parts))
    assert found == pytest.approx(FUNCTIONS[name](values), rel=1e-9, abs=1e-6 if name in ("sum", "mean") else 1e-2)
