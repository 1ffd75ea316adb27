"""A line of HydroServer's door: observations appended as its loader appends them, and read in each format.

Before: bodies are made before the clock starts. After: rows; each read has as many observations as were added.
"""

import json
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import orjson

from bench.made import Shape, instant
from bench.rig import Rig, timed
from bench.row import Floor, Row, Wrong, median
from bench.wire import Line
from varve.clock import new_id

API = "/api/data"
CHUNK = 5_000  # rows of a request, as hydroserverpy's loader sends them
READS = 5
_VOCABULARY = {
    "observedPropertyId": ("observed-properties", {"name": "T", "definition": "", "description": "", "type": "Climate", "code": "T"}),
    "unitId": ("units", {"name": "degree Celsius", "symbol": "C", "definition": "", "type": "Temperature"}),
    "sensorId": ("sensors", {"name": "S", "description": "", "encodingType": "text/plain", "methodType": "Instrument"}),
    "processingLevelId": ("processing-levels", {"code": "0"}),
}


def observations(rig: Rig) -> list[Row]:
    """HydroServer's observations: appended in requests of 5,000, inserted in one, and 100,000 of them read in each format."""
    count = rig.scaled(100_000, 100)
    floor = rig.floor("read", shape=asdict(Shape(1, count, step_seconds=60)), format="JSONCompactEachRow")
    bodies = [_body(at, min(CHUNK, count - at)) for at in range(0, count, CHUNK)]
    server = rig.server()
    line = server.line()
    path, other = _datastream(line), _datastream(line)
    server.quiet()
    appended, _ = timed(lambda: [line.post(f"{path}?mode=append", body) for body in bodies])
    inserted, _ = timed(partial(line.post, f"{other}?mode=insert", _body(0, count)))
    rows = [
        Row(f"HydroServer's append of {count:,} observations, {CHUNK:,} a request", count / appended, "rows/s"),
        Row("— inserted in one request", count / inserted, "rows/s"),
    ]
    server.quiet()
    for form in ("column", "row", "record"):
        taken = [_read(line, path, form, count) for _ in range(READS)]
        what = Floor("raw chDB, plain SELECT", floor["ms"])
        rows.append(Row(f"— {count:,} read, format {form}", 1000 * median(taken), "ms", 1_000, what))
    line.close()
    return rows


def _read(line: Line, path: str, form: str, count: int) -> float:
    seconds, answer = timed(lambda: line.get(f"{path.removesuffix('/bulk-create')}?format={form}&page_size=100000"))
    found = orjson.loads(answer.body)
    read = len(found["result"]) if form == "column" else len(found["data"]) if form == "row" else len(found)
    if read != count:
        raise Wrong(f"{read} observations were read, not {count}")
    return seconds


def _body(first: int, count: int) -> bytes:
    """As the client writes it."""
    values = np.random.default_rng(first).standard_normal(count).tolist()
    rows = [[instant(60 * (first + at)), value] for at, value in enumerate(values)]
    return json.dumps({"fields": ["phenomenonTime", "result"], "data": rows}).encode()


def _datastream(line: Line) -> str:
    """The path of its bulk-create."""
    workspace = _made(line, "workspaces", {"name": str(new_id()), "isPrivate": False})
    place = {
        "name": "T", "description": "", "samplingFeatureType": "Site", "samplingFeatureCode": "T", "siteType": "Site", "isPrivate": False,
        "workspaceId": workspace, "location": {"latitude": 41.7, "longitude": -111.8},
    }  # fmt: skip
    thing = _made(line, "things", place)
    named = {name: _made(line, path, body | {"workspaceId": workspace}) for name, (path, body) in _VOCABULARY.items()}
    about = {
        "name": "T", "description": "", "thingId": thing, "observationType": "Field observation", "resultType": "Time series coverage",
        "sampledMedium": "Air", "noDataValue": -9999, "aggregationStatistic": "Average", "timeAggregationInterval": 1,
        "timeAggregationIntervalUnit": "minutes",
    }  # fmt: skip
    return f"{API}/datastreams/{_made(line, 'datastreams', about | named)}/observations/bulk-create"


def _made(line: Line, path: str, body: dict[str, Any]) -> str:
    return str(orjson.loads(line.post(f"{API}/{path}", orjson.dumps(body)).body)["id"])
