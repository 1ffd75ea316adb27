"""Every line of the benchmark runs, at a size that says nothing about speed; no time is asserted."""

import subprocess
import sys

import pytest

from bench.__main__ import LINES, WRITTEN
from tests.tidy.house import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def measured(*options: str) -> str:
    before = WRITTEN.stat().st_mtime_ns if WRITTEN.exists() else None
    run = subprocess.run([sys.executable, "-m", "bench", "--scale", "0.001", *options], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "failed" not in run.stdout
    assert (WRITTEN.stat().st_mtime_ns if WRITTEN.exists() else None) == before, "it was written unasked"
    return run.stdout.partition("share of floor")[2]


def test_lines_of_each_kind_can_be_measured_and_nothing_is_written_unasked() -> None:
    lines = ("upload-100", "flat-read", "increments-json", "key-check", "reservoir-download", "load", "observations")
    table = measured(*(word for name in lines for word in ("--only", name)))
    assert [name for name in lines if name not in table] == []


@pytest.mark.soak
def test_every_line_can_be_measured() -> None:
    table = measured()
    assert [name for name in LINES if name not in table] == []


def test_a_line_that_does_not_exist_is_refused_with_those_that_do() -> None:
    run = subprocess.run([sys.executable, "-m", "bench", "--only", "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "upload-100k" in run.stderr
