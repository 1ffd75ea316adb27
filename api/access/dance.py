"""OAuth 1.0a's three steps, as Timetric's client takes them: a request token, the user's agreement on a page, an access token.

Before: a program with its user's consumer key (GET /api/v1/me/oauth1). After: requests signed with the access token. Only the user of the
consumer key can agree, so that a page opened by somebody else's link gives nothing away. While access is off, every step succeeds.
"""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.access.forms import address_of, read_form
from api.access.identity import Identity
from api.access.keeper import Keeper
from api.access.oauth1 import REQUEST, Said, said_in
from api.access.pages import log_in_page, page
from api.doors.timetric.routes import PREFIXES
from api.errors import ConditionFailed
from api.parts import Parts
from api.stamps import random_event_id
from varve.access import granted_put, used_put
from varve.errors import TooOften, Unauthorized

OFF = "oauth_token=off&oauth_token_secret=off"
TITLE = "Let a program use your series"


def router(parts: Parts) -> APIRouter:
    routes = APIRouter(tags=["Timetric"])
    for prefix in PREFIXES:
        _add(routes, parts, f"{prefix}/oauth")
    return routes


def _add(routes: APIRouter, parts: Parts, path: str) -> None:
    name = path.strip("/").replace("/", "_")

    @routes.get(f"{path}/request_token/", operation_id=f"{name}_request_token")
    async def request_token(request: Request) -> Response:
        """The first step: a token that the user has yet to agree to, for a signature by the consumer key alone."""
        if not parts.access.on:
            return _text(OFF)
        identity, _ = _signed(parts, request, None)
        return _text(parts.access.oauth1.request_token(identity, random_event_id()).text())

    @routes.get(f"{path}/authorize/", operation_id=f"{name}_authorize")
    async def authorize(oauth_token: str = "", oauth_callback: str = "") -> Response:
        """The second step: a page on which the user agrees."""
        return _asked(parts, oauth_token, oauth_callback)

    @routes.post(f"{path}/authorize/", operation_id=f"{name}_agree")
    async def agree(request: Request) -> Response:
        """E-mail and password, or key, of that page; back to oauth_callback where there is one."""
        return await _agreed(parts, request, await read_form(request))

    @routes.get(f"{path}/access_token/", operation_id=f"{name}_access_token")
    async def access_token(request: Request) -> Response:
        """The third step: the token for requests, once, for a signature by the token that was agreed to."""
        if not parts.access.on:
            return _text(OFF)
        _, said = _signed(parts, request, REQUEST)
        says = parts.access.oauth1.requested(said.fields["oauth_token"])
        if not parts.access.directory.index.granted(str(says["id"])):
            raise Unauthorized("token-not-granted", "its user has not agreed to this request token yet: open the authorize page first")
        try:
            await Keeper(parts, str(says["user"])).put(used_put(str(says["id"])))
        except ConditionFailed:
            raise Unauthorized("token-used", "this request token was exchanged before: ask for a new one") from None
        return _text(parts.access.oauth1.access_token(str(says["user"]), str(says["stamp"])).text())


def _signed(parts: Parts, request: Request, token: str | None) -> tuple[Identity, Said]:
    """Whose signature it is, by the consumer key and this kind of token."""
    said = said_in(request.headers.get("authorization", ""), request.url.query)
    identity = parts.access.oauth1.signed_by(said, token)
    parts.access.oauth1.check(request, said, token, ())
    return identity, said


def _asked(parts: Parts, token: str, callback: str, refusal: str = "", status: int = 200) -> Response:
    if not parts.access.on:
        return page(TITLE, "<p>Access is off: go back to the program, which may go on.</p>")
    user = str(parts.access.oauth1.requested(token)["user"])
    words = f"A program with {user}'s consumer key asks to read and write as {user}. Agree by logging in."
    return log_in_page(TITLE, words, {"oauth_token": token, "oauth_callback": callback}, refusal, status)


async def _agreed(parts: Parts, request: Request, said: dict[str, str]) -> Response:
    token, callback = said.get("oauth_token", ""), said.get("oauth_callback", "")
    if not parts.access.on:
        return _asked(parts, token, callback)
    says = parts.access.oauth1.requested(token)
    try:
        user = await parts.access.log_in.user(said.get("email", ""), said.get("password", ""), address_of(request))
    except (Unauthorized, TooOften) as refusal:
        return _asked(parts, token, callback, refusal.message, refusal.status)
    if (user.email, user.stamp) != (says["user"], says["stamp"]):
        return _asked(parts, token, callback, "this program's consumer key is another user's", Unauthorized.status)
    await Keeper(parts, user.email).put(granted_put(str(says["id"]), float(says["until"])))
    await parts.access.directory.refresh()
    if urlsplit(callback).scheme not in ("http", "https"):
        return page(TITLE, "<p>Agreed: go back to the program, which may go on.</p>")
    joint = "&" if urlsplit(callback).query else "?"
    return RedirectResponse(f"{callback}{joint}oauth_token={token}", 303, {"Cache-Control": "no-store"})


def _text(text: str) -> Response:
    return Response(text, media_type="text/plain", headers={"Cache-Control": "no-store"})
