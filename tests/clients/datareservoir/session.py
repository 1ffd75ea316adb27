"""Runs inside the environment that has DataReservoir's client: one scene of its guide against the server at argv[1], as the tenant argv[2];
what it was answered is one line of JSON, last. The client is not touched: its base URL is a setting of its own.
"""
# mypy: ignore-errors

import json
import pathlib
import sys

import datareservoirio as drio
import numpy as np
import pandas as pd
import requests

ADDRESS, TENANT, SCENE, *MORE = sys.argv[1:]
NUMBERS = np.random.default_rng(4711).normal(size=10)


def instants(start, periods=10, freq="6h"):
    return pd.date_range(start, periods=periods, freq=freq)


def stamps(*texts):
    return pd.DatetimeIndex([pd.Timestamp(text) for text in texts]).as_unit("ns")


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


def metadata(client):
    ident = client.create(pd.Series(NUMBERS, index=np.arange(10)))["TimeSeriesId"]
    made = client.metadata_set("foo.bar", "baz", vendor="Sensor Corp", type="Voltmeter")
    edited = client.metadata_set("foo.bar", "baz", vendor="Sensor Corp", type="Ampermeter")
    client.metadata_set("", "baz", vendor="Nobody")
    assigned = client.set_metadata(ident, metadata_id=made["Id"])
    on_the_way = client.set_metadata(ident, namespace="foo.bar", key="gyro", vendor="Sensor Corp", type="Gyroscope")
    taken = value_error(lambda: client.set_metadata(ident, namespace="foo.bar", key="gyro", type="other"))
    overwritten = client.set_metadata(ident, namespace="foo.bar", key="gyro", overwrite=True, type="Gyro")
    told = {
        "same": made["Id"] == edited["Id"],
        "by_pair": client.metadata_get(namespace="foo.bar", key="baz")["Value"],
        "by_id": client.metadata_get(made["Id"]) == client.metadata_get(namespace="foo.bar", key="baz"),
        "namespaces": client.metadata_browse(),
        "keys": client.metadata_browse("foo.bar"),
        "searched": [one["Key"] for one in client.metadata_search("foo.bar", "g")],
        "assigned": [one["Key"] for one in assigned["Metadata"]],
        "on_the_way": sorted(one["Key"] for one in on_the_way["Metadata"]),
        "taken": taken,
        "overwritten": [one["Value"] for one in overwritten["Metadata"] if one["Key"] == "gyro"],
        "found": [
            client.search("foo.bar") == {ident: ["baz", "gyro"]},
            client.search("foo.bar", "ba") == {ident: ["baz"]},
            client.search("foo.bar", "ba", "type") == {ident: ["Ampermeter"]},
            client.search("foo.bar", "ba", "type", "Amper") == [ident],
            client.search("foo.bar", "ba", "type", "Volt") == [],
        ],
        "removed": [one["Key"] for one in client.remove_metadata(ident, made["Id"])["Metadata"]],
        "deleted": client.metadata_delete(made["Id"]),
    }
    return told | {"gone": refused(lambda: client.metadata_get(made["Id"])), "left": client.metadata_browse("foo.bar")}


def samples(client):
    series = pd.Series(np.arange(1000.0), index=instants("2018-01-01 00:00:00", 1000, "1min"))
    ident = client.create(series)["TimeSeriesId"]
    hours = {"start": "2018-01-01 00:00:00", "end": "2018-01-01 04:00:00"}
    raw = client.get_samples_raw(ident, start=hours["start"], end="2018-01-02", max_page_size=300)
    text = client.create(pd.Series(["a", "b\nc"], index=stamps("2018-01-01", "2018-01-01 00:00:00.000000001")))["TimeSeriesId"]
    flags = client.create(pd.Series([True, False], index=instants("2018-01-01", 2)))["TimeSeriesId"]

    def aggregated(period, function, **more):
        found = client.get_samples_aggregate(ident, aggregation_period=period, aggregation_function=function, **(hours | more))
        return [[str(at) for at in found.index[:2]], found.tolist()[:3], len(found)]

    gaps = client.create(pd.Series([1.0, 2.0], index=stamps("2018-01-01 00:00:00.000000150", "2018-01-01 03:59:00")))
    found = client.get_samples_aggregate(gaps["TimeSeriesId"], aggregation_period="tick", aggregation_function="Max", **hours)
    return {
        "raw": equal(raw, series),
        "text": client.get_samples_raw(text, start="2018-01-01", end="2018-01-02").tolist(),
        "flags": client.get_samples_raw(flags, start="2018-01-01", end="2018-01-02").tolist(),
        "mean": aggregated("15m", "mean"),
        "paged": aggregated("minute", "Max", max_page_size=7),
        "std": aggregated("2h", "std"),
        "empty": aggregated("30s", "min", include_empty_aggregations=True, max_page_size=100)[2],
        "ticks": [[str(at) for at in found.index], found.tolist()],
    }


def month(client):
    """2.6 million rows, up and down."""
    given = pd.Series(np.random.default_rng(7).normal(size=2_600_000), index=instants("2018-01-01", 2_600_000, "1s"))
    made = client.create(given)
    found = client.get(made["TimeSeriesId"])
    same = found.index.astype("int64").equals(given.index.astype("int64"))
    return {"last": made["TimeOfLastSample"], "index": bool(same), "values": bool((found.to_numpy() == given.to_numpy()).all())}


def cached(client):
    """Three days are three files; more on a fourth day is one more."""
    import datareservoirio.storage as storage

    kept = storage.storage.StorageCache()
    client = drio.Client(client._auth_session, cache=True)
    ident = client.create(pd.Series(np.arange(3 * 2880.0), index=instants("2018-01-01", 3 * 2880, "30s")))["TimeSeriesId"]

    def files():
        client.get(ident)
        return sorted(path.name for path in pathlib.Path(kept._cache_path).iterdir())

    first = files()
    again = files()
    client.append(pd.Series(np.arange(2880.0), index=instants("2018-01-04", 2880, "30s")), ident)
    more = files()
    return {"first": len(first), "again": again == first, "more": len(more), "kept": set(first) <= set(more)}


def value_error(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    return "nothing"


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
