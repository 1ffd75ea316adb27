"""What the loader must know of all tenants at once: documents of connections and tasks, runs that are not finished, and what of these came
since it asked last. The operator's alone.

Before: streams/loading asks about every second. After: sink/queries/loading.py. Where nothing came the store is not asked, and the answer
waits a moment.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.parts import Parts
from api.request import Asked
from sink.queries import loading
from streams.loading.moments import said_time
from streams.loading.service import CONNECTION, KINDS, RUN, TASK, TURN
from varve.position import Token

RUNS_KEPT_NS = 30 * 86_400 * 10**9  # a run that nothing was heard of for so long is let be


class LoadingAsked(Asked):
    since: str | None = Field(None, description="the watermark of the answer before: what came since; without it, what is there")
    seconds: float = Field(0.0, ge=0, le=30, description="wait for so long where nothing came")


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["loading"])

    @routes.get("/api/v1/loading")
    async def changes(asked: Annotated[LoadingAsked, Query()]) -> Response:
        """Documents that loading works by, of all tenants."""
        if asked.since is None:
            now = parts.views.vector()
            return _told(parts, now, await _current(parts, now))
        before = {partition: offset + 1 for partition, offset in parts.views.own(asked.since).offsets.items()}
        before = {partition: before.get(partition, 0) for partition in parts.views.vector()}
        if asked.seconds and not _beyond(parts.views.vector(), before):
            await parts.views.moved(before, asked.seconds)
        now = {partition: max(mark, before[partition]) for partition, mark in parts.views.vector().items()}
        rows = await _came(parts, before, now) if now != before else []
        return _told(parts, now, rows)

    return routes


def _beyond(vector: Mapping[int, int], before: Mapping[int, int]) -> bool:
    return any(mark > before[partition] for partition, mark in vector.items())


async def _current(parts: Parts, vector: Mapping[int, int]) -> list[dict[str, Any]]:
    mark = parts.reads.watermark(vector)
    questions = [
        loading.current((CONNECTION, TASK), mark),
        loading.unfinished(RUN, parts.clock.now() - RUNS_KEPT_NS, mark),
        loading.newest_of_heads(TURN, mark),
    ]
    return [row for question in questions for row in map(orjson.loads, await parts.reads.lines(question))]


async def _came(parts: Parts, since: Mapping[int, int], until: Mapping[int, int]) -> list[dict[str, Any]]:
    vectors = (parts.reads.watermark(vector) for vector in (since, until))
    return [orjson.loads(line) for line in await parts.reads.lines(loading.came(KINDS, *vectors))]


def _told(parts: Parts, vector: Mapping[int, int], rows: list[dict[str, Any]]) -> Response:
    documents = [row | {"document": None if row.pop("deleted") else orjson.loads(row["document"])} for row in rows]
    token = Token(parts.log.log_id, {partition: mark - 1 for partition, mark in vector.items() if mark})
    told = {"now": said_time(parts.clock.now()), "watermark": str(token), "documents": documents}
    return Response(orjson.dumps(told), media_type="application/json")
