"""The series of a TempoDB request, as they are described at the request's watermark vector (I9).

Before: names.py read the path or the filters. After: reads of their values.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from api.doors.tempodb.names import Named
from api.listings import SeriesFilter
from api.parts import Parts
from varve.errors import NotFound

Row = Mapping[str, Any]


async def one(parts: Parts, tenant: uuid.UUID, vector: Mapping[int, int], named: Named) -> Row:
    """The series query's row of the first candidate that is there."""
    candidates = named.candidates(tenant)
    rows = {uuid.UUID(row["series_id"]): row for row in await parts.reads.series(tenant, vector, SeriesFilter(ids=candidates))}
    found = next((rows[ident] for ident in candidates if ident in rows), None)
    if found is None:
        raise NotFound("series-unknown", f"there is no series {named}")
    return found


async def some(parts: Parts, tenant: uuid.UUID, vector: Mapping[int, int], wanted: SeriesFilter) -> list[Row]:
    """By key; all of the tenant where nothing narrows."""
    return list(await parts.reads.series(tenant, vector, wanted))


def ident_of(row: Row) -> uuid.UUID:
    return uuid.UUID(row["series_id"])
