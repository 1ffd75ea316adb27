"""What the demo asks and shows: flat, overlapping, what was known when, a correction's history, the day ahead, errors by lead.

Before: demo_load.py wrote. After: the terminal; demo_plots.py draws. Each step is a call of the client and a table of its answer.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from varve.client import Client
from varve.demo_load import FORECAST, OBSERVED, WORKFLOW
from varve.demo_plots import Views, draw, plot
from varve.demo_weather import ZONE, forecast_errors

DAY = pd.Timestamp("2010-07-15", tz=ZONE)
WEEK = (DAY - pd.Timedelta(days=3), DAY + pd.Timedelta(days=4))
AFTERNOON = (DAY + pd.Timedelta(hours=13), DAY + pd.Timedelta(hours=18))
HOUR = (DAY + pd.Timedelta(hours=14), DAY + pd.Timedelta(hours=15))
DAYTIME = (DAY + pd.Timedelta(hours=8), DAY + pd.Timedelta(hours=22))
JULY_20 = pd.Timestamp("2010-07-20", tz=ZONE)


def show(client: Client, console: Console, picture: Path) -> None:
    console.print("\nAll times below are Seattle's, all values °F, each as the server answered it.")
    _flat(client, console)
    _overlapping(client, console)
    _as_of(client, console)
    _history(client, console)
    _day_ahead(client, console)
    errors = _errors(client, console)
    views = _views(client, errors)
    plot(console, views)
    draw(views, picture)
    console.print(f"\nA picture of it: {picture}\n", soft_wrap=True)


def what_next(console: Console, url: str) -> None:
    """Lines to paste into another terminal."""
    start, until = (f"{time.tz_convert('UTC'):%Y-%m-%dT%H:%M:%SZ}" for time in AFTERNOON)
    hours = f"from={start}&until={until}"
    console.print("[bold]Try next[/], in another terminal:")
    for asked in (
        f"flat?key={OBSERVED}&{hours}",
        f"flat?key={OBSERVED}&{hours}&as_of=2010-07-20T07:00:00Z",
        f"relative?key={FORECAST}&{hours}&days_before=1&at=12:00&zone={ZONE}",
    ):
        console.out(f"  curl -H 'Accept: text/csv' '{url}/api/v1/values/{asked}'", highlight=False)
    console.out(f"\nIn Python: varve.Client('{url}').flat('{OBSERVED}'). All routes: {url}/docs", highlight=False)


def _flat(client: Client, console: Console) -> None:
    year = client.flat(OBSERVED)
    rows = client.flat([OBSERVED, FORECAST], *AFTERNOON)
    _head(console, "What is known now", "client.flat([observed, forecast], from, until)")
    console.print(f"The year has {len(year):,} observed hours, from {year.min():.1f} to {year.max():.1f}, {year.mean():.1f} on average.")
    _table(console, ("hour", "observed", "newest forecast"), ((time, *row) for time, row in zip(rows.index, rows.to_numpy(), strict=True)))


def _overlapping(client: Client, console: Console) -> None:
    found = client.overlapping(FORECAST, *HOUR)
    runs = client.runs(WORKFLOW)
    _head(console, "Every forecast of an hour", "client.overlapping(forecast, from, until)")
    complete = sum(run["state"] == "sealed" for run in runs)
    console.print(f"{len(runs)} runs are kept, {complete} of them complete; {len(found)} spoke of {HOUR[0]:%H:%M on %B %d}.")
    _table(console, ("issued", "for the hour", "forecast"), ((known, valid, value) for (known, valid), value in found.items()))


def _as_of(client: Client, console: Console) -> None:
    july, now = client.as_of(OBSERVED, JULY_20, start=AFTERNOON[0], until=AFTERNOON[1]), client.flat(OBSERVED, *AFTERNOON)
    _head(console, "What did we know on July 20?", "client.as_of(observed, '2010-07-20T00:00:00-07:00', start=from, until=until)")
    changes = [after - before or "" for before, after in zip(july, now, strict=True)]
    _table(console, ("hour", "known on July 20", "known now", "change"), zip(now.index, july, now, changes, strict=True))


def _history(client: Client, console: Console) -> None:
    found = client.history(OBSERVED, *HOUR)
    _head(console, "Who changed 14:00 on July 15, when and why?", "client.history(observed, from, until)")
    rows = zip(found["known_time"], found["value"], found["changed_by"], found["tags"], found["annotation"].fillna(""), strict=True)
    _table(console, ("known", "value", "by", "tags", "annotation"), ((*row, ", ".join(tags), why) for *row, tags, why in rows), years=True)


def _day_ahead(client: Client, console: Console) -> None:
    found, observed = client.relative(FORECAST, *AFTERNOON, days_before=1, at="12:00", zone=ZONE), client.flat(OBSERVED, *AFTERNOON)
    _head(
        console,
        "The forecast as it stood the day before at noon",
        f"client.relative(forecast, ..., days_before=1, at='12:00', zone='{ZONE}')",
    )
    rows = zip(found.index, found, observed, found - observed, strict=True)
    _table(console, ("hour", "forecast the day before", "observed", "error"), rows)


def _errors(client: Client, console: Console) -> pd.DataFrame:
    found = forecast_errors(client.overlapping(FORECAST), client.flat(OBSERVED))
    _head(
        console,
        "How far off are the forecasts, by lead time?",
        "client.overlapping(forecast), client.flat(observed): both whole, compared in pandas",
    )
    rows = ((f"{lead} to {lead + 12} h", f"{hours:,}", error) for lead, error, hours in found.itertuples())
    _table(console, ("lead", "hours", "mean absolute error"), rows)
    return found


def _views(client: Client, errors: pd.DataFrame) -> Views:
    """What the plots draw, asked for anew."""
    return Views(
        week=client.flat(OBSERVED, *WEEK),
        week_ahead=client.relative(FORECAST, *WEEK, days_before=1, at="12:00", zone=ZONE),
        day=client.flat(OBSERVED, *DAYTIME),
        day_before_correction=client.as_of(OBSERVED, JULY_20, start=DAYTIME[0], until=DAYTIME[1]),
        errors=errors,
    )


def _head(console: Console, question: str, call: str) -> None:
    console.print(f"\n[bold]{question}[/]")
    console.print(call, style="dim", markup=False, soft_wrap=True)


def _table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]], years: bool = False) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=True)
    shown = [[_word(one, years) for one in row] for row in rows]
    for number, name in enumerate(columns):
        numeric = all(row[number].strip("-+.,0123456789") == "" for row in shown)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for words in shown:
        table.add_row(*words)
    console.print(table)


def _word(one: Any, years: bool) -> str:
    if isinstance(one, pd.Timestamp):
        return f"{one.tz_convert(ZONE):{'%Y ' if years else ''}%b %d %H:%M}"
    return f"{one:.2f}" if isinstance(one, float) else str(one)
