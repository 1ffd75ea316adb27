"""The demo's plots: a day in the terminal, and a PNG of a week, the correction and the forecasts' errors.

Before: demo_show.py asked the server. After: people look.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from varve.demo_weather import ZONE

WIDTH_MAX, HEIGHT = 100, 17
HOURS = list(range(8, 22, 2))
GREY, BLUE, ORANGE = "#8a8a8a", "#1f6fb4", "#e0701a"


@dataclass(frozen=True)
class Views:
    """What the server answered; errors: mean absolute error and hours by lead in hours."""

    week: "pd.Series[float]"
    week_ahead: "pd.Series[float]"
    day: "pd.Series[float]"
    day_before_correction: "pd.Series[float]"
    errors: pd.DataFrame


def plot(console: Console, views: Views) -> None:
    """Lines of text; our own two colours, which suit dark and light terminals (those of plotext paint the background)."""
    import plotext

    chart = plotext.figure
    chart.clear()
    chart.plot_size(min(console.width, WIDTH_MAX), HEIGHT)
    for values, words, marker in ((views.day_before_correction, "as known on July 20", "dot"), (views.day, "as known now", "braille")):
        clock = _local(values)
        hours = (clock.hour + clock.minute / 60).tolist()
        chart.draw(chart.signal(hours, values.tolist(), marker=marker).lines().label(words))
    chart.ruler("x").ticks(HOURS, [f"{hour}:00" for hour in HOURS])
    chart.title("Seattle, July 15, 2010: °F by hour of the day")
    drawn = Text(plotext.uncolorize(str(chart.build())), no_wrap=True)
    drawn.highlight_regex("[\u2801-\u28ff]+", "cyan")
    drawn.highlight_regex("•+", "yellow")
    console.print()
    console.print(drawn, crop=False, soft_wrap=True)


def draw(views: Views, picture: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(11, 7), dpi=120, layout=ConstrainedLayoutEngine(hspace=0.06, wspace=0.04))
    FigureCanvasAgg(figure)
    axes = figure.subplot_mosaic([["week", "week"], ["day", "errors"]])
    _week(axes["week"], views)
    _day(axes["day"], views)
    _errors(axes["errors"], views)
    for each in axes.values():
        each.spines[["top", "right"]].set_visible(False)
        each.set_ylabel("°F")
    figure.suptitle("Seattle-Tacoma, hourly temperature (NOAA climate normals, dated 2010)", x=0.01, ha="left", weight="bold")
    figure.savefig(picture)


def _week(axes: Any, views: Views) -> None:
    axes.plot(_local(views.week), views.week, color=BLUE, label="observed")
    axes.plot(_local(views.week_ahead), views.week_ahead, "--", color=ORANGE, label="forecast of the day before, at 12:00")
    times = _local(views.week)
    _ticks(axes, times[times.hour == 0], "%b %d")
    axes.set_title("A week: what came, and what was expected", loc="left")
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))


def _day(axes: Any, views: Views) -> None:
    former = views.day_before_correction
    axes.plot(_local(former), former, "o:", color=GREY, label="as known on July 20")
    axes.plot(_local(views.day), views.day, "o-", color=BLUE, markersize=4, label="as known now")
    _ticks(axes, _local(former)[::2], "%H:%M")
    axes.set_title("July 15, before and after its correction", loc="left")
    axes.legend(frameon=False, loc="lower center")


def _errors(axes: Any, views: Views) -> None:
    bars = axes.bar([f"{lead} to {lead + 12} h" for lead in views.errors.index], views.errors["error"], color=ORANGE, width=0.6)
    axes.margins(y=0.15)
    axes.bar_label(bars, fmt="%.2f", padding=2)
    axes.set_title("Mean absolute error of the forecasts, by lead", loc="left")


def _ticks(axes: Any, times: pd.DatetimeIndex, pattern: str) -> None:
    axes.set_xticks(times, list(times.strftime(pattern)))


def _local(values: "pd.Series[float]") -> pd.DatetimeIndex:
    return pd.DatetimeIndex(values.index).tz_convert(ZONE)
