"""OAuth 1.0a, HMAC-SHA1, as Timetric's client signs: who signed a request, and the tokens of its three steps. Nothing is kept for them:
keys are signed tokens that say whose they are, their secrets are derived from these, and all end with the user's key.

Before: an Authorization: OAuth header, or the same fields in the query. After: an Identity. The signature covers the address by which the
client knows the server (VARVE_ACCESS__PUBLIC_URL) and the form's fields, in a multipart body too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from oauthlib.oauth1.rfc5849 import signature
from starlette.requests import Request

from api.access.credentials import unknown
from api.access.forms import fields_in
from api.access.identity import Identity
from api.access.nonces import Nonces
from api.doors.timetric.body import FORM, MULTIPART, sent
from varve.access import User
from varve.errors import Unauthorized
from varve.tokens import Signer

CONSUMER, REQUEST, ACCESS = "consumer", "request", "token"
REQUEST_SECONDS = 900.0
_FOR_EVER = 4_102_444_800.0  # 2100: the user's key ends them
_FIELD_LENGTH_MAX = 1_024
_FIELD = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class _Base:
    """What oauthlib checks a signature of."""

    uri: str
    http_method: str
    params: list[tuple[str, str]]
    signature: str


@dataclass(frozen=True)
class Said:
    """fields: OAuth's own. signed: all that a signature covers beside a form."""

    fields: Mapping[str, str]
    signed: list[tuple[str, str]]


@dataclass(frozen=True)
class Pair:
    """A key, or token, and its secret."""

    key: str
    secret: str

    def text(self) -> str:
        """Both are URL-safe."""
        return f"oauth_token={self.key}&oauth_token_secret={self.secret}"


def public_urls(setting: str) -> list[str]:
    """Of VARVE_ACCESS__PUBLIC_URL."""
    return [one.strip().rstrip("/") for one in setting.split(",") if one.strip()]


class OAuth1:
    """believed: who a token's e-mail and stamp belong to now."""

    def __init__(self, signer: Signer, public_url: str, now: Callable[[], float], believed: Callable[[str, str], Identity]) -> None:
        self._signer, self._now, self._believed, self._nonces = signer, now, believed, Nonces()
        self._public = public_urls(public_url)

    def consumer(self, user: User) -> Pair:
        """Of the user's own programs: the same as long as the user's key is."""
        return self._pair(CONSUMER, {"user": user.email, "stamp": user.stamp}, _FOR_EVER)

    def request_token(self, identity: Identity, ident: str) -> Pair:
        says = {"user": identity.name, "stamp": identity.stamp, "id": ident}
        return self._pair(REQUEST, says, self._now() + REQUEST_SECONDS)

    def access_token(self, email: str, stamp: str) -> Pair:
        return self._pair(ACCESS, {"user": email, "stamp": stamp}, _FOR_EVER)

    def requested(self, token: str) -> Mapping[str, Any]:
        """What a request token says."""
        says = self._signer.read(REQUEST, token, self._now())
        if says is None:
            raise Unauthorized("token-unknown", "this request token is not of this server, or older than 15 minutes: ask for a new one")
        return says

    def signed_by(self, said: Said, kind: str | None) -> Identity:
        """Whose consumer key and token (of this kind; None: none) these are; what they signed is not looked at yet."""
        fields = said.fields
        consumer = self._signer.read(CONSUMER, fields.get("oauth_consumer_key", ""), self._now())
        says = consumer if kind is None else self._signer.read(kind, fields.get("oauth_token", ""), self._now())
        if consumer is None or says is None or (says["user"], says["stamp"]) != (consumer["user"], consumer["stamp"]):
            raise unknown()
        return self._believed(str(says["user"]), str(says["stamp"]))

    def check(self, request: Request, said: Said, kind: str | None, form: Iterable[tuple[str, str]]) -> None:
        """The signature, its time and its nonce."""
        fields, params = said.fields, [*said.signed, *form]
        if fields.get("oauth_signature_method") != "HMAC-SHA1" or fields.get("oauth_version", "1.0") != "1.0":
            raise Unauthorized("signature-method", "OAuth: signatures of version 1.0 by HMAC-SHA1 are read here")
        timestamp, nonce, now = fields.get("oauth_timestamp", ""), fields.get("oauth_nonce", ""), self._now()
        consumer, token = fields["oauth_consumer_key"], fields.get("oauth_token", "")
        if not timestamp.isdecimal() or len(timestamp) > 12 or not nonce or not self._nonces.timely(consumer, int(timestamp), now):
            words = "OAuth: the timestamp is more than 5 minutes off, or there is no nonce: set the clock, sign anew"
            raise Unauthorized("signature-late", words)
        consumer_secret = self._signer.derived(CONSUMER, consumer)
        token_secret = "" if kind is None else self._signer.derived(kind, token)
        path = request.scope["raw_path"].decode("latin-1")
        signed = [_Base(base + path, request.method, params, fields.get("oauth_signature", "")) for base in self._bases(request)]
        verify: Any = signature.verify_hmac_sha1  # typed for a Request, of which it looks at these four
        if not any(verify(one, consumer_secret, token_secret) for one in signed):
            words = "OAuth: the signature is wrong: it must cover the address that VARVE_ACCESS__PUBLIC_URL names, and every field"
            raise Unauthorized("signature-wrong", words)
        if not self._nonces.first(consumer, int(timestamp), f"{token} {nonce}", now):
            raise Unauthorized("nonce-used", "OAuth: this nonce was used before: sign each request anew")

    def _pair(self, kind: str, says: Mapping[str, Any], until: float) -> Pair:
        key = self._signer.token(kind, says, until)
        return Pair(key, self._signer.derived(kind, key))

    def _bases(self, request: Request) -> list[str]:
        return self._public or [str(request.base_url).rstrip("/")]


def said_in(header: str, query: str) -> Said:
    """The header's fields and the query's."""
    found = [(name, unquote(value)) for name, value in _FIELD.findall(header) if name != "realm"]  # oauthlib goes letter by letter here
    if query:
        try:
            found += signature.collect_parameters(uri_query=query, exclude_oauth_signature=False)
        except ValueError:
            raise unknown() from None
    fields = {name: value for name, value in found if name.startswith("oauth_")}
    if any(len(value) > _FIELD_LENGTH_MAX for value in fields.values()):
        raise unknown()
    return Said(fields, [(name, value) for name, value in found if name != "oauth_signature"])


def has_form(request: Request) -> bool:
    """A body whose fields are signed."""
    return request.method != "GET" and _kind(request) in (FORM, MULTIPART)


def form_of(request: Request, body: bytes) -> list[tuple[str, str]]:
    content_type = request.headers.get("content-type", "")
    if _kind(request) == FORM:
        return fields_in(body)
    return list(sent(content_type, "", body).fields.items())


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
