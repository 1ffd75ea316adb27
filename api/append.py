"""What every writing route does with its record: check its series, append, remember, answer with the token.

Before: a door built the record. After: the client. The same key and body get the same answer (I3), a header tells a repetition.
"""

from typing import Any

import orjson
from fastapi import Response

from api.parts import Parts
from api.writer import Wait, Written
from varve.record import Record


async def append(parts: Parts, record: Record, wait: Wait) -> Written:
    await parts.catalog.check(record)
    written = await parts.writer.write(record, wait)
    if not written.repeated:  # what was written then may be deleted by now
        parts.catalog.wrote(record)
    parts.runs.wrote(record)
    return written


def told(written: Written, body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Varve-Token": str(written.token)} | ({"Idempotency-Replayed": "true"} if written.repeated else {})
    if written.event_id is not None:
        headers["Varve-Event"] = written.event_id
    return Response(orjson.dumps(body), status, headers, "application/json")
