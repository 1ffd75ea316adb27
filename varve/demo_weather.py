"""The demo's real input: a year of hourly temperatures in Seattle, and persistence forecasts over it.

The values are NOAA's hourly climate normals (1981-2010) of Seattle-Tacoma airport, dated 2010; they ship as seattle-temps.csv
in the package vega_datasets (MIT); NOAA's are in the public domain. Before: varve/demo.py. After: the client writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd

ZONE = "America/Los_Angeles"
SOURCE = (
    "hourly temperatures of Seattle-Tacoma airport, NOAA's climate normals dated 2010: public domain (weather.gov/disclaimer), "
    "as seattle-temps.csv in the package vega_datasets (MIT)"
)
REPORTED_AFTER = pd.Timedelta(minutes=10)
HORIZON_HOURS = 48


@dataclass(frozen=True)
class Forecast:
    """values: the next 48 hours, each as the hour one day (or two) before; issued at 11:30 in Seattle."""

    known_time: pd.Timestamp
    values: "pd.Series[float]"


def observations() -> "pd.Series[float]":
    """Degrees Fahrenheit over UTC instants. The file has Seattle's wall clock: in March it holds an hour that the clock skips,
    which we take as the hour after it; in November it holds the repeated hour once, which we take as the first."""
    with (files("vega_datasets") / "_data" / "seattle-temps.csv").open("rb") as file:
        frame = pd.read_csv(file)
    local = pd.DatetimeIndex(pd.to_datetime(frame["date"], format="%Y/%m/%d %H:%M"))
    wall = local.tz_localize(ZONE, nonexistent="shift_forward", ambiguous=np.ones(len(local), bool))
    values = pd.Series(frame["temp"].to_numpy("float64"), index=wall.tz_convert("UTC").as_unit("ns"), name="seattle/temperature")
    return values[~values.index.duplicated()].rename_axis("valid_time")


def reported(values: "pd.Series[float]") -> "pd.Series[float]":
    """The same values by (known_time, valid_time): each is known ten minutes after its hour."""
    hours = pd.DatetimeIndex(values.index)
    levels = [hours + REPORTED_AFTER, hours]
    return pd.Series(values.to_numpy(), index=pd.MultiIndex.from_arrays(levels, names=["known_time", "valid_time"]), name=values.name)


def forecasts(values: "pd.Series[float]") -> Iterator[Forecast]:
    """Tomorrow is as today: issued each day at 11:30 in Seattle from what was reported until then, the hour of 11:00 and before."""
    for issued in pd.date_range("2010-01-02 11:30", "2010-12-30 11:30", freq="D", tz=ZONE).tz_convert("UTC").as_unit("ns"):
        newest = issued - pd.Timedelta(minutes=30)
        hours = pd.date_range(newest + pd.Timedelta(hours=1), periods=HORIZON_HOURS, freq="h", unit="ns")
        days_back = (hours - newest).ceil("D")
        yield Forecast(issued, pd.Series(values.reindex(hours - days_back).to_numpy(), index=hours).dropna())


def correction(values: "pd.Series[float]") -> pd.DataFrame:
    """An invented finding of quality control: three hours of July 15 were 1.5 degrees too warm."""
    hours = pd.DatetimeIndex([f"2010-07-15 {hour}:00" for hour in (14, 15, 16)]).tz_localize(ZONE).tz_convert("UTC").as_unit("ns")
    words = "sensor in the sun: 1.5 °F too warm (invented for this demo)"
    return pd.DataFrame({"value": values.reindex(hours) - 1.5, "annotation": words}, index=hours)


def forecast_errors(forecast: "pd.Series[float]", observed: "pd.Series[float]") -> pd.DataFrame:
    """Mean absolute error, and of how many hours, by the beginning of each half day of lead; hours never observed are left out."""
    known, valid = (pd.DatetimeIndex(forecast.index.get_level_values(name)) for name in ("known_time", "valid_time"))
    errors = np.abs(forecast.to_numpy() - observed.reindex(valid).to_numpy())
    leads = ((valid - known) // pd.Timedelta(hours=12) * 12).rename("lead")
    return pd.Series(errors).groupby(np.asarray(leads)).agg(["mean", "count"]).set_axis(["error", "hours"], axis=1)
