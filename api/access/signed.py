"""Signed requests before the guard: reads what of the body is signed, within bounds, and gives it back to the route unread.

Before: guard.py found an Authorization: OAuth header. After: oauth1.py checks. A consumer key that is none is refused before any of the
body is read.
"""

from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from api.access.identity import Identity
from api.access.oauth1 import ACCESS, OAuth1, form_of, has_form, said_in
from api.request import read_body
from varve.errors import Unauthorized, UnsupportedType


async def identify_signed(oauth1: OAuth1, scope: Scope, receive: Receive, header: str, body_mb_max: int) -> tuple[Identity, Receive]:
    """With what is left of the body to be read."""
    if scope["type"] != "http":
        raise Unauthorized("signature-here", "a WebSocket is opened with a key or token: send X-API-Key: <key>")
    said = said_in(header, scope["query_string"].decode("latin-1"))
    identity = oauth1.signed_by(said, ACCESS)
    request = Request(scope, receive)
    if not has_form(request):
        oauth1.check(request, said, ACCESS, ())
        return identity, receive
    if "content-encoding" in request.headers:
        raise UnsupportedType("content-encoding", "a form that is signed is sent as it is: without Content-Encoding")
    body = await read_body(request, body_mb_max)
    oauth1.check(request, said, ACCESS, form_of(request, body))
    return identity, _again(body, receive)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then whatever comes."""
    told = False

    async def received() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
