"""Routes of workspaces.

Before: routes.py. After: workspaces.py.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.doors.hydroserver import workspaces
from api.doors.hydroserver.words import PREFIX, ident_of
from api.parts import Parts
from api.request import Caller, caller

Who = Annotated[Caller, Depends(caller)]
_ALL = f"{PREFIX}/workspaces"
_ONE = f"{_ALL}/{{workspace_id}}"


def add(routes: APIRouter, parts: Parts) -> None:
    @routes.get(_ALL)
    async def listed(request: Request, who: Who) -> Response:
        """The workspaces that the caller may see."""
        return await workspaces.listed(parts, request.query_params, who)

    @routes.post(_ALL, status_code=201)
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """Make a workspace, which is the caller's."""
        return await workspaces.create(parts, request, who)

    @routes.get(_ONE)
    async def read(workspace_id: str, who: Who) -> dict[str, Any]:
        """One workspace."""
        return await workspaces.read(parts, who, ident_of(workspace_id, "workspace"))

    @routes.patch(_ONE)
    async def change(workspace_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Change a workspace's name, or whether it is private."""
        return await workspaces.change(parts, request, who, ident_of(workspace_id, "workspace"))

    @routes.delete(_ONE, status_code=204)
    async def delete(workspace_id: str, who: Who) -> Response:
        """Delete a workspace with all that is in it."""
        return await workspaces.delete(parts, who, ident_of(workspace_id, "workspace"))

    @routes.post(f"{_ONE}/transfer", status_code=201)
    async def offer(workspace_id: str, request: Request, who: Who) -> str:
        """Hand a workspace over to another user, who must accept."""
        return await workspaces.offer(parts, request, who, ident_of(workspace_id, "workspace"))

    @routes.put(f"{_ONE}/transfer")
    async def accept(workspace_id: str, who: Who) -> str:
        """Accept a workspace that is handed over."""
        return await workspaces.accept(parts, who, ident_of(workspace_id, "workspace"))

    @routes.delete(f"{_ONE}/transfer")
    async def reject(workspace_id: str, who: Who) -> str:
        """Refuse a workspace that is handed over, or take the offer back."""
        return await workspaces.reject(parts, who, ident_of(workspace_id, "workspace"))
