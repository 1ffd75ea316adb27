"""Routes of who takes part in a workspace: roles, collaborators, API keys.

Before: routes.py. After: grants.py, collaborators.py, keys.py.
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.doors.hydroserver import collaborators, documents, keys, pages
from api.doors.hydroserver.grants import GRANTS, grant_of
from api.doors.hydroserver.words import PREFIX, ident_of
from api.parts import Parts
from api.request import Caller, caller

Who = Annotated[Caller, Depends(caller)]
_WORKSPACE = f"{PREFIX}/workspaces/{{workspace_id}}"


def add(routes: APIRouter, parts: Parts) -> None:
    _roles(routes)
    _collaborators(routes, parts)
    _keys(routes, parts)


def _roles(routes: APIRouter) -> None:
    @routes.get(f"{PREFIX}/roles")
    async def listed(request: Request, _who: Who) -> Response:
        """The roles, which are built in and belong to every workspace."""
        query = request.query_params
        asked = pages.asked_of(query, ("name", "isUserRole", "isAPIKeyRole"))
        of_people, of_keys = pages.flag(query, "is_user_role"), pages.flag(query, "is_apikey_role")
        found = [one for one in GRANTS.values() if of_people in (None, one.user) and of_keys in (None, one.key)]
        return pages.listed([one.told() for one in found], asked)

    @routes.get(f"{PREFIX}/roles/{{role_id}}")
    async def read(role_id: str, _who: Who) -> dict[str, Any]:
        """One role."""
        grant = grant_of(role_id)
        if grant is None:
            raise documents.unknown("role", role_id)
        return grant.told()


def _collaborators(routes: APIRouter, parts: Parts) -> None:
    path = f"{_WORKSPACE}/collaborators"

    @routes.get(path)
    async def listed(workspace_id: str, request: Request, who: Who) -> Response:
        """Who collaborates in a workspace, with which role."""
        return await collaborators.listed(parts, request.query_params, who, _workspace(workspace_id))

    @routes.post(path, status_code=201)
    async def add_one(workspace_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Add a user (`email`, `roleId`)."""
        return await collaborators.add(parts, request, who, _workspace(workspace_id))

    @routes.put(path)
    async def change(workspace_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Give a collaborator another role."""
        return await collaborators.change(parts, request, who, _workspace(workspace_id))

    @routes.delete(path, status_code=204)
    async def remove(workspace_id: str, request: Request, who: Who) -> Response:
        """Remove a collaborator (`email`, in the body)."""
        return await collaborators.remove(parts, request, who, _workspace(workspace_id))


def _keys(routes: APIRouter, parts: Parts) -> None:
    every, one = f"{_WORKSPACE}/api-keys", f"{_WORKSPACE}/api-keys/{{key_id}}"

    @routes.get(every)
    async def listed(workspace_id: str, request: Request, who: Who) -> Response:
        """A workspace's keys, without the keys themselves."""
        return await keys.listed(parts, request.query_params, who, _workspace(workspace_id))

    @routes.post(every, status_code=201)
    async def create(workspace_id: str, request: Request, who: Who) -> Response:
        """Make a key, which is shown this once."""
        return await keys.create(parts, request, who, _workspace(workspace_id))

    @routes.get(one)
    async def read(workspace_id: str, key_id: str, who: Who) -> dict[str, Any]:
        """One key, without the key itself."""
        return await keys.read(parts, who, _workspace(workspace_id), _key(key_id))

    @routes.patch(one)
    async def change(workspace_id: str, key_id: str, request: Request, who: Who) -> dict[str, Any]:
        """Change a key's name, role or expiry, or refuse it (`isActive`)."""
        return await keys.change(parts, request, who, _workspace(workspace_id), _key(key_id))

    @routes.delete(one, status_code=204)
    async def delete(workspace_id: str, key_id: str, who: Who) -> Response:
        """Delete a key, which is refused from now on."""
        return await keys.delete(parts, who, _workspace(workspace_id), _key(key_id))

    @routes.put(f"{one}/regenerate", status_code=201)
    async def regenerate(workspace_id: str, key_id: str, who: Who) -> Response:
        """Another key instead of the one before; shown this once."""
        return await keys.regenerate(parts, who, _workspace(workspace_id), _key(key_id))


def _workspace(text: str) -> uuid.UUID:
    return ident_of(text, "workspace")


def _key(text: str) -> uuid.UUID:
    return ident_of(text, "key")
