"""How the server is: status for people and tests, the outcome of one event, healthz and readyz for machines."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from api.parts import Parts
from api.request import Caller, caller
from api.verdict import OutcomeRow
from varve.codec import event_key
from varve.errors import NotFound
from varve.position import Token, offset_of

Who = Annotated[Caller, Depends(caller)]


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["status"])

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        """Broker, worker and store answer, the clock agrees, reads show what they should; else 503 naming which. notes: what a person
        should know."""
        missing, outdated = await parts.health.complaints(), parts.generations.outdated
        told = {"status": "not ready" if missing else "ready", "missing": missing, "notes": [outdated] if outdated else []}
        return JSONResponse(told, 503 if missing else 200)

    @routes.get("/api/v1/status")
    async def status(request: Request) -> dict[str, Any]:
        """Version, log, partitions, watermarks, lag and workers."""
        ends, vector = dict(await parts.log.ends(parts.topics.events)), parts.views.vector()
        return {
            "version": request.app.version,
            "log_id": parts.log.log_id,
            "partitions": parts.topics.partitions,
            "generation": parts.topics.label,
            "ends": {str(partition): end for partition, end in sorted(ends.items())},
            "watermarks": {str(partition): vector.get(partition, 0) for partition in sorted(ends)},
            "lag": sum(max(0, end - vector.get(partition, 0)) for partition, end in ends.items()),
            "workers": {
                name: {"state": beat.state, "partitions": list(beat.partitions)} for name, beat in sorted(parts.health.beats.items())
            },
        }

    @routes.get("/api/v1/outcomes/{event_id}")
    async def event_outcome(event_id: str, who: Who) -> dict[str, Any]:
        """What became of a keyed or conditional event: applied, or refused with the reason; kept for seven days."""
        key = event_key(who.tenant, event_id)
        rows = [row for row in await parts.reads.outcomes([(who.tenant, event_id)]) if row.key == key]
        if not rows:
            raise NotFound(
                "event-unknown", f"no outcome of event {event_id} is known: it is not applied yet, older than seven days, or was never sent"
            )
        rows = sorted(rows, key=lambda row: row.version)
        chosen = [row for row in rows if row.status == "applied"] or rows[-1:]
        offsets = {row.partition: offset_of(row.version) for row in reversed(chosen)}
        return {
            "event_id": event_id,
            "status": chosen[0].status,
            "reason": chosen[0].reason,
            "series_version": chosen[0].series_version or None,
            "token": str(Token(parts.log.log_id, dict(sorted(offsets.items())))),
            "attempts": [{"status": row.status, "reason": row.reason, "token": _token(parts, row)} for row in rows],
        }

    return routes


def _token(parts: Parts, row: OutcomeRow) -> str:
    return str(Token(parts.log.log_id, {row.partition: offset_of(row.version)}))
