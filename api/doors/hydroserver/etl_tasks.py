"""Ingestion tasks: which columns or fields of a data connection go to which datastreams, and when.

Before: routes_etl.py. After: documents, by which streams/loading works; runs.py has their runs. Answers hold what either client needs: the
connection and the datastreams by id and whole.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import bodies, connections, documents, etl_bodies, pages, permission, runs, things
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.grants import Need
from api.doors.hydroserver.words import bad, ident_in, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from varve.errors import NotFound

NOUN = "ingestion-task"
ORDERABLE = (
    "id", "name", "dataConnectionId", "dataConnectionName", "workspaceId", "workspaceName", "latestRunStatus", "latestRunStartedAt",
    "latestRunFinishedAt",
)  # fmt: skip
PLACES = {
    "dataConnectionName": "dataConnection.name", "workspaceName": "workspace.name", "latestRunStatus": "latestRun.status",
    "latestRunStartedAt": "latestRun.startedAt", "latestRunFinishedAt": "latestRun.finishedAt",
}  # fmt: skip


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    said = await object_of(request)
    named = ident_in(said, "dataConnectionId")
    try:
        connection = await connections.one(parts, who, named, "edit")
    except NotFound as absent:
        raise bad("connection-unknown", f"dataConnectionId: {absent.message}") from None
    workspace = {name: connection.body[name] for name in ("workspaceId",)}
    body = await _body(parts, who, said, workspace | {"dataConnectionId": str(connection.id)})
    return await _told_one(parts, who, await documents.put_new(parts, who, NOUN, new_ident(said), body))


async def listed(parts: Parts, query: QueryParams, who: Caller) -> Response:
    asked = pages.asked_of(query, ORDERABLE)
    found, visible = await documents.all_of(parts, who, NOUN), await permission.visible(parts, who)
    found = [one for one in found if (visible is None or one.uuid("workspaceId") in visible) and _wanted(one, query)]
    if things_wanted := pages.idents(query, "thing_id"):
        streams = await documents.some(parts, who, "datastream", [target for one in found for target in _targets(one.body)])
        of_things = {ident for ident, stream in streams.items() if stream.body["thingId"] in things_wanted}
        found = [one for one in found if of_things & set(_targets(one.body))]
    latest = await runs.latest(parts, who, [one.id for one in found])
    rows = [row for row in (_row(one, latest.get(str(one.id))) for one in found) if _ran(row, query)]
    names = [name for name, _ in asked.order if name in ("dataConnectionName", "workspaceName")]
    if names:
        rows = await _told(parts, who, rows)
    cut = pages.cut(pages.ordered(rows, asked, PLACES), asked)
    return pages.answer(cut if names else await _told(parts, who, cut), len(rows), asked)


async def read(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    return await _told_one(parts, who, await one(parts, who, ident, "view"))


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    before = await one(parts, who, ident, "edit")
    made = await _body(parts, who, await object_of(request), before.body)
    mine = {name for name in made if made[name] != before.body.get(name)}

    def alter(body: Body) -> Body:
        return body | {name: made[name] for name in mine}

    return await _told_one(parts, who, await documents.change(parts, who, NOUN, ident, alter))


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    await one(parts, who, ident, "edit")
    await documents.delete(parts, who, [(NOUN, str(ident))])
    return Response(status_code=204)


async def one(parts: Parts, who: Caller, ident: uuid.UUID, need: Need) -> Document:
    found = await documents.one(parts, who, NOUN, ident)
    permission.refuse(await permission.rights_in(parts, who, found), need, NOUN, ident, sees="view")
    return found


async def _body(parts: Parts, who: Caller, said: Mapping[str, Any], before: Mapping[str, Any]) -> Body:
    """before: without a name, of a new one."""
    body = {name: before[name] for name in ("workspaceId", "dataConnectionId")} | bodies.checked(etl_bodies.Task, said, before)
    body["mappings"] = etl_bodies.mappings_of(said.get("mappings"), before.get("mappings"))
    await _refuse_targets(parts, who, body, before.get("mappings"))
    body["schedule"] = before.get("schedule")
    if "schedule" in said:
        schedule = said["schedule"]
        body["schedule"] = None if schedule is None else etl_bodies.schedule_of(schedule, before.get("schedule"), parts.clock.now())
    return body


async def _refuse_targets(parts: Parts, who: Caller, body: Body, before: Any) -> None:
    if body["mappings"] == before:
        return
    targets = []
    for target in _texts(body):
        try:
            targets.append(uuid.UUID(target))
        except ValueError:
            raise bad("datastream-unknown", f"mappings: '{target[:60]}' is not the id of a datastream: that is a UUID") from None
    there = await documents.some(parts, who, "datastream", targets)
    for one in targets:
        if one not in there or there[one].body["workspaceId"] != body["workspaceId"]:
            raise bad("datastream-unknown", f"mappings: there is no datastream {one} in the connection's workspace")


def _texts(body: Mapping[str, Any]) -> list[str]:
    return [one["targetDatastreamId"] for one in body["mappings"]]


def _targets(body: Mapping[str, Any]) -> list[uuid.UUID]:
    return [uuid.UUID(text) for text in _texts(body)]


def _wanted(one: Document, query: QueryParams) -> bool:
    for name, field in (("workspace_id", "workspaceId"), ("data_connection_id", "dataConnectionId")):
        wanted = pages.idents(query, name)
        if wanted and one.body[field] not in wanted:
            return False
    return True


def _ran(row: Mapping[str, Any], query: QueryParams) -> bool:
    """By how its latest run went, null: there was none; and when that was."""
    run, wanted = row["latestRun"], pages.texts(query, "latest_run_status")
    if wanted and (None if run is None else run["status"]) not in wanted:
        return False
    return runs.within(run or {"startedAt": None, "finishedAt": None}, query, "latest_run_")


def _row(one: Document, latest: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"id": str(one.id), **one.body, "latestRun": latest}


async def _told_one(parts: Parts, who: Caller, found: Document) -> dict[str, Any]:
    latest = await runs.latest(parts, who, [found.id])
    return (await _told(parts, who, [_row(found, latest.get(str(found.id)))]))[0]


async def _told(parts: Parts, who: Caller, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    named = await documents.some(parts, who, "data-connection", [uuid.UUID(row["dataConnectionId"]) for row in rows])
    whole = {one["id"]: one for one in await connections.told(parts, who, list(named.values()))}
    streams = await documents.some(parts, who, "datastream", [target for row in rows for target in _targets(row)])
    found = []
    for row in rows:
        connection = whole.get(row["dataConnectionId"])
        mappings = [
            one | {"targetDatastream": None if stream is None else things.told(stream)}
            for one in row["mappings"]
            for stream in [streams.get(uuid.UUID(one["targetDatastreamId"]))]
        ]
        more = {"dataConnection": connection, "workspace": connection and connection["workspace"], "mappings": mappings}
        found.append({**row, **more, "schedule": connections.scheduled(parts, row["schedule"])})
    return found
