"""Routes of what is attached to things and datastreams: tags and files.

Before: routes.py. After: tags.py, attachments.py; permission.py is asked here.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.doors.hydroserver import attachments, permission, tags
from api.doors.hydroserver.documents import Document
from api.doors.hydroserver.grants import Need
from api.doors.hydroserver.words import PREFIX, ident_of, object_of
from api.parts import Parts
from api.request import Caller, caller

Who = Annotated[Caller, Depends(caller)]
Find = Callable[[Parts, Caller, uuid.UUID, Need], Awaitable[Document]]


def add(routes: APIRouter, parts: Parts) -> None:
    owners: tuple[tuple[str, Find], ...] = (("thing", permission.thing), ("datastream", permission.datastream))
    for noun, find in owners:
        _add_tags(routes, parts, noun, find)
        _add_files(routes, parts, noun, find)


def _add_tags(routes: APIRouter, parts: Parts, noun: str, find: Find) -> None:
    path = f"{PREFIX}/{attachments.PATHS[noun]}/{{{noun}_id}}/tags"

    async def may(request: Request, who: Caller, need: Need) -> Document:
        return await find(parts, who, ident_of(request.path_params[f"{noun}_id"], noun), need)

    @routes.get(path, description=f"The tags of a {noun}.")
    async def listed(request: Request, who: Who) -> list[dict[str, Any]]:
        return list((await may(request, who, "view")).body["tags"])

    @routes.post(path, status_code=201, description=f"Add a tag to a {noun}.")
    async def add_one(request: Request, who: Who) -> dict[str, Any]:
        return await tags.add(parts, await object_of(request), who, noun, (await may(request, who, "edit")).id)

    @routes.put(path, description="Change a tag's value.")
    async def change(request: Request, who: Who) -> dict[str, Any]:
        return await tags.change(parts, await object_of(request), who, noun, (await may(request, who, "edit")).id)

    @routes.delete(path, status_code=204, description="Remove a tag: its key in the body.")
    async def remove(request: Request, who: Who) -> Response:
        return await tags.remove(parts, await object_of(request), who, noun, (await may(request, who, "edit")).id)


def _add_files(routes: APIRouter, parts: Parts, noun: str, find: Find) -> None:
    path = f"{PREFIX}/{attachments.PATHS[noun]}/{{{noun}_id}}/file-attachments"

    async def may(request: Request, who: Caller, need: Need) -> Document:
        return await find(parts, who, ident_of(request.path_params[f"{noun}_id"], noun), need)

    @routes.get(path, description=f"The files of a {noun}, each with its link.")
    async def listed(request: Request, who: Who) -> list[dict[str, Any]]:
        return attachments.listed(parts, request, noun, await may(request, who, "view"))

    @routes.post(path, status_code=201, description=f"Attach a file to a {noun}: a form with file and file_attachment_type.")
    async def add_one(request: Request, who: Who) -> dict[str, Any]:
        return await attachments.add(parts, request, who, noun, (await may(request, who, "edit")).id)

    @routes.put(path, status_code=204, description="Replace the file of that name.")
    async def replace(request: Request, who: Who) -> Response:
        return await attachments.replace(parts, request, who, noun, (await may(request, who, "edit")).id)

    @routes.delete(path, status_code=204, description="Remove a file: its name in the body.")
    async def remove(request: Request, who: Who) -> Response:
        owner = await may(request, who, "edit")
        return await attachments.remove(parts, await object_of(request), who, noun, owner)

    @routes.get(f"{path}/{{name}}", description="The file itself.")
    async def served(name: str, request: Request, who: Who) -> Response:
        return await attachments.served(parts, who, await may(request, who, "view"), name)
