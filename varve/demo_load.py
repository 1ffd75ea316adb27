"""What the demo writes: a year of observations, a forecast run a day, a correction with its reasons.

Before: demo_weather.py has the input. After: demo_show.py reads. Every write has a key of its own, so that a second demo on
the same directory changes nothing (I3).
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import track

from varve.client import Client
from varve.demo_weather import HORIZON_HOURS, SOURCE, Forecast, correction, forecasts, observations, reported

OBSERVED, FORECAST = "seattle/temperature", "seattle/temperature/forecast"
CORRECTED_AT = "2010-08-02T16:00:00Z"
WORKFLOW = "persistence"
RUNS_AT_A_TIME = 16
SAID_EVERY = 100


def load(client: Client, console: Console) -> None:
    values = observations()
    console.print(f"\n[bold]Input[/]: {SOURCE}.")
    console.print(
        "They are averages of thirty years: days resemble each other more than real ones, and forecasts look better than they are."
    )
    client.create(OBSERVED, name="Temperature, Seattle-Tacoma", unit="degF", description=SOURCE, tags=["demo", "observed"])
    client.create(FORECAST, name="Tomorrow is as today", unit="degF", description="persistence, 48 hours, issued daily", tags=["demo"])
    written = client.write(OBSERVED, reported(values), changed_by="weather station", key="demo-observations-1")
    console.print(f"\nWrote {written.rows:,} observations, each known ten minutes after its hour.")
    _forecast(client, console, list(forecasts(values)))
    found = correction(values)
    written = client.write(OBSERVED, found, known_time=CORRECTED_AT, changed_by="quality control", key="demo-correction-1")
    client.update(OBSERVED, found.index[0], tags=["reviewed"], changed_by="maria@example.org", key="demo-review-1")
    console.print(f"Corrected {written.rows} values on August 2, with the reason; a person has reviewed one of them.")
    client.wait_for()


def _forecast(client: Client, console: Console, issued: list[Forecast]) -> None:
    def run(forecast: Forecast) -> int:
        key = f"demo-{forecast.known_time:%Y-%m-%d}-1"
        parameters = {"horizon_hours": HORIZON_HOURS}
        with client.run(WORKFLOW, known_time=forecast.known_time, params=parameters, wait="log", key=key) as opened:
            return opened.write(FORECAST, forecast.values, wait="log").rows

    with ThreadPoolExecutor(RUNS_AT_A_TIME) as pool:
        points = sum(_counted(console, pool.map(run, issued), len(issued)))
    console.print(f"Wrote {points:,} forecast values in {len(issued)} runs, issued daily at 11:30: tomorrow is as today.")


def _counted(console: Console, done: Iterable[int], total: int) -> Iterable[int]:
    """A bar where a person looks on, else a line now and then."""
    if console.is_terminal:
        yield from track(done, "forecast runs", total, console=console, transient=True)
        return
    for number, points in enumerate(done, 1):
        if number % SAID_EVERY == 0:
            console.print(f"{number} of {total} forecast runs")
        yield points
