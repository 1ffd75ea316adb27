"""Users and tenants: who there is, new ones, new keys, and taking them back. An admin does so in the own tenant, the operator in all.

Before: api/access/guard.py asked who calls, also while access is off. After: api/access/keeper.py.
"""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.forms import MB_MAX
from api.access.identity import Identity
from api.access.keeper import Keeper, user_known
from api.native.words import json_body
from api.parts import Parts
from api.request import Caller, caller, parsed, read_json
from varve.access import Role, User, email_of, role_of, shown_tenants, shown_users, tenant_named
from varve.errors import Forbidden, Incorrect, NotFound, Unauthorized

Who = Annotated[Caller, Depends(caller)]
_ONE = "/api/v1/users/{email}"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewUser(_Body):
    email: str
    tenant: str | None = Field(None, description="UUID or name; the caller's own where absent")
    role: str = Field("write", description="read, write or admin")
    password: str | None = Field(None, description="for sessions and log-in pages; a key needs none")


class NewPassword(_Body):
    password: str


class NewTenant(_Body):
    name: str


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["access"])
    _one(routes, parts)

    @routes.get("/api/v1/me")
    async def me(who: Who) -> dict[str, Any]:
        """Who asks, as the server sees it; without access nobody in particular."""
        if who.identity is None:
            return {"user": None, "tenant": str(who.tenant), "role": None}
        return {"user": who.identity.name, "tenant": str(who.tenant), "role": who.identity.role.name.lower()}

    @routes.get("/api/v1/me/oauth1")
    async def oauth1(who: Who, response: Response) -> dict[str, str]:
        """The caller's OAuth 1.0a credentials: consumer key and secret, and a token that needs no further step. They end with the key, so
        that a session or a token, which ends sooner, gets none."""
        user = None if who.identity is None else parts.access.directory.index.users.get(who.identity.name)
        if user is None:
            raise Incorrect("no-user", "access is off, or the operator asks: only users have OAuth credentials")
        if who.identity is not None and who.identity.until is not None:
            raise Forbidden("key-needed", "these credentials outlive a session or a token: ask with the key itself")
        response.headers["Cache-Control"] = "no-store"
        consumer, token = parts.access.oauth1.consumer(user), parts.access.oauth1.access_token(user.email, user.stamp)
        named = {"consumer_key": consumer.key, "consumer_secret": consumer.secret}
        return named | {"oauth_token": token.key, "oauth_secret": token.secret}

    @routes.get("/api/v1/users")
    async def listed(who: Who) -> dict[str, Any]:
        """The users of the caller's tenant, by e-mail; all for the operator."""
        await parts.access.directory.refresh()
        return {"users": shown_users(parts.access.directory.index, lambda tenant: _may(who.identity, tenant))}

    @routes.post("/api/v1/users", openapi_extra=json_body(NewUser), status_code=201)
    async def create(request: Request, who: Who) -> dict[str, Any]:
        """Make a user, with a key that is shown this once."""
        _, found = await read_json(request, MB_MAX)
        new = parsed(NewUser, found)
        email, role = email_of(new.email), role_of(new.role)
        tenant = who.tenant if new.tenant is None else tenant_named(new.tenant)
        if not _may(who.identity, tenant):
            raise Forbidden("tenant-foreign", f"tenant {new.tenant} is not yours: you make users of {who.tenant}")
        keeper = _keeper(parts, who)
        if new.tenant is not None and new.tenant != str(tenant):
            await keeper.name_tenant(new.tenant)
        key = await keeper.create(email, tenant, role, new.password)
        return {"email": email, "tenant": str(tenant), "role": role.name.lower(), "key": key}

    @routes.get("/api/v1/tenants")
    async def tenants(who: Who) -> dict[str, Any]:
        """The tenants with a name, or with users: for the operator all, else the own one."""
        await parts.access.directory.refresh()
        return {"tenants": shown_tenants(parts.access.directory.index, lambda tenant: _may(who.identity, tenant))}

    @routes.post("/api/v1/tenants", openapi_extra=json_body(NewTenant), status_code=201)
    async def new_tenant(request: Request, who: Who) -> dict[str, str]:
        """Give a tenant a name, and with it its UUID: the same name is the same tenant."""
        _, found = await read_json(request, MB_MAX)
        name = parsed(NewTenant, found).name
        tenant = tenant_named(name)
        await _keeper(parts, who).name_tenant(name)
        return {"tenant": str(tenant), "name": name}

    return routes


def _one(routes: APIRouter, parts: Parts) -> None:
    @routes.post(f"{_ONE}/key")
    async def regenerate(email: str, who: Who) -> dict[str, str]:
        """Another key instead of the one before, which is refused from now on, as are sessions and tokens made by it."""
        user = await _known(parts, who, email)
        return {"email": user.email, "key": await _keeper(parts, who).regenerate(user.email)}

    @routes.post(f"{_ONE}/deactivate")
    async def deactivate(email: str, who: Who) -> dict[str, str]:
        """Refuse key, password, sessions and tokens from now on, on every server within seconds."""
        user = await _known(parts, who, email)
        await _keeper(parts, who).set_active(user.email, active=False)
        return {"email": user.email}

    @routes.post(f"{_ONE}/activate")
    async def activate(email: str, who: Who) -> dict[str, str]:
        """Believe the user again, by key and password of before."""
        user = await _known(parts, who, email)
        await _keeper(parts, who).set_active(user.email, active=True)
        return {"email": user.email}

    @routes.post(f"{_ONE}/password", openapi_extra=json_body(NewPassword))
    async def password(email: str, request: Request, who: Who) -> dict[str, str]:
        """Another password; sessions and tokens made before end."""
        user = await _known(parts, who, email)
        _, found = await read_json(request, MB_MAX)
        await _keeper(parts, who).set_password(user.email, parsed(NewPassword, found).password)
        return {"email": user.email}


async def _known(parts: Parts, who: Caller, email: str) -> User:
    """A user of another tenant is told as one that is not there."""
    user = await user_known(parts, email_of(email))
    if not _may(who.identity, user.tenant):
        raise NotFound("user-unknown", f"there is no user {user.email}")
    return user


def _keeper(parts: Parts, who: Caller) -> Keeper:
    if who.identity is None:
        raise Unauthorized("key-missing", "no key: send X-API-Key")
    return Keeper(parts, who.identity.name)


def _may(identity: Identity | None, tenant: uuid.UUID) -> bool:
    return identity is not None and (identity.role is Role.OPERATOR or identity.tenant == tenant)
