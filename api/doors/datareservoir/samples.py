"""Samples of a series, as they are or aggregated by period: pages of JSON with the next page's whole address in each. Every page is at
the watermark vector of the first (I9).

Before: routes.py. After: the client, which follows @odata.nextLink as it stands. Start is included, end is not.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson
import pyarrow as pa
from fastapi import Request, Response

from api.cursor import Cursor
from api.doors.datareservoir import series
from api.doors.datareservoir.words import base_of
from api.parts import Parts
from api.request import Caller
from sink.functions import Function, parse_function
from sink.periods import Grid
from sink.queries.flat import FLAT
from sink.queries.samples import samples
from sink.queries.selection import Selection
from sink.reads import page_of
from sink.rollups import RollupTable
from sink.store import Store
from varve.errors import Incorrect
from varve.events import ValueType
from varve.instants import LATEST, parse_instant

PAGE_ROWS, PAGE_ROWS_MAX = 40_000, 100_000
PERIOD_NS_MAX = 86_400 * 10**9
WINDOWS_MAX = 16  # looked at for one page, where most buckets are empty
_UNITS = {"h": 3_600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "microsecond": 10**3, "tick": 100}
_PERIOD = re.compile(r"(\d{1,9})(h|m|s|ms|microsecond|tick)s?")
_FUNCTIONS = {"avg": "mean", "mean": "mean", "min": "min", "max": "max", "stdev": "stddev", "std": "stddev"}


@dataclass(frozen=True)
class Asked:
    """A page of a question. at: where it begins."""

    request: Request
    base: str
    selection: Selection
    page: Cursor
    at: int
    until: int
    limit: int

    def answer(self, rows: bytes, following: int | None) -> Response:
        """rows: JSON objects with commas between; following: where the next page begins, None where there is none."""
        link = b""
        if following is not None:
            cursor = str(Cursor(self.page.vector, self.page.question, self.page.log, {"t": following}))
            query = [(name, text) for name, text in self.request.query_params.multi_items() if name != "cursor"]
            path = self.request.url.path.removeprefix(self.request.scope.get("root_path", ""))
            link = b',"@odata.nextLink":' + orjson.dumps(f"{self.base}{path}?{urlencode([*query, ('cursor', cursor)])}")
        return Response(b'{"value":[' + rows + b"]" + link + b"}", media_type="application/json")


async def raw(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """Samples as they are: numbers, booleans, text, null."""
    asked, _ = await _asked(parts, request, who, ident)

    def ask(store: Store) -> tuple[list[bytes], int | None]:
        page = page_of(store, FLAT, replace(asked.selection, from_=asked.at, until=asked.until, limit=asked.limit))
        following = None if page.after is None else int(page.after["valid_time"]) + 1
        return store.raw(samples(page.query), "JSONEachRow").splitlines(), following

    rows, following = await parts.reads.ask(ask)
    return asked.answer(b",\n".join(rows), following)


async def aggregate(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> Response:
    """One value a period that has some; of every period, where includeEmptyAggregations is true."""
    asked, kind = await _asked(parts, request, who, ident)
    if kind == "text":
        raise Incorrect("aggregate-text", f"time series {ident} holds text: it has no aggregates; ask samples/raw")
    query = request.query_params
    step, function = _step(query), _function(query)
    empty = query.get("includeEmptyAggregations", "false").lower() == "true"
    buckets, values, following = await _windows(parts, asked, step, function, empty)
    return asked.answer(_written(buckets, values), following)


async def _windows(
    parts: Parts, asked: Asked, step: int, function: Function, empty: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int | None]:
    """The page's buckets, their values, and where the next page begins. What lies between two samples far apart is stepped over."""
    buckets, values, at, rows = [np.zeros(0, np.int64)], [np.zeros(0)], asked.at, 0
    for _ in range(1 if empty else WINDOWS_MAX):
        first = at - at % step
        count = min(asked.limit - rows, -((first - asked.until) // step))
        edges = np.append(first + np.arange(count, dtype=np.int64) * step, min(first + count * step, LATEST))
        until = min(int(edges[-1]), asked.until)
        selection = replace(asked.selection, from_=at, until=until)
        found = await parts.reads.rollup(selection, (function,), Grid(edges))
        one = _of_every(found, edges[:-1], function) if empty else (found.bucket, found.values[function.name])
        buckets.append(one[0])
        values.append(one[1])
        at, rows = until, rows + len(one[0])
        if not empty and at < asked.until:
            following = await _next(parts, replace(asked, at=at))
            at = asked.until if following is None else following
        if at >= asked.until or rows >= asked.limit:
            break
    return np.concatenate(buckets), np.concatenate(values), at if at < asked.until else None


async def _next(parts: Parts, asked: Asked) -> int | None:
    """The next sample."""
    selection = replace(asked.selection, from_=asked.at, until=asked.until, columns=("valid_time",), limit=1)

    def ask(store: Store) -> int | None:
        found = store.arrow(page_of(store, FLAT, selection).query)
        return int(found.column("valid_time")[0].value) if found.num_rows else None

    return await parts.reads.ask(ask)


def _of_every(found: RollupTable, starts: np.ndarray[Any, Any], function: Function) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    values = np.full(len(starts), np.nan)
    values[np.searchsorted(starts, found.bucket)] = found.values[function.name]
    return starts, values


def _written(buckets: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> bytes:
    """Every timestamp of one width, since the client reads all of a page by the form of the first; what is not finite is null."""
    stamps = pa.array(buckets).cast(pa.timestamp("ns")).cast(pa.string()).to_pylist()
    numbers = [orjson.dumps(value) for value in values.tolist()]
    rows = [b'{"Timestamp":"%bZ","Value":%b}' % (at.replace(" ", "T").encode(), one) for at, one in zip(stamps, numbers, strict=True)]
    return b",\n".join(rows)


async def _asked(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> tuple[Asked, ValueType]:
    kind = await series.refuse_unknown(parts, who.tenant, ident)
    query = request.query_params
    question = ("datareservoir-samples", ident, who.tenant, sorted(pair for pair in query.multi_items() if pair[0] != "cursor"))
    page = parts.reads.page(query.get("cursor"), question)
    start, end = (_instant(query, name) for name in ("start", "end"))
    if start >= end:
        raise Incorrect("range-backwards", "start: it does not lie before end")
    watermark = parts.reads.watermark(page.vector)
    selection = Selection(who.tenant, watermark, (ident,), columns=("valid_time", "value"), value_types=frozenset({kind}))
    at = start if page.key is None else int(page.key["t"])
    return Asked(request, base_of(parts, request), selection, page, at, min(end, LATEST), _limit(query)), kind


def _instant(query: Mapping[str, str], name: str) -> int:
    text = query.get(name)
    if not text:
        raise Incorrect("time-missing", f"{name}: give a time such as 2018-01-01T00:00:00+00:00")
    return parse_instant(text.replace(" ", "+"), naive_is_utc=True, where=name)


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("maxPageSize", str(PAGE_ROWS))
    if not text.isdecimal() or not int(text):
        raise Incorrect("limit-out-of-range", f"maxPageSize: '{text[:20]}' is not a number of samples")
    return min(int(text), PAGE_ROWS_MAX)


def _step(query: Mapping[str, str]) -> int:
    found = _PERIOD.fullmatch(query.get("aggregationPeriod", "").strip().lower())
    step = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < step <= PERIOD_NS_MAX:
        said = query.get("aggregationPeriod", "")[:20]
        units = ", ".join(_UNITS)
        raise Incorrect("period-malformed", f"aggregationPeriod: '{said}' is no period of up to 24 h: a number and one of {units}")
    return step


def _function(query: Mapping[str, str]) -> Function:
    text = query.get("aggregationFunction", "")
    name = _FUNCTIONS.get(text.strip().lower())
    if name is None:
        raise Incorrect("function-unknown", f"aggregationFunction: '{text[:20]}' is none of Avg, Min, Max, Stdev")
    return parse_function(name)
