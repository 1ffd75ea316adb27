"""Routes of loading: data connections, tasks, their runs.

Before: routes.py. After: connections.py, etl_tasks.py, runs.py.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.doors.hydroserver import connections, etl_tasks, runs
from api.doors.hydroserver.words import PREFIX, ident_of
from api.parts import Parts
from api.request import Caller, caller

Who = Annotated[Caller, Depends(caller)]
_CONNECTIONS, _TASKS = f"{PREFIX}/etl/data-connections", f"{PREFIX}/etl/tasks"


def add(routes: APIRouter, parts: Parts) -> None:
    _connections(routes, parts)
    _tasks(routes, parts)
    _runs(routes, parts)


def _connections(routes: APIRouter, parts: Parts) -> None:
    one = f"{_CONNECTIONS}/{{connection_id}}"

    @routes.get(_CONNECTIONS)
    async def listed(request: Request, who: Who) -> Response:
        """The data connections that the caller may see."""
        return await connections.listed(parts, request.query_params, who)

    @routes.post(_CONNECTIONS, status_code=201)
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """Say where readings are, and how to read them."""
        return await connections.create(parts, request, who)

    @routes.get(one)
    async def read(connection_id: str, who: Who) -> dict[str, Any]:
        """One data connection; the value of its header is never told."""
        return await connections.read(parts, who, ident_of(connection_id, "data connection"))

    @routes.patch(one)
    async def change(connection_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Change fields of a data connection."""
        return await connections.change(parts, request, who, ident_of(connection_id, "data connection"))

    @routes.delete(one, status_code=204)
    async def delete(connection_id: str, who: Who) -> Response:
        """Delete a data connection with its tasks; what they loaded stays."""
        return await connections.delete(parts, who, ident_of(connection_id, "data connection"))


def _tasks(routes: APIRouter, parts: Parts) -> None:
    one = f"{_TASKS}/{{task_id}}"

    @routes.get(_TASKS)
    async def listed(request: Request, who: Who) -> Response:
        """The tasks that the caller may see, each with its latest run."""
        return await etl_tasks.listed(parts, request.query_params, who)

    @routes.post(_TASKS, status_code=201)
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """Say which columns of a data connection go to which datastreams, and when."""
        return await etl_tasks.create(parts, request, who)

    @routes.get(one)
    async def read(task_id: str, who: Who) -> dict[str, Any]:
        """One task, with its latest run and the time at which it is due next."""
        return await etl_tasks.read(parts, who, ident_of(task_id, "ingestion task"))

    @routes.patch(one)
    async def change(task_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Change fields, mappings or the schedule of a task."""
        return await etl_tasks.change(parts, request, who, ident_of(task_id, "ingestion task"))

    @routes.delete(one, status_code=204)
    async def delete(task_id: str, who: Who) -> Response:
        """Delete a task; what it loaded stays."""
        return await etl_tasks.delete(parts, who, ident_of(task_id, "ingestion task"))


def _runs(routes: APIRouter, parts: Parts) -> None:
    one = f"{_TASKS}/{{task_id}}"

    @routes.post(f"{one}/trigger", status_code=202)
    async def trigger(task_id: str, who: Who) -> dict[str, Any]:
        """Run it now, or as soon as the run that is under way has ended."""
        task = await etl_tasks.one(parts, who, ident_of(task_id, "ingestion task"), "edit")
        return await runs.trigger(parts, who, task.id)

    @routes.get(f"{one}/runs")
    async def listed(task_id: str, request: Request, who: Who) -> Response:
        """Its runs, newest first."""
        task = await etl_tasks.one(parts, who, ident_of(task_id, "ingestion task"), "view")
        return await runs.listed(parts, request.query_params, who, task.id)

    @routes.get(f"{one}/runs/{{run_id}}")
    async def read(task_id: str, run_id: str, who: Who) -> dict[str, Any]:
        """One run: its status, and how it went."""
        task = await etl_tasks.one(parts, who, ident_of(task_id, "ingestion task"), "view")
        return await runs.read(parts, who, task.id, ident_of(run_id, "task run"))
