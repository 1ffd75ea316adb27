"""What the demo shows: flat, overlapping, what was known when, a correction's history, day-ahead values, errors by lead, a plot.

Before: demo_load.py wrote. After: the terminal and a PNG. Each part is one call of the client and one table of its answer.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from varve.client import Client
from varve.demo_load import FORECAST, OBSERVED
from varve.demo_weather import ZONE

DAY, NEXT = pd.Timestamp("2010-07-15", tz=ZONE), pd.Timestamp("2010-07-16", tz=ZONE)
WEEK_FROM, WEEK_UNTIL = pd.Timestamp("2010-07-12", tz=ZONE), pd.Timestamp("2010-07-19", tz=ZONE)
AFTERNOON, EVENING = DAY + pd.Timedelta(hours=13), DAY + pd.Timedelta(hours=18)


def show(client: Client, console: Console, picture: Path) -> None:
    _flat(client, console)
    _overlapping(client, console)
    _as_of(client, console)
    _history(client, console)
    _day_ahead(client, console)
    _errors(client, console)
    week = (
        client.flat(OBSERVED, WEEK_FROM, WEEK_UNTIL),
        client.relative(FORECAST, WEEK_FROM, WEEK_UNTIL, days_before=1, at="12:00", zone=ZONE),
    )
    _plot(console, *week)
    _picture(*week, picture)
    console.print(f"\nThe same week as a picture: {picture}")


def _flat(client: Client, console: Console) -> None:
    year = client.flat(OBSERVED)
    head = f"[bold]flat[/]: what is known now ({len(year)} hours, {year.mean():.1f} °F on average)"
    found = client.flat([OBSERVED, FORECAST], AFTERNOON, EVENING)
    _say(console, head, ["hour in Seattle", "observed", "newest forecast"], [[_hour(time), *row] for time, row in _rows(found)])


def _overlapping(client: Client, console: Console) -> None:
    found = client.overlapping(FORECAST, AFTERNOON, AFTERNOON + pd.Timedelta(hours=2))
    rows = [[_hour(valid), _hour(known), value] for (known, valid), value in found.items()]
    _say(console, "[bold]overlapping[/]: every forecast of an hour", ["hour", "issued", "forecast"], sorted(rows, key=str))


def _as_of(client: Client, console: Console) -> None:
    july, now = client.as_of(OBSERVED, "2010-07-20T00:00:00Z", start=AFTERNOON, until=EVENING), client.flat(OBSERVED, AFTERNOON, EVENING)
    rows = [[_hour(time), july[time], now[time]] for time in now.index]
    _say(console, "[bold]as_of[/]: what did we know on July 20?", ["hour", "known on July 20", "known now"], rows)


def _history(client: Client, console: Console) -> None:
    found = client.history(OBSERVED, AFTERNOON + pd.Timedelta(hours=1), AFTERNOON + pd.Timedelta(hours=2))
    found["annotation"] = found["annotation"].fillna("")
    columns = zip(*(found[name].tolist() for name in ("known_time", "value", "changed_by", "annotation", "tags")), strict=True)
    rows = [[f"{known:%Y} {_hour(known)}", value, who, why, ", ".join(tags)] for known, value, who, why, tags in columns]
    _say(console, "[bold]history[/]: every layer of 14:00 on July 15", ["known", "value", "by", "annotation", "tags"], rows)


def _day_ahead(client: Client, console: Console) -> None:
    found = client.relative(FORECAST, AFTERNOON, EVENING, days_before=1, at="12:00", zone=ZONE)
    rows = [[_hour(time), value] for time, value in found.items()]
    _say(console, "[bold]relative[/]: what the forecast was the day before at 12:00 in Seattle", ["hour", "day-ahead"], rows)


def _errors(client: Client, console: Console) -> None:
    """Mean absolute error of all forecasts, by how long before the hour they were issued."""
    forecast = client.overlapping(FORECAST)
    known, valid = (forecast.index.get_level_values(name) for name in ("known_time", "valid_time"))
    observed = client.flat(OBSERVED).reindex(valid).to_numpy()
    error, part = abs(forecast.to_numpy() - observed), ((valid - known) // pd.Timedelta(hours=12)).to_numpy()
    rows = [[f"{12 * one} to {12 * one + 12} h", float(error[part == one].mean()), int((part == one).sum())] for one in range(4)]
    _say(console, "[bold]forecast error by lead[/]: °F, over the year", ["lead", "mean absolute error", "hours"], rows)


def _plot(console: Console, observed: "pd.Series[float]", forecast: "pd.Series[float]") -> None:
    import plotext

    days = ((observed.index - observed.index[0]) / pd.Timedelta(days=1)).to_numpy() + 12
    chart = plotext.figure
    chart.clear()
    chart.theme("clear")
    chart.plot_size(min(console.width, 110), 18)
    for values, words, marker in ((observed, "observed", "braille"), (forecast.reindex(observed.index), "day-ahead forecast", "dot")):
        chart.draw(chart.signal(days.tolist(), values.tolist(), marker=marker).lines().label(words))
    chart.title("Seattle, July 12 to 18, 2010 (°F by day of the month)")
    drawn = str(chart.build())
    console.print()
    console.file.write((drawn if console.is_terminal else plotext.uncolorize(drawn)) + "\n")


def _picture(observed: "pd.Series[float]", forecast: "pd.Series[float]", picture: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    for values, line, words in ((observed, "-", "observed (corrected)"), (forecast, "--", "forecast of the day before, 12:00")):
        axes.plot(pd.DatetimeIndex(values.index).tz_convert(ZONE), values, line, label=words)
    axes.set(title="Temperature in Seattle", ylabel="°F")
    axes.legend()
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def _rows(frame: pd.DataFrame) -> list[tuple[Any, list[Any]]]:
    return [(time, row.tolist()) for time, row in frame.iterrows()]


def _hour(time: Any) -> str:
    return f"{time.tz_convert(ZONE):%b %d %H:%M}"


def _say(console: Console, title: str, columns: list[str], rows: list[list[Any]]) -> None:
    table = Table(title=title, title_justify="left", title_style="")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(f"{one:.2f}" if isinstance(one, float) else str(one) for one in row))
    console.print()
    console.print(table)
