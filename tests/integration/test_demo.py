"""`make demo` in a process of its own, on a directory of its own: what it says and draws; again on the same directory; served."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pandas as pd
import pytest

from tests.conftest import wait_until
from varve.client import Client
from varve.demo_load import FORECAST, OBSERVED, WORKFLOW
from varve.demo_weather import SOURCE, correction, forecast_errors, forecasts, observations
from varve.process import end
from varve.running import directory_held, found_running

pytestmark = pytest.mark.slow

DEMO_SECONDS_MAX = 240
PNG = b"\x89PNG\r\n\x1a\n"


def environment(**more: str) -> Mapping[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("VARVE_", "DEMO_"))}
    return ours | {"COLUMNS": "120"} | more


def command(directory: Path) -> list[str]:
    return [sys.executable, "-m", "varve.demo", "--data", str(directory)]


def shown_once(directory: Path) -> str:
    ran = subprocess.run(
        command(directory), env=environment(DEMO_ONCE="1"), capture_output=True, text=True, timeout=DEMO_SECONDS_MAX, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    return ran.stdout


def the_show(said: str) -> str:
    """From the first answer of the server to the last."""
    return said[said.index("What is known now") : said.index("A picture of it")]


def row_of(said: str, heading: str, first: str) -> list[str]:
    """The cells of the first row under a heading that begins with `first`."""
    row = next(line for line in said[said.index(heading) :].splitlines() if line.strip().startswith(first))
    return re.split(r"\s{2,}", row.strip())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(directory: Path) -> str:
    return shown_once(directory)


def test_says_where_its_values_come_from_and_under_which_licence(first: str) -> None:
    words = " ".join(first.split())
    assert SOURCE in words
    assert "public domain" in SOURCE and "MIT" in SOURCE


def test_shows_what_the_input_makes_of_each_kind_of_read(first: str) -> None:
    values = observations()
    hour = correction(values).index[0]
    before, after = f"{values[hour]:.2f}", f"{values[hour] - 1.5:.2f}"
    ahead = next(forecast.values[hour] for forecast in forecasts(values) if hour in forecast.values.index)
    assert row_of(first, "What did we know on July 20?", "Jul 15 14:00") == ["Jul 15 14:00", before, after, "-1.50"]
    assert row_of(first, "What is known now", "Jul 15 14:00")[1] == after
    assert row_of(first, "Every forecast of an hour", "Jul 14 11:30") == ["Jul 14 11:30", "Jul 15 14:00", f"{ahead:.2f}"]
    assert row_of(first, "the day before at noon", "Jul 15 14:00")[1:3] == [f"{ahead:.2f}", after]
    assert row_of(first, "Who changed", "2010 Jul 15 14:10")[1:] == [before, "weather station"]
    assert row_of(first, "Who changed", "2010 Aug 02 09:00")[1:3] == [after, "quality control"]
    assert "maria@example.org" in first and "sensor in the sun" in first
    assert "0 to 12 h" in row_of(first, "by lead time?", "0 to 12 h") and "nan" not in first.lower()


def test_draws_in_the_terminal_without_colours_for_a_pipe_and_a_picture(first: str, directory: Path) -> None:
    assert "as known on July 20 │" in first
    assert "\x1b" not in first
    picture = directory / "demo.png"
    assert str(picture) in first
    drawn = picture.read_bytes()
    assert drawn.startswith(PNG) and len(drawn) > 20_000


def test_a_second_demo_shows_the_same_serves_on_and_ends_with_ctrl_c(first: str, directory: Path, tmp_path: Path) -> None:
    picture = (directory / "demo.png").read_bytes()
    log = tmp_path / "second.log"
    with log.open("wb") as out:
        demo = subprocess.Popen(command(directory), env=environment(), stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: "until Ctrl-C" in log.read_text() or demo.poll() is not None, DEMO_SECONDS_MAX, "the demo")
        said = log.read_text()
        assert demo.poll() is None, said
        assert the_show(said) == the_show(first)
        assert (directory / "demo.png").read_bytes() == picture
        running = found_running(directory)
        assert running is not None and running.url in said
        _nothing_doubled(running.url)
        _lines_to_try_work(said)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
        assert "Stopped." in log.read_text() and found_running(directory) is None
    finally:
        end(demo, 60)


def _nothing_doubled(url: str) -> None:
    values, runs = observations(), list(forecasts(observations()))
    with Client(url) as client:
        layers = client.table("history", OBSERVED, columns="valid_time,version")
        assert layers.num_rows == len(values) + len(correction(values)) + 1  # the review
        assert len(client.overlapping(FORECAST)) == sum(len(run.values) for run in runs)
        assert len(client.runs(WORKFLOW)) == len(runs)
        flat = client.flat(OBSERVED)
        expected = values.copy()
        expected[correction(values).index] -= 1.5
        assert flat.tolist() == expected.sort_index().tolist()


def _lines_to_try_work(said: str) -> None:
    lines = [shlex.split(line) for line in said.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 3
    for line in lines:
        name, _, value = line[2].partition(": ")
        answer = httpx.get(line[3], headers={name: value})
        assert answer.status_code == 200, answer.text
        assert len(answer.text.splitlines()) == 1 + 5  # its header and the hours from 13:00 to 17:00


def test_a_directory_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    ran = subprocess.run(command(tmp_path / "taken"), env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "give --data a directory" in ran.stdout and "Traceback" not in ran.stdout + ran.stderr


def test_ctrl_c_while_varve_starts_leaves_nothing_running(tmp_path: Path) -> None:
    directory, log = tmp_path / "demo", tmp_path / "log"
    with log.open("wb") as out:
        demo = subprocess.Popen(command(directory), env=environment(), stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_until((directory / "broker").exists, 60, "the supervisor at work")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
        assert log.read_text().strip().endswith("Stopped.")
        with directory_held(directory):  # refused where a supervisor still has it
            assert found_running(directory) is None
    finally:
        end(demo, 60)


def test_errors_by_lead_leave_out_hours_that_were_never_observed() -> None:
    values = observations().iloc[:96]
    made = next(forecasts(values))
    index = pd.MultiIndex.from_product([[made.known_time], made.values.index], names=["known_time", "valid_time"])
    forecast = made.values.set_axis(index)
    off = forecast_errors(forecast, values.drop(made.values.index[0]) + 2.0)
    assert off["hours"].tolist() == [11, 12, 12, 12]
    assert off.index.tolist() == [0, 12, 24, 36]
    wanted = (made.values.iloc[12:24] - values[made.values.index[12:24]] - 2.0).abs().mean()
    assert off["error"].iloc[1] == pytest.approx(wanted)
