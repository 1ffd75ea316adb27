"""Runs inside the environment that has DataReservoir's client: logs in as its documents say, by a code that is pasted, by a stored refresh
token, as a program; then writes and reads. The client is not touched; a program's token address is a constant of its own.
"""
# mypy: ignore-errors

import html
import io
import json
import re
import sys

import datareservoirio as drio
import pandas as pd
import requests

ADDRESS, EMAIL, PASSWORD, KEY = sys.argv[1:]
PAGE = f"{ADDRESS}/datareservoir/account"


def used(authenticated):
    client = drio.Client(authenticated, cache=False)
    made = client.create(pd.Series([1.0, 2.5], index=[0, 1]))["TimeSeriesId"]
    return [client.ping()["Status"], client.get(made, convert_date=False).tolist(), client.info(made)["LastModifiedByEmail"]]


def by_page():
    shown = requests.post(PAGE, data={"email": EMAIL, "password": PASSWORD}, timeout=30).text
    sys.stdin = io.StringIO(html.unescape(re.search("<pre>(.*)</pre>", shown)[1]) + "\n")
    return used(drio.Authenticator())


def by_refresh():
    """The token of the log-in before is in its file."""
    sys.stdin = io.StringIO("")
    return used(drio.Authenticator())


def as_program(secret):
    drio._constants.TOKEN_URL_DEV_CLIENT = f"{ADDRESS}/datareservoir/oauth/token"
    return used(drio.authenticate.ClientAuthenticator("a program", secret))


def refused(call):
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever the client makes of it
        return str(error)
    return "nothing"


def main():
    drio.globalsettings.environment.set_api_base_url(f"{ADDRESS}/datareservoir/api/")
    told = {"page": by_page(), "refresh": by_refresh(), "program": as_program(KEY)}
    told["wrong"] = refused(lambda: as_program("wrong"))
    print("\n" + json.dumps(told))


main()
