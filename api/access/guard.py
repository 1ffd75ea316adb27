"""Stands before every route of the application: asks who calls, and whether roles.py lets them, before anything of the body is read.

Before: app.py has all routes. After: the route, with the identity in its scope. A tail ends when its key is revoked.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.access import refuse_below, refuse_confined
from api.access.credentials import Shown, Signed, credential_of
from api.access.identity import Identity, identity_in, remember
from api.access.roles import ALWAYS, TAILS, Open, needed
from api.access.signed import identify_signed
from api.parts import Parts
from api.request import tenant_of
from varve.errors import Unauthorized

LOOK_SECONDS = 5.0
POLICY_VIOLATION = 1008  # of RFC 6455's registry of closing codes


def guard(routes: Iterable[BaseRoute], parts: Parts) -> None:
    for route in routes:
        one: Any = route
        one.app = _guarded(one.app, parts, names_of(route)[0])


def names_of(route: BaseRoute) -> list[str]:
    """As roles.py calls them; a route of several methods that need different roles cannot be guarded as one."""
    one: Any = route
    if isinstance(route, Mount):
        return [f"ANY {one.path}"]
    names = [f"{method} {one.path}" for method in sorted(getattr(one, "methods", None) or {"WS"}) if method != "HEAD"]
    assert len({needed(name) for name in names}) == 1, names
    return names


def _guarded(app: ASGIApp, parts: Parts, name: str) -> ASGIApp:
    role = needed(name)
    if isinstance(role, Open):
        return app

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        access = parts.access
        if not access.on and name not in ALWAYS:
            await app(scope, receive, send)
            return
        identity = identity_in(scope)
        if identity is None:
            identity, receive = await _identified(parts, scope, receive)
            remember(scope, identity)
        tenant_of(_header(scope, b"x-tenant"), identity)
        refuse_below(role, identity)
        refuse_confined(name, identity)
        if name in TAILS:
            await _while_held(parts, identity, app, scope, receive, send)
        else:
            await app(scope, receive, send)

    return asked


async def _identified(parts: Parts, scope: Scope, receive: Receive) -> tuple[Identity, Receive]:
    """With what is left of the body to be read."""
    match credential_of(scope["headers"]):
        case None:
            words = "no key: send X-API-Key: <key>, or set VARVE_ACCESS__KEY for Python and commands (`varve users create` gives one)"
            raise Unauthorized("key-missing", words)
        case Shown(secret):
            return parts.access.identity_of(secret), receive
        case Signed(header):
            return await identify_signed(parts.access.oauth1, scope, receive, header, parts.settings.http.body_mb_max)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for one, value in scope["headers"] if one == name), None)


async def _while_held(parts: Parts, identity: Identity, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The tail itself knows nothing of keys."""
    begun = False

    async def noted(message: Any) -> None:
        nonlocal begun
        begun = True
        await send(message)

    telling = asyncio.ensure_future(app(scope, receive, noted))
    watching = asyncio.ensure_future(_revoked(parts, identity))
    try:
        await asyncio.wait((telling, watching), return_when=asyncio.FIRST_COMPLETED)
        if telling.done():
            telling.result()
            return
    finally:
        telling.cancel()
        watching.cancel()
        await asyncio.gather(telling, watching, return_exceptions=True)
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "the key was revoked, or the token has ended"})
    elif begun:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _revoked(parts: Parts, identity: Identity) -> None:
    access = parts.access
    while access.holds(identity):
        left = LOOK_SECONDS if identity.until is None else min(LOOK_SECONDS, max(0.0, identity.until - access.now()))
        await access.directory.changed(left)
