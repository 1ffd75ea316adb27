"""What the demo writes: a year of observations, a forecast run a day, a correction with its reasons.

Before: demo_weather.py has the input. After: demo_show.py reads. Every write has a key of its own, so that a second demo on
the same data changes nothing (I3).
"""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
from rich.console import Console
from rich.progress import track

from varve.client import Client
from varve.demo_weather import SOURCE, Forecast, correction, forecasts, observations, reported

OBSERVED, FORECAST = "seattle/temperature", "seattle/temperature/forecast"
CORRECTED_AT = "2010-08-02T16:00:00Z"
WORKFLOW = "persistence"
RUNS_AT_A_TIME = 16


def load(client: Client, console: Console) -> None:
    values = observations()
    console.print(f"\n[bold]Input[/]: {len(values)} {SOURCE}")
    client.create(OBSERVED, name="Temperature, Seattle-Tacoma", unit="degF", description=SOURCE, tags=["demo", "observed"])
    client.create(FORECAST, name="Tomorrow is as today", unit="degF", description="persistence, 48 hours, issued daily", tags=["demo"])
    client.write(OBSERVED, reported(values), changed_by="weather station", key="demo-observations-1")
    _forecast(client, console, list(forecasts(values)))
    found = correction(values)
    client.write(OBSERVED, found, known_time=CORRECTED_AT, changed_by="quality control", key="demo-correction-1")
    client.update(OBSERVED, found.index[0], tags=["reviewed"], changed_by="maria@example.org", key="demo-review-1")
    client.wait_for()


def _forecast(client: Client, console: Console, issued: list[Forecast]) -> None:
    def run(forecast: Forecast) -> int:
        day: pd.Timestamp = forecast.known_time
        with client.run(WORKFLOW, known_time=day, params={"horizon_hours": 48}, wait="log", key=f"demo-{day:%Y-%m-%d}-1") as opened:
            return opened.write(FORECAST, forecast.values, wait="log").rows

    with ThreadPoolExecutor(RUNS_AT_A_TIME) as pool:
        done = pool.map(run, issued)
        points = sum(track(done, f"{len(issued)} forecast runs", len(issued), console=console))
    console.print(f"{len(issued)} runs with {points} forecast values")
