"""Runs of a task: asked for by hand, and their history.

Before: routes_etl.py. After: a document each, which the scheduler gives its turn and a loader brings to its end (streams/loading). Its id
is the task's and its own, so that the runs of one task lie together.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Response
from starlette.datastructures import QueryParams

from api.append import append
from api.bodies.points import stamped
from api.doors.hydroserver import documents, pages
from api.parts import Parts
from api.request import Caller
from api.stamps import guarded
from sink.queries.entities import EntitySearch
from sink.queries.task_runs import latest_runs
from streams.loading.service import RUN
from streams.loading.tasks import new_run, run_document
from varve.clock import new_id
from varve.errors import Incorrect
from varve.events import EntityPut
from varve.instants import parse_instant
from varve.record import single

NOUN = "task-run"
STATUSES = ("PENDING", "STARTED", "SUCCESS", "FAILURE")
ORDERABLE = ("id", "status", "startedAt", "finishedAt")
_KEPT = ("status", "message", "result", "finishedAt", "taskId", "due")


async def trigger(parts: Parts, who: Caller, task: uuid.UUID) -> dict[str, Any]:
    ident = str(new_id())
    body = new_run(str(task), parts.clock.now())
    stamp = guarded(who.stamp(parts.clock, b""))
    put = EntityPut(kind=RUN, id=run_document(str(task), ident), document=body, if_absent=True, **stamped(who.tenant, stamp))
    await append(parts, single(put), "view")
    return told(ident, body)


async def listed(parts: Parts, query: QueryParams, who: Caller, task: uuid.UUID) -> Response:
    asked = pages.asked_of(query, ORDERABLE)
    wanted = pages.texts(query, "status")
    strange = [one for one in wanted if one not in STATUSES]
    if strange:
        raise Incorrect("status-incorrect", f"status: '{str(strange[0])[:40]}' is none of {', '.join(STATUSES)}")
    fields = {"status": str(wanted[0])} if len(wanted) == 1 else {}
    found = [told(row["id"].partition("/")[2], row["document"]) for row in await _rows(parts, who, prefix=f"{task}/", fields=fields)]
    found = [run for run in found if (not wanted or run["status"] in wanted) and within(run, query)]
    found.sort(key=lambda run: (run["startedAt"], run["id"]), reverse=True)
    if not asked.order:
        return pages.answer(pages.cut(found, asked), len(found), asked)
    return pages.listed(found, asked)


def within(run: Mapping[str, Any], query: QueryParams, prefix: str = "") -> bool:
    """Between the times that are asked for, both included."""
    for name in ("started_at", "finished_at"):
        at = run["startedAt" if name == "started_at" else "finishedAt"]
        low, high = (pages.instant(query, f"{prefix}{name}_{bound}") for bound in ("min", "max"))
        if (low, high) == (None, None):
            continue
        instant = None if at is None else parse_instant(at)
        if instant is None or (low is not None and instant < low) or (high is not None and instant > high):
            return False
    return True


async def read(parts: Parts, who: Caller, task: uuid.UUID, run: uuid.UUID) -> dict[str, Any]:
    rows = await _rows(parts, who, id=run_document(str(task), str(run)))
    if not rows:
        raise documents.unknown(NOUN, run)
    return told(str(run), rows[0]["document"])


async def latest(parts: Parts, who: Caller, tasks: Sequence[uuid.UUID]) -> dict[str, dict[str, Any]]:
    """Of each task the run that was asked for last."""
    if not tasks:
        return {}
    mark = parts.reads.watermark(parts.views.vector())
    lines = await parts.reads.lines(latest_runs(who.tenant, RUN, [str(one) for one in tasks], mark))
    rows = [orjson.loads(line) for line in lines]
    return {row["task"]: told(row["run"], orjson.loads(row["document"])) for row in rows}


def told(ident: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """startedAt: of one that waits, when it was asked for, as HydroServer says it."""
    kept = {name: body.get(name) for name in _KEPT}
    return {"id": ident, "startedAt": body.get("startedAt") or body["requestedAt"], "attempt": body.get("attempt", 1), **kept}


async def _rows(parts: Parts, who: Caller, **narrowed: Any) -> list[dict[str, Any]]:
    search = EntitySearch(who.tenant, parts.reads.watermark(parts.views.vector()), RUN, **narrowed)
    return await parts.reads.entities(search)
