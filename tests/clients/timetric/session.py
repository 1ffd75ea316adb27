"""Runs inside the interpreter that has Timetric's client, Python 2.7 or 3: the guide's calls, one after another, against the server at
argv[1]; what they answered is one line of JSON. The client knows one host only, so its connection is turned to ours. No annotations:
Python 2 reads this file as well.
"""
# mypy: ignore-errors
# ruff: noqa

import io
import json
import sys

import httplib2
import timetric

ADDRESS, CONFIG, AGREEMENT = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
PAIRS = [(1236735000.0, 1.0), (1236735001.25, 2.5), (1236735002, 3)]


class Turned(httplib2.Http):
    def request(self, uri, *args, **named):
        return httplib2.Http.request(self, ADDRESS + uri.split("timetric.com", 1)[1], *args, **named)


def file_of(text):
    return io.StringIO(text) if sys.version_info[0] > 2 else io.BytesIO(text.encode())


def authorized():
    """The steps of the guide's OAuth setup; on the page, the user says the form's fields."""
    client = timetric.TimetricClient(CONFIG)
    client.http = Turned()
    token = client.get_request_token()
    page = client.get_authorize_url(token)
    form = AGREEMENT[0] + "&oauth_token=" + token.key
    told, text = Turned().request(page.split("?")[0], "POST", body=form)
    assert told.status == 200, text
    access_token = client.get_access_token(token)
    CONFIG.update({"oauth_token": access_token.key, "oauth_secret": access_token.secret})


CONFIG = dict((str(name), str(text)) for name, text in CONFIG.items())  # Python 2's JSON has another kind of text
if AGREEMENT:
    authorized()
client = timetric.TimetricClient(CONFIG)
client.http = Turned()
client.http.follow_redirects = False
told = {}
empty = client.create_series(title="Empty", caption="nothing yet")
told["empty"] = list(empty)
series = client.create_series(PAIRS, title="Sheep", caption="in the meadow")
series = client.series(series.id)
told["created"] = list(series)
told["latest"] = series.latest()
series.update([(1236735001.25, 7), (1236735009, 8)])
told["pairs"] = list(series)
series.update(file_of("1236735010,9\n1236735011.5,10\n"))
told["file"] = list(series)[-2:]
series.rewrite([(5, 1), (6, 2)])
told["rewritten"] = list(series)
series.update(14)
told["value"] = series.latest()[1]
series.increment(4.5)
series -= 0.5
told["counted"] = [float(series), len(list(series))]
series.delete()
told["cleared"] = list(series)
try:
    series.latest()
except timetric.TimetricClientError as error:
    told["refused"] = str(error)
sys.stdout.write(json.dumps(told) + "\n")
