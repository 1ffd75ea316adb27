"""Data connections: where other people's readings are, how to read them, whom to tell how it went.

Before: routes_etl.py. After: documents; a task names one, streams/loading loads by it. The value of the source's header is kept sealed and
is never told again.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import QueryParams

from api.doors.hydroserver import bodies, documents, etl_bodies, pages, permission, runs, workspaces
from api.doors.hydroserver.documents import Body, Document
from api.doors.hydroserver.grants import Need
from api.doors.hydroserver.words import bad, ident_in, new_ident, object_of
from api.parts import Parts
from api.request import Caller
from streams.loading.jobs import source_fields
from streams.loading.moments import said_time
from streams.loading.schedule import next_due
from streams.loading.schedule import schedule_of as schedule_in
from streams.loading.specs import source_of
from varve.sealed import sealed
from varve.tokens import secret_of

NOUN, TASK = "data-connection", "ingestion-task"
ORDERABLE = ("id", "name", "timestampKey", "timestampFormat", "timezoneType", "timezone", "workspaceId", "workspaceName")
PLACES = {"timestampKey": "payload.timestampKey", "timestampFormat": "payload.timestampFormat", "workspaceName": "workspace.name"}


async def create(parts: Parts, request: Request, who: Caller) -> dict[str, Any]:
    said = etl_bodies.flat(await object_of(request))
    workspace = await permission.may(parts, who, ident_in(said, "workspaceId"), "edit")
    body = await _body(parts, said, {"workspaceId": str(workspace.id)})
    return (await told(parts, who, [await documents.put_new(parts, who, NOUN, new_ident(said), body)]))[0]


async def listed(parts: Parts, query: QueryParams, who: Caller) -> Response:
    asked = pages.asked_of(query, ORDERABLE)
    found, visible = await documents.all_of(parts, who, NOUN), await permission.visible(parts, who)
    found = [one for one in found if visible is None or one.uuid("workspaceId") in visible]
    if wanted := pages.idents(query, "workspace_id"):
        found = [one for one in found if one.body["workspaceId"] in wanted]
    if types := pages.texts(query, "payload_type"):
        found = [one for one in found if one.body["payload"]["type"] in types]
    return pages.listed(await told(parts, who, found), asked, PLACES)


async def read(parts: Parts, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    return (await told(parts, who, [await one(parts, who, ident, "view")]))[0]


async def change(parts: Parts, request: Request, who: Caller, ident: uuid.UUID) -> dict[str, Any]:
    before = await one(parts, who, ident, "edit")
    said = etl_bodies.flat(await object_of(request))
    made = await _body(parts, said, before.body)
    mine = {name for name in made if made[name] != before.body.get(name)}

    def alter(body: Body) -> Body:
        return body | {name: made[name] for name in mine}

    return (await told(parts, who, [await documents.change(parts, who, NOUN, ident, alter)]))[0]


async def delete(parts: Parts, who: Caller, ident: uuid.UUID) -> Response:
    """With its tasks."""
    await one(parts, who, ident, "edit")
    tasks = await documents.all_of(parts, who, TASK, dataConnectionId=str(ident))
    await documents.delete(parts, who, [*((TASK, str(task.id)) for task in tasks), (NOUN, str(ident))])
    return Response(status_code=204)


async def one(parts: Parts, who: Caller, ident: uuid.UUID, need: Need) -> Document:
    found = await documents.one(parts, who, NOUN, ident)
    permission.refuse(await permission.rights_in(parts, who, found), need, NOUN, ident, sees="view")
    return found


async def told(parts: Parts, who: Caller, found: Sequence[Document]) -> list[dict[str, Any]]:
    """In the words of both clients: the older one reads `timestamp`, the newer one may not find 'utc' outside of it."""
    if not found:
        return []
    there = await documents.some(parts, who, "workspace", [one.uuid("workspaceId") for one in found])
    few = {"dataConnectionId": str(found[0].id)} if len(found) == 1 else {}
    tasks = {str(task.id): task.body["dataConnectionId"] for task in await documents.all_of(parts, who, TASK, **few)}
    latest = await runs.latest(parts, who, [uuid.UUID(task) for task in tasks])
    made, failed = Counter(tasks.values()), Counter(tasks[task] for task, run in latest.items() if run["status"] == "FAILURE")
    return [_told(parts, one, there.get(one.uuid("workspaceId")), made[str(one.id)], failed[str(one.id)]) for one in found]


def _told(parts: Parts, one: Document, workspace: Document | None, tasks: int, failed: int) -> dict[str, Any]:
    """failed: tasks whose latest run did."""
    body, payload = one.body, one.body["payload"]
    zone = body["timezoneType"]
    return {
        "id": str(one.id), **{name: body.get(name) for name in ("name", "description", "sourceUrl", "authHeaderName", "workspaceId")},
        "authHeaderValue": None, "workspace": None if workspace is None else workspaces.summary(workspace),
        "timezoneType": None if zone == "utc" else zone, "timezone": body["timezone"],
        "timestamp": {
            "key": payload["timestampKey"], "format": payload["timestampFormat"], "timezoneType": zone, "timezone": body["timezone"],
        },
        "payload": payload | {"dataIngestionWindow": None}, "placeholderVariables": body["placeholderVariables"],
        "notification": _notification(parts, body["notification"]), "taskCount": tasks, "taskAttentionCount": failed,
    }  # fmt: skip


def scheduled(parts: Parts, said: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """With the time at which it is due next."""
    if said is None:
        return None
    found = schedule_in(said)
    following = None if found is None else next_due(found, parts.clock.now())
    shown = {name: value for name, value in said.items() if name != "since"}
    return shown | {"nextRunAt": None if following is None else said_time(following)}


def _notification(parts: Parts, said: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if said is None else {"recipientEmails": said["recipientEmails"], "schedule": scheduled(parts, said["schedule"])}


async def _body(parts: Parts, said: Mapping[str, Any], before: Mapping[str, Any]) -> Body:
    """before: without fields, of a new one."""
    fresh = "name" not in before
    body = {"workspaceId": before["workspaceId"], **bodies.checked(etl_bodies.Connection, said, before)}
    body["payload"] = etl_bodies.payload_of(said.get("payload"), None if fresh else before["payload"])
    placeholders = said.get("placeholderVariables", said.get("placeholder_variables"))
    body["placeholderVariables"] = etl_bodies.placeholders_of(placeholders, before.get("placeholderVariables"))
    body["notification"] = before.get("notification")
    if "notification" in said:
        told_whom, was = said["notification"], before.get("notification")
        body["notification"] = None if told_whom is None else etl_bodies.notification_of(told_whom, was, parts.clock.now())
    body["authHeaderSealed"] = await _sealed(parts, said, body, before)
    header = {} if body["authHeaderSealed"] is None else {"header_value": "sealed"}
    source_of(source_fields(body) | header)
    return body


async def _sealed(parts: Parts, said: Mapping[str, Any], body: Mapping[str, Any], before: Mapping[str, Any]) -> str | None:
    value = said.get("authHeaderValue", said.get("auth_header_value"))
    if body["authHeaderName"] is None:
        if value is not None:
            raise bad("header-half", "authHeaderName and authHeaderValue: say both, or neither")
        return None
    if value is None:
        kept = before.get("authHeaderSealed")
        if kept is None:
            raise bad("header-half", "authHeaderName and authHeaderValue: say both, or neither")
        return str(kept)
    text = str(value)
    if not text.isprintable() or len(text) > 8_192:
        raise bad("header-value-incorrect", "authHeaderValue: one line of text")
    return sealed(await asyncio.to_thread(secret_of, parts.settings), text)
