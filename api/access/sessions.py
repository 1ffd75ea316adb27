"""Sessions by e-mail and password, as HydroServer's client opens and ends them: a token for Authorization: Bearer.

Before: the client's constructor. After: access.py believes the token until it ends, is logged out of, or key or password change.
"""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from api.access.access import SESSION
from api.access.credentials import Shown, credential_of
from api.access.forms import MB_MAX, address_of
from api.access.keeper import Keeper
from api.native.words import json_body
from api.parts import Parts
from api.request import JSON, parsed, read_json
from api.stamps import random_event_id
from varve.access import User, ended_put

PATH = "/api/auth/app/session"


class Account(BaseModel):
    model_config = ConfigDict(frozen=True)

    email: str
    password: str


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["access"])

    @routes.post(PATH, openapi_extra=json_body(Account))
    async def log_in(request: Request) -> Response:
        """Log in: meta.session_token is for Authorization: Bearer."""
        _, found = await read_json(request, MB_MAX)
        account, user = parsed(Account, found), None
        if parts.access.on:
            user = await parts.access.log_in.user(account.email, account.password, address_of(request))
        seconds = parts.access.settings.session_hours * 3_600
        token = parts.access.token_of(SESSION, user, seconds, random_event_id())
        return _told(user, {"is_authenticated": True, "session_token": token})

    @routes.delete(PATH)
    async def log_out(request: Request) -> Response:
        """Log out: the session's token is refused from now on. Without one there is nothing to end."""
        shown = credential_of(request.scope["headers"])
        says = parts.access.signer.read(SESSION, shown.secret, parts.access.now()) if isinstance(shown, Shown) else None
        if says is not None and parts.access.on and not parts.access.directory.index.ended(str(says["id"])):
            await Keeper(parts, str(says["user"])).put(ended_put(str(says["id"]), float(says["until"])))
            await parts.access.directory.refresh()
        return _told(None, {"is_authenticated": False})

    return routes


def _told(user: User | None, meta: dict[str, Any]) -> Response:
    account = {} if user is None else {"email": user.email, "display": user.email}
    body = {"status": 200, "data": {"user": account, "methods": []}, "meta": meta}
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type=JSON)
