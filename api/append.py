"""What every writing route does with its record: check its series, append, remember, answer with the token.

Before: a door built the record. After: the client. The same key and body get the same answer (I3), a header tells a repetition.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import Response

from api.parts import Parts
from api.stamps import Stamp
from api.verdict import EventKey, OutcomeRow, applied_places
from api.views import Wait
from api.writer import Written, key_reused
from varve.position import Token
from varve.record import Record


async def append(parts: Parts, record: Record, wait: Wait) -> Written:
    await parts.catalog.check(record)
    written = await parts.writer.write(record, wait)
    if not written.repeated:  # what was written then may be deleted by now
        parts.catalog.wrote(record)
    parts.runs.wrote(record)
    return written


async def applied_before(parts: Parts, events: Sequence[EventKey], stamp: Stamp, wait: Wait) -> list[OutcomeRow]:
    """What became of this keyed request when it first came, and as visible as is asked now; Conflict where its body was another."""
    applied = [row for row in await parts.reads.outcomes(events) if row.status == "applied"]
    if any(row.body_hash != stamp.body_hash for row in applied):
        raise key_reused()
    if applied:
        await parts.views.shown(Token(parts.log.log_id, applied_places(applied)), wait)
    return applied


def told(written: Written, body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Varve-Token": str(written.token)} | ({"Idempotency-Replayed": "true"} if written.repeated else {})
    if written.event_id is not None:
        headers["Varve-Event"] = written.event_id
    return Response(orjson.dumps(body), status, headers, "application/json")
