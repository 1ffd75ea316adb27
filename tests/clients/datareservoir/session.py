"""Runs inside the environment that has DataReservoir's client: one scene of its guide against the server at argv[1], as the tenant argv[2];
what it was answered is one line of JSON, last. The client is not touched: its base URL is a setting of its own.
"""
# mypy: ignore-errors

import json
import sys

import datareservoirio as drio
import numpy as np
import pandas as pd
import requests

ADDRESS, TENANT, SCENE, *MORE = sys.argv[1:]
NUMBERS = np.random.default_rng(4711).normal(size=10)


def instants(start, periods=10, freq="6h"):
    return pd.date_range(start, periods=periods, freq=freq)


def equal(found, given):
    given = given if given.index.dtype == np.int64 else given.tz_localize("UTC")
    return bool((found.index.astype("int64") == given.index.astype("int64")).all()) and found.tolist() == given.tolist()


def guide(client):
    series = pd.Series(NUMBERS, index=instants("2018-01-01 00:00:00"))
    made = client.create(series)
    ident = made["TimeSeriesId"]
    whole = client.get(ident)
    part = client.get(ident, start="2018-01-01 12:00:00", end="2018-01-02 06:00:00")
    more = pd.Series(NUMBERS[::-1], index=instants("2018-01-02 00:00:00"))
    appended = client.append(more, ident)
    now = client.get(ident)
    known = client.info(ident)
    status = client.delete(ident).status_code
    return {
        "ping": client.ping()["Status"],
        "made": [made["TimeOfFirstSample"], made["TimeOfLastSample"], sorted(made)],
        "whole": equal(whole, series),
        "part": [str(one) for one in part.index],
        "appended": [appended["TimeSeriesId"] == ident, appended["TimeOfLastSample"]],
        "overwritten": [len(now), equal(now["2018-01-02":], more), equal(now[:"2018-01-01"], series[:4])],
        "known": [known["TimeOfFirstSample"], known["TimeOfLastSample"], known["Metadata"]],
        "deleted": [status, refused(lambda: client.get(ident))],
    }


def sequence(client):
    series = pd.Series(NUMBERS, index=np.arange(10))
    ident = client.create(series)["TimeSeriesId"]
    client.append(pd.Series([1.5, 2.5], index=[9, 12]), ident)
    return {"sequence": client.get(ident, convert_date=False).to_dict()} | {"given": NUMBERS[:9].tolist()}


def unwaited(client):
    """Whatever comes of it: these return before it is known."""
    made = client.create(pd.Series(NUMBERS, index=np.arange(10)), wait_on_verification=False)["TimeSeriesId"]
    client.append(pd.Series([1.0], index=[10]), made, wait_on_verification=False)
    wrong = client.append(pd.Series([1.0, "much"], index=[11, 12]), made, wait_on_verification=False)
    return {"made": made, "wrong": wrong["TimeSeriesId"] == made}


def read(client):
    return {"values": client.get(MORE[0], convert_date=False).tolist()}


def words(client):
    text = pd.Series(["a", "b,c", 'd"e', "Öl", "f\ng", None], index=np.arange(6))
    spoken = client.create(text)["TimeSeriesId"]
    flags = client.create(pd.Series([True, False, True], index=np.arange(3)))["TimeSeriesId"]
    empty = client.create()["TimeSeriesId"]
    before = [client.info(empty)[name] for name in ("TimeOfFirstSample", "TimeOfLastSample")]
    client.append(pd.Series(["x", "12"], index=[0, 1]), empty)
    client.append(pd.Series(["13"], index=[2]), empty)
    return {
        "text": client.get(spoken, convert_date=False).to_dict(),
        "flags": client.get(flags, convert_date=False).tolist(),
        "before": before,
        "empty": client.get(empty, convert_date=False).tolist(),
        "mixed": refused(lambda: client.append(pd.Series(["x"], index=[9]), flags)),
        "failed": client.create(pd.Series([1.0, "much"], index=[1, 2])),
    }


def nanoseconds(client):
    at = np.array([1514764800000000001, 1514764800000000002, 1514764800123456789, 9214646399999999990])
    given = pd.Series([0.1, 1e300, -5e-324, np.nan], index=at)
    ident = client.create(given)["TimeSeriesId"]
    found = client.get(ident, convert_date=False)
    return {"index": found.index.tolist(), "values": found.tolist()}


def refused(call):
    try:
        call()
    except requests.HTTPError as error:
        return str(error).split(" for url")[0]
    return "nothing"


def main():
    drio.globalsettings.environment.set_api_base_url(f"{ADDRESS}/datareservoir/api/")
    session = requests.Session()
    session.headers.update({"Authorization": "Bearer token", "X-Tenant": TENANT})
    print(json.dumps(globals()[SCENE](drio.Client(session, cache=False))))


main()
