"""What it costs to know who asks: the server's own check of a key, a session's token and a signature, among 10,000 users, without HTTP.

Before: nothing; no server is needed. After: rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

from oauthlib.oauth1 import Client
from starlette.requests import Request

from api.access.access import SESSION, Access
from api.access.credentials import Shown, credential_of
from api.access.directory import Directory
from api.access.oauth1 import ACCESS, said_in
from bench.rig import Rig, timed
from bench.row import Row, Wrong
from streams.topics import Topics
from varve.access import Index, Role, key_put, tenant_named, user_put
from varve.clock import SystemClock
from varve.settings import AccessSettings
from varve.tokens import Signer, new_key

TARGET_MS = 0.2
HEADERS = [(b"host", b"varve.example"), (b"accept", b"*/*"), (b"user-agent", b"bench"), (b"accept-encoding", b"gzip")]
PATH = "/series/AAAAAAAAAAAAAAAAAAAAAA/csv/"


def key_check(rig: Rig) -> list[Row]:
    """The check of a key, a token and a signature: what access costs each request."""
    users, count = rig.scaled(10_000, 100), rig.scaled(20_000, 100)
    keys, index = [new_key() for _ in range(users)], Index()
    for at, key in enumerate(keys):
        for event in (user_put(f"{at}@varve.example", tenant_named("bench"), Role.READ), key_put(f"{at}@varve.example", key)):
            index.take(event.kind, event.id, 1, event.document)
    nothing: Any = None  # it is not asked to look at log and store
    directory = Directory(nothing, Topics("bench", 1), nothing, nothing, SystemClock())
    directory.index, directory.complete = index, True
    access = Access(AccessSettings(enabled=True), Signer(b"of the bench"), directory, SystemClock())
    token = access.token_of(SESSION, index.users["7@varve.example"], 3_600.0, "bench")
    shown = [[*HEADERS, (b"x-api-key", key.encode())] for key in keys]
    by_key = _ms(lambda headers: _shown(access, headers), [shown[at % users] for at in range(count)])
    by_token = _ms(lambda headers: _shown(access, headers), [[*HEADERS, (b"authorization", f"Bearer {token}".encode())]] * count)
    by_signature = _ms(lambda header: _signed(access, header), _signatures(access, index, rig.scaled(2_000, 20)))
    access.close()
    return [
        Row(f"check of an API key, {users:,} users, in the server", by_key, "ms", TARGET_MS),
        Row("— of a session's token", by_token, "ms", TARGET_MS),
        Row("— of an OAuth 1.0a signature", by_signature, "ms", TARGET_MS),
    ]


def _shown(access: Access, headers: list[tuple[bytes, bytes]]) -> None:
    credential = credential_of(headers)
    if not isinstance(credential, Shown):
        raise Wrong("no key was found")
    access.identity_of(credential.secret)


def _signatures(access: Access, index: Index, count: int) -> list[str]:
    user = index.users["7@varve.example"]
    consumer, token = access.oauth1.consumer(user), access.oauth1.access_token(user.email, user.stamp)
    client = Client(consumer.key, consumer.secret, token.key, token.secret)
    return [client.sign(f"http://varve.example{PATH}")[1]["Authorization"] for _ in range(count)]


def _signed(access: Access, header: str) -> None:
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "headers": HEADERS,
    }  # fmt: skip
    said = said_in(header, "")
    access.oauth1.signed_by(said, ACCESS)
    access.oauth1.check(Request(scope), said, ACCESS, ())


def _ms(check: Callable[[Any], None], given: Sequence[Any]) -> float:
    """Of one; refused ones are raised."""

    def all_of_them() -> None:
        for one in given:
            check(one)

    seconds, _ = timed(all_of_them)
    return seconds / len(given) * 1_000
