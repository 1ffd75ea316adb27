"""OAuth 2 as DataReservoir's client asks for it: the token endpoint (authorization_code, refresh_token, client_credentials), and the page
that shows what its user pastes.

Before: the client, whose token address is ours. After: Authorization: Bearer with the token, for an hour. A code counts once. While access
is off, everything is accepted here too.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter, Request, Response

from api.access.access import CODE, OAUTH, REFRESH
from api.access.credentials import basic_of
from api.access.forms import address_of, read_form
from api.access.keeper import Keeper
from api.access.oauth1 import public_urls
from api.access.pages import log_in_page, shown_page
from api.errors import ConditionFailed
from api.parts import Parts
from api.request import JSON
from api.stamps import random_event_id
from varve.access import User, hash_of, used_put
from varve.errors import TooOften, Unauthorized
from varve.tokens import KEY_PREFIX

TOKEN_PATH, PAGES = "/datareservoir/oauth/token", ("/account", "/datareservoir/account")
TOKEN_SECONDS, CODE_SECONDS, REFRESH_SECONDS = 3_600, 600.0, 90 * 24 * 3_600.0
TITLE, WORDS = "Log in to DataReservoir", "Then paste what is shown into the program that waits."


class Refused(Exception):
    """error: a word of RFC 6749, which clients look at."""

    def __init__(self, error: str, words: str, status: int = 400) -> None:
        self.error, self.words, self.status = error, words, status


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["DataReservoir"])
    for path in PAGES:
        _add_page(routes, parts, path)

    @routes.post(TOKEN_PATH)
    async def token(request: Request) -> Response:
        """A bearer token for a code, a refresh token, or client_id and client_secret (the API key)."""
        said = await read_form(request)
        try:
            return _json(await _granted(parts, request, said), 200)
        except Refused as refused:
            return _json({"error": refused.error, "error_description": refused.words}, refused.status)

    return routes


def _add_page(routes: APIRouter, parts: Parts, path: str) -> None:
    name = path.strip("/").replace("/", "_")

    @routes.get(path, operation_id=f"{name}_page")
    async def asked(request: Request) -> Response:
        """The page that DataReservoir's client sends its user to."""
        if not parts.access.on:
            return _code_page(parts, request, None)
        return log_in_page(TITLE, WORDS, {})

    @routes.post(path, operation_id=f"{name}_log_in")
    async def answered(request: Request) -> Response:
        """E-mail and password, or key, of that page: shows the JSON to paste."""
        said = await read_form(request)
        if not parts.access.on:
            return _code_page(parts, request, None)
        try:
            user = await parts.access.log_in.user(said.get("email", ""), said.get("password", ""), address_of(request))
        except (Unauthorized, TooOften) as refusal:
            return log_in_page(TITLE, WORDS, {}, refusal.message, refusal.status)
        return _code_page(parts, request, user)


def _code_page(parts: Parts, request: Request, user: User | None) -> Response:
    code = parts.access.token_of(CODE, user, CODE_SECONDS, random_event_id())
    base = base_of(parts.access.settings.public_url, request)
    words = "Paste this into the program that waits. It counts once, within 10 minutes."
    return shown_page(TITLE, words, orjson.dumps({"endpoint": base + TOKEN_PATH, "code": code}).decode())


def base_of(public_url: str, request: Request) -> str:
    """The address by which this request's client knows us: the public one of the same host, where there is one."""
    for one in public_urls(public_url):
        if urlsplit(one).netloc == request.headers.get("host"):
            return one
    return str(request.base_url).rstrip("/")


async def _granted(parts: Parts, request: Request, said: Mapping[str, str]) -> dict[str, Any]:
    match said.get("grant_type"):
        case "authorization_code":
            user = await _of_code(parts, said.get("code", ""))
            return _tokens(parts, user, refresh=True)
        case "refresh_token":
            return _tokens(parts, _of_token(parts, REFRESH, said.get("refresh_token", "")), refresh=True)
        case "client_credentials":
            return _tokens(parts, _of_client(parts, request, said), refresh=False)
        case other:
            words = f"grant_type '{(other or '')[:40]}': authorization_code, refresh_token and client_credentials are answered here"
            raise Refused("unsupported_grant_type", words)


def _tokens(parts: Parts, user: User | None, *, refresh: bool) -> dict[str, Any]:
    token = parts.access.token_of(OAUTH, user, TOKEN_SECONDS)
    told = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
    return told | ({"refresh_token": parts.access.token_of(REFRESH, user, REFRESH_SECONDS)} if refresh else {})


async def _of_code(parts: Parts, code: str) -> User | None:
    user = _of_token(parts, CODE, code)
    says = parts.access.signer.read(CODE, code, parts.access.now())
    if user is not None and says is not None:
        try:
            await Keeper(parts, user.email).put(used_put(str(says["id"])))
        except ConditionFailed:
            raise Refused("invalid_grant", "this code was used before: open the page again for another") from None
    return user


def _of_token(parts: Parts, kind: str, token: str) -> User | None:
    """None while access is off: whatever was shown."""
    if not parts.access.on:
        return None
    parts.access.refuse_unread()
    says = parts.access.signer.read(kind, token, parts.access.now())
    user = None if says is None else parts.access.directory.index.users.get(str(says["user"]))
    if says is None or user is None or not user.active or user.stamp != says["stamp"]:
        raise Refused("invalid_grant", "this was not given here, has ended, or its user's key or password changed: log in again")
    return user


def _of_client(parts: Parts, request: Request, said: Mapping[str, str]) -> User | None:
    if not parts.access.on:
        return None
    parts.access.refuse_unread()
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    secret = said.get("client_secret") or (basic_of(rest)[1] if scheme.lower() == "basic" else "")
    user = parts.access.directory.index.by_hash(hash_of(secret)) if secret.startswith(KEY_PREFIX) else None
    if user is None or not user.active:
        raise Refused("invalid_client", "client_secret is no API key of an active user", Unauthorized.status)
    return user


def _json(told: Mapping[str, Any], status: int) -> Response:
    return Response(orjson.dumps(told), status, {"Cache-Control": "no-store", "Pragma": "no-cache"}, JSON)
