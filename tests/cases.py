"""How many cases Hypothesis draws: as many as `make test` has time for, or so many times more (VARVE_TEST_CASES=10)."""

import os

_TIMES = int(os.environ.get("VARVE_TEST_CASES", "1"))


def cases(count: int) -> int:
    return count * _TIMES
