"""Runs inside the interpreter that has a tempodb client, Python 2.7 or 3: reads one call a line as JSON, makes it with the real
client, writes one answer a line. No annotations: Python 2 reads this file as well.
"""
# mypy: ignore-errors
# ruff: noqa

import datetime
import json
import sys

generation, url, secret = sys.argv[1:]
host, port = url.split("//")[1].split(":")

if generation == "0.5.0":
    from tempodb import Client, DataPoint, Series

    client = Client("key", secret, host=host, port=int(port), secure=False)
    point = DataPoint
else:
    from tempodb.client import Client
    from tempodb.protocol import DataPoint, Series
    from tempodb.response import ResponseException

    client = Client("database", "key", secret, base_url=url + "/v1/")
    point = DataPoint.from_data


def given(item):
    """Arguments: {"$datetime": [...]}, {"$date": [...]}, {"$point": [time, value, ...]}, {"$series": {...}} become objects."""
    if isinstance(item, list):
        return [given(one) for one in item]
    if isinstance(item, dict):
        for mark, make in MAKERS:
            if mark in item:
                return make(given(item[mark]))
        return dict((text(name), given(one)) for name, one in item.items())
    return text(item)


def text(item):
    """Python 2's clients ask for str; its JSON has another kind of text."""
    return item.encode("utf-8") if hasattr(item, "encode") and not isinstance(item, str) else item


def series(fields):
    if generation == "0.5.0":
        return Series(fields["id"], fields["key"], fields["name"], fields["attributes"], fields["tags"])
    return Series(fields, None)


MAKERS = [
    ("$datetime", lambda parts: datetime.datetime(*parts)),
    ("$date", lambda parts: datetime.date(*parts)),
    ("$point", lambda parts: point(*parts)),
    ("$keyed", lambda parts: DataPoint.from_data(parts[0], parts[1], **parts[2])),
    ("$series", series),
]


def told(item):
    """What the client gave, as plain JSON; its objects by their fields, cursors followed to their end."""
    if isinstance(item, (datetime.datetime, datetime.date)):
        return item.isoformat()
    if isinstance(item, dict):
        return dict((name, told(one)) for name, one in item.items())
    if isinstance(item, (list, tuple)):
        return [told(one) for one in item]
    if type(item).__name__.endswith("Cursor"):
        rows = [told(one) for one in item]
        return {"rows": rows, "rollup": getattr(item, "rollup", None), "start": told(getattr(item, "start", None))}
    if type(item).__name__ == "Response":
        return {"status": item.status, "successful": item.successful, "data": told(item.data)}
    if hasattr(item, "__dict__"):
        hidden = ("response", "session", "resp")
        return dict((name, told(one)) for name, one in item.__dict__.items() if name not in hidden)
    return item


def answer(asked):
    try:
        found = getattr(client, asked["call"])(*given(asked["args"]), **given(asked["named"]))
        return {"answer": told(found)}
    except Exception as error:
        response = getattr(error, "response", None)
        said = {"status": getattr(response, "status", None), "error": getattr(response, "error", None)}
        said["successful"] = getattr(response, "successful", None)
        return {"raised": type(error).__name__, "message": str(error), "response": said}


while True:
    line = sys.stdin.readline()
    if not line:
        break
    sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
    sys.stdout.flush()
