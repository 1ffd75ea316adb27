"""How many observations datastreams have, and when they begin and end: worked out when asked, so that deletions, replaced values and late
ones are counted right, whatever door they came through. HydroServer keeps resultBeginTime and resultEndTime too, and never sets them.

Before: the rooms that tell of datastreams. After: api/extents.py, at one watermark for all.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from api.parts import Parts
from api.request import Caller
from sink.extents import Extent
from varve.instants import format_instant

__all__ = ["Extent", "of", "told"]


async def of(parts: Parts, who: Caller, idents: Sequence[uuid.UUID]) -> dict[uuid.UUID, Extent]:
    """Of each, also where it has none or is not there."""
    return await parts.reads.extents(who.tenant, idents, parts.clock.monotonic()) if idents else {}


def told(extent: Extent) -> dict[str, Any]:
    """As the client knows it."""
    begin, end = (None if at is None else format_instant(at) for at in (extent.begin, extent.end))
    times = {"phenomenonBeginTime": begin, "phenomenonEndTime": end, "resultBeginTime": None, "resultEndTime": None}
    return {"valueCount": extent.count, **times}
