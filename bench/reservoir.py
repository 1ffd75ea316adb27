"""Lines of DataReservoir's door: a long file put, committed and validated; its days listed and read as its client reads them.

Before: the file is made before the clock starts. After: rows; what was read is what was put, and each day's MD5 is that of its bytes.
"""

import base64
import hashlib
import http.client
import io
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv

from bench.made import NS_PER_SECOND, START_NS, Shape
from bench.rig import Rig, Server, peaks, timed
from bench.row import Floor, Row, Wrong

API = "/datareservoir/api"
READERS = 6  # its client's threads, on two cores
POINTS = 2_600_000  # a month of seconds
GZIP = "gzip, deflate"


def reservoir_upload(rig: Rig) -> list[Row]:
    """DataReservoir's upload of a month of seconds, until its status is Ready, and until the points are visible."""
    body, rows = _file(rig.scaled(POINTS, 500))
    floor_seconds, _ = timed(lambda: pyarrow.csv.read_csv(pa.BufferReader(body), pyarrow.csv.ReadOptions(autogenerate_column_names=True)))
    server = rig.server()
    server.quiet()
    with peaks(server.pids("server")) as peak:
        ready, file = timed(lambda: _ready(server, body))
        written, _ = timed(lambda: _created(server, file))
    what = f"DataReservoir's upload of {rows:,} points"
    return [
        Row(f"{what} → Ready", rows / ready, "points/s", 500_000, Floor("pyarrow reads the CSV", rows / floor_seconds)),
        Row("— and until the series shows them", rows / (ready + written), "points/s"),
        Row("— memory of the server meanwhile (peak RSS)", peak["server"], "MiB"),
    ]


def reservoir_download(rig: Rig) -> list[Row]:
    """DataReservoir's days of a month of seconds: the list and every day's text, as its client asks for them."""
    body, rows = _file(rig.scaled(POINTS, 500))
    floor = rig.floor("read", shape=asdict(Shape(1, rows)), format="CSV")
    server = rig.server()
    series = _created(server, _ready(server, body))
    server.quiet()
    found = []
    for name, encoding in (("first", GZIP), ("again, list known", GZIP), ("again, not compressed", "identity")):
        seconds, days = timed(partial(_days, server, series, encoding))
        _compare(days, body)
        what = f"DataReservoir's {len(days)} days, {rows:,} points, {name}"
        found.append(Row(what, rows / seconds, "points/s", 1_000_000, Floor("raw chDB, plain SELECT as CSV", 1000 * rows / floor["ms"])))
    return found


def _file(rows: int) -> tuple[bytes, int]:
    times, values = START_NS + np.arange(rows) * NS_PER_SECOND, np.random.default_rng(7).standard_normal(rows)
    out = io.BytesIO()
    pyarrow.csv.write_csv(pa.table({"at": times, "value": values}), out, pyarrow.csv.WriteOptions(include_header=False))
    return out.getvalue(), rows


def _ready(server: Server, body: bytes) -> str:
    told = orjson.loads(_asked(server, "POST", f"{API}/files/upload"))
    _asked(server, "PUT", told["Endpoint"], body)
    _asked(server, "POST", f"{API}/files/commit", orjson.dumps({"FileId": told["FileId"]}))
    state = ""
    while state != "Ready":
        found = orjson.loads(_asked(server, "GET", f"{API}/files/{told['FileId']}/status"))
        state = found["State"]
        if state == "Failed":
            raise Wrong(found["StateMessage"])
    return str(told["FileId"])


def _created(server: Server, file: str) -> str:
    answer = _asked(server, "POST", f"{API}/timeseries/create", urlencode({"FileId": file}).encode())
    return str(orjson.loads(answer)["TimeSeriesId"])


def _days(server: Server, series: str, encoding: str) -> list[tuple[dict[str, Any], bytes]]:
    """Each with its text as it came."""
    listed = orjson.loads(_asked(server, "GET", f"{API}/timeseries/{series}/data/days?start=0&end=9214646399999999999"))
    chunks = [chunk for file in listed["Files"] for chunk in file["Chunks"]]
    with ThreadPoolExecutor(READERS) as threads:
        texts = list(threads.map(lambda chunk: _asked(server, "GET", chunk["Endpoint"], encoding=encoding), chunks))
    return list(zip(chunks, texts, strict=True))


def _compare(days: list[tuple[dict[str, Any], bytes]], body: bytes) -> None:
    texts = [zlib.decompress(text, 47) if text[:2] == b"\x1f\x8b" else text for _, text in days]
    for (chunk, _), text in zip(days, texts, strict=True):
        if base64.b64encode(hashlib.md5(text, usedforsecurity=False).digest()).decode() != chunk["ContentMd5"]:
            raise Wrong(f"day {chunk['DaysSinceEpoch']} has another MD5 than was told")
    read, put = (
        pyarrow.csv.read_csv(pa.BufferReader(text), pyarrow.csv.ReadOptions(autogenerate_column_names=True))
        for text in (b"".join(texts), body)
    )
    if not read.equals(put):
        raise Wrong("what was read is not what was put")


def _asked(server: Server, method: str, address: str, body: bytes = b"", encoding: str = "identity") -> bytes:
    """A connection each, as its client's threads have."""
    where = urlsplit(address)
    line = http.client.HTTPConnection(where.netloc or urlsplit(server.url).netloc, timeout=300)
    kind = "application/json" if body[:1] == b"{" else "application/x-www-form-urlencoded"
    headers = {"X-Tenant": server.tenant, "Accept-Encoding": encoding, "Content-Type": kind}
    line.request(method, f"{where.path}?{where.query}" if where.query else where.path, body, headers)
    answer = line.getresponse()
    found = answer.read()
    line.close()
    if answer.status >= 300:
        raise Wrong(f"{address[:200]}: {answer.status} {found[:300]!r}")
    return found
