"""TimeDB's reads: flat and overlapping rows with the keys, their order and the time format that its clients expect.

Before: routes.py. After: the same read shapes as everywhere, dressed in SQL so that ClickHouse writes the body (I9).
all_versions shows each layer with who changed it and when.
"""

import uuid
from dataclasses import dataclass

import orjson
from fastapi import Request, Response

from api.answer import FORMS, streamed
from api.doors.timedb.words import DEFAULT_UNIT
from api.listings import SeriesFilter
from api.parts import Parts
from api.request import JSON
from sink.queries.flat import FLAT
from sink.queries.history import HISTORY
from sink.queries.overlapping import OVERLAPPING
from sink.queries.query import Query
from sink.queries.selection import Selection
from sink.queries.series import SeriesSearch, series
from varve.errors import Incorrect
from varve.instants import parse_instant

_FLAT = ("valid_time", "series_id", "value")
_OVERLAPPING = ("known_time", *_FLAT)
_VERSIONS = (*_OVERLAPPING, "version", "recorded_time", "changed_by", "annotation")


@dataclass(frozen=True)
class ValuesRead:
    """[start, end) on both times."""

    overlapping: bool
    all_versions: bool
    start_valid: int | None
    end_valid: int | None
    start_known: int | None
    end_known: int | None

    @classmethod
    def of(cls, mode: str, all_versions: bool, *bounds: str | None) -> "ValuesRead":
        if mode not in ("flat", "overlapping"):
            raise Incorrect("mode", f"Invalid mode: '{mode}'. Must be 'flat' or 'overlapping'")
        names = ("start_valid", "end_valid", "start_known", "end_known")
        return cls(mode == "overlapping", all_versions, *(_instant(name, text) for name, text in zip(names, bounds, strict=True)))


async def values(parts: Parts, request: Request, tenant: uuid.UUID, asked: ValuesRead) -> Response:
    vector = parts.views.vector()
    selection = Selection(
        tenant, parts.reads.watermark(vector), from_=asked.start_valid, until=asked.end_valid, known_from=asked.start_known,
        known_until=asked.end_known, order="time", columns=_columns(asked),
    )  # fmt: skip
    shape = HISTORY if asked.all_versions else OVERLAPPING if asked.overlapping else FLAT
    page = await parts.reads.values(shape, selection)
    query = dressed(page.query, series(SeriesSearch(tenant, parts.reads.watermark(vector))), asked)
    form = FORMS[JSON]
    return await streamed(request, parts.reads.stream(query, form), form.media, {}, (b'{"data":', lambda count: b',"count":%d}' % count))


async def listing(parts: Parts, tenant: uuid.UUID) -> Response:
    found = await parts.reads.series(tenant, parts.views.vector(), SeriesFilter())
    told = {
        row["series_id"]: {"series_key": row["key"], "description": row["description"], "unit": row["unit"] or DEFAULT_UNIT}
        for row in found
    }
    return Response(orjson.dumps(told), media_type="application/json")


def dressed(rows: Query, described: Query, asked: ValuesRead) -> Query:
    """The rows with their series' key and unit, in TimeDB's columns and order."""
    shown = [f"{_iso('v.valid_time')} AS valid_time", "v.series_id AS series_id", "v.value AS value", "s.key AS series_key"]
    shown.append(f"ifNull(s.unit, '{DEFAULT_UNIT}') AS series_unit")
    order = ["v.valid_time", "v.series_id"]
    if asked.overlapping:
        shown.insert(0, f"{_iso('v.known_time')} AS known_time")
        order.insert(0, "v.known_time")
    if asked.all_versions:
        shown += ["nullIf(v.changed_by, '') AS changed_by", f"{_iso('v.recorded_time')} AS change_time", "v.annotation AS annotation"]
        order.append("v.version")
    only = "\nQUALIFY v.known_time = max(v.known_time) OVER (PARTITION BY v.series_id, v.valid_time)"
    return Query(
        f"SELECT {', '.join(shown)}\nFROM (\n{rows.sql}\n) AS v\nLEFT JOIN (\n{described.sql}\n) AS s ON v.series_id = s.series_id"
        f"{only if asked.all_versions and not asked.overlapping else ''}\nORDER BY {', '.join(order)}",
        described.parameters | rows.parameters,
    )


def _columns(asked: ValuesRead) -> tuple[str, ...]:
    if asked.all_versions:
        return _VERSIONS
    return _OVERLAPPING if asked.overlapping else _FLAT


def _iso(column: str) -> str:
    """As Python's isoformat: microseconds where there are any, the offset as +00:00."""
    micros = f"intDiv(positiveModulo(toUnixTimestamp64Nano({column}), 1000000000), 1000)"
    fraction = f"if({micros} = 0, '', concat('.', leftPad(toString({micros}), 6, '0')))"
    return f"concat(formatDateTime({column}, '%Y-%m-%dT%H:%i:%S'), {fraction}, '+00:00')"


def _instant(name: str, text: str | None) -> int | None:
    return None if text is None else parse_instant(text.replace(" ", "+"), naive_is_utc=True, where=name)
