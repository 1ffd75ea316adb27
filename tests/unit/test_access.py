"""Pure parts of access: the index made of documents, signed tokens, credentials, slowed log-ins, nonces, and where a server may listen."""

import asyncio
import base64
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest

from api.access.access import refuse_below
from api.access.credentials import Shown, Signed, credential_of
from api.access.directory import Directory
from api.access.identity import Identity
from api.access.log_in import LogIn
from api.access.nonces import KEPT_MAX, WINDOW_SECONDS, Nonces
from api.access.throttle import FREE, WAIT_SECONDS_MAX, Throttle
from api.access.throttle import KEPT_MAX as NAMES_MAX
from streams.topics import Topics
from varve.access import (
    ACCESS_TENANT,
    Index,
    Role,
    activity_put,
    email_of,
    ended_put,
    hash_of,
    key_put,
    password_put,
    refuse_unguarded,
    tenant_named,
    user_put,
)
from varve.errors import Forbidden, Incorrect, TooOften, Unauthorized, Unavailable
from varve.events import EntityPut
from varve.passwords import hashed, matches
from varve.settings import AccessSettings, HttpSettings, Settings
from varve.tokens import Signer, secret_of

MEADOW = tenant_named("meadow")
SIGNER = Signer(b"a secret of the tests")


class Still:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> int:
        return int(self.seconds * 10**9)

    def monotonic(self) -> float:
        return self.seconds


def index_of(*events: EntityPut) -> Index:
    index = Index()
    for version, event in enumerate(events, 1):
        index.take(event.kind, event.id, version, event.document)
    return index


def test_a_user_is_known_by_the_newest_key_alone() -> None:
    index = index_of(user_put("a@b.c", MEADOW, Role.READ), key_put("a@b.c", "one"), key_put("a@b.c", "two"))
    found = index.by_hash(hash_of("two"))
    assert found is not None and (found.email, found.tenant, found.role, found.active) == ("a@b.c", MEADOW, Role.READ, True)
    assert index.by_hash(hash_of("one")) is None


def test_an_older_version_changes_nothing_in_whatever_order_they_come() -> None:
    index = index_of(user_put("a@b.c", MEADOW, Role.READ), key_put("a@b.c", "key"))
    index.take("activity", "a@b.c", 9, {"active": False})
    index.take("activity", "a@b.c", 8, {"active": True})
    assert not index.users["a@b.c"].active


def test_a_key_that_comes_before_its_user_is_known_once_both_are_there() -> None:
    index = index_of(key_put("a@b.c", "key"), user_put("a@b.c", MEADOW, Role.ADMIN))
    assert index.by_hash(hash_of("key")) is not None
    index.take("user", "a@b.c", 99, None)
    assert index.by_hash(hash_of("key")) is None


def test_every_change_of_key_or_password_makes_another_stamp_and_activity_does_not() -> None:
    events = [user_put("a@b.c", MEADOW, Role.READ), key_put("a@b.c", "key"), password_put("a@b.c", "x"), activity_put("a@b.c", active=True)]
    stamps = [index_of(*events[: many + 1]).users["a@b.c"].stamp for many in range(4)]
    assert len(set(stamps)) == 3
    assert stamps[2] == stamps[3]


@pytest.mark.parametrize("document", [{}, {"tenant": "x", "role": "read"}, {"tenant": str(MEADOW), "role": "god"}, {"tenant": None}])
def test_a_document_that_is_none_of_ours_lets_nobody_in(document: dict[str, object]) -> None:
    index = index_of(key_put("a@b.c", "key"))
    index.take("user", "a@b.c", 5, document)
    assert index.by_hash(hash_of("key")) is None


def test_ended_sessions_are_forgotten_when_they_would_have_ended_anyway() -> None:
    index = index_of(ended_put("s1", 100.0), ended_put("s2", 200.0))
    index.forget_past(150.0)
    assert [index.ended("s1"), index.ended("s2")] == [False, True]


def test_documents_of_others_making_break_no_list() -> None:
    index = Index()
    index.take("tenant", "no uuid", 1, {"name": "x"})
    index.take("granted", "r1", 1, {"until": "tomorrow"})
    index.take("something else", "x", 1, {})
    index.forget_past(1.0)
    assert (list(index.tenants()), index.granted("r1")) == ([], False)


def test_a_token_says_what_it_was_made_of_until_it_ends() -> None:
    token = SIGNER.token("session", {"user": "a@b.c"}, 100.0)
    said = SIGNER.read("session", token, 99.0)
    assert said is not None and said["user"] == "a@b.c"
    assert SIGNER.read("session", token, 100.0) is None
    assert SIGNER.read("oauth", token, 99.0) is None
    assert SIGNER.read("oauth", "oauth" + token.removeprefix("session"), 99.0) is None
    assert Signer(b"another secret").read("session", token, 99.0) is None
    assert SIGNER.read("session", token + "é", 99.0) is None


def test_derived_secrets_differ_by_purpose_and_name() -> None:
    found = {SIGNER.derived(purpose, name) for purpose in ("consumer", "token") for name in ("a", "b")}
    assert len(found) == 4


def test_the_secret_is_made_once_and_its_owner_alone_reads_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new")
    first = secret_of(settings)
    assert secret_of(settings) == first
    assert stat.S_IMODE((tmp_path / "new" / "access.secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["access.secret"]
    assert secret_of(Settings(data=tmp_path, access=AccessSettings(secret="x" * 40))) == b"x" * 40
    with pytest.raises(Incorrect):
        secret_of(Settings(data=tmp_path, access=AccessSettings(secret="short")))


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([(b"x-api-key", b" k ")], Shown("k")),
        ([(b"authorization", b"Bearer k")], Shown("k")),
        ([(b"authorization", basic("name:k"))], Shown("k")),
        ([(b"authorization", basic("name:k:with:colons"))], Shown("k:with:colons")),
        ([(b"authorization", basic("k:"))], Shown("k")),
        ([(b"authorization", basic("k"))], Shown("k")),
        ([(b"authorization", b'OAuth realm=""')], Signed('OAuth realm=""')),
        ([(b"authorization", b"Bearer no"), (b"x-api-key", b"k")], Shown("k")),
    ],
)
def test_credentials_are_found_where_clients_put_them(headers: list[tuple[bytes, bytes]], found: Shown | Signed | None) -> None:
    assert credential_of(headers) == found


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", b"a"), (b"x-api-key", b"b")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [(b"x-api-key", b"a" * 5_000)],
        [(b"x-api-key", b"\xff")],
        [(b"authorization", b"Digest x")],
        [(b"authorization", b"Basic ====")],
    ],
)
def test_absurd_credentials_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Unauthorized):
        credential_of(headers)


def tries(throttle: Throttle, email: str, address: str, many: int) -> int:
    """How many of them are looked at; all fail."""
    for number in range(many):
        try:
            throttle.begin(email, address)
        except TooOften:
            return number
    return many


def test_after_some_failures_each_next_try_must_wait_longer() -> None:
    clock = Still()
    throttle = Throttle(clock)
    assert tries(throttle, "a@b.c", "1.1.1.1", 20) == FREE["email"]
    waits = []
    for _ in range(10):
        with pytest.raises(TooOften) as refused:
            throttle.begin("a@b.c", "2.2.2.2")
        waits.append(refused.value.seconds)
        clock.seconds += refused.value.seconds
        throttle.begin("a@b.c", "2.2.2.2")
    assert waits == sorted(waits)
    assert waits[0] <= 2.0
    assert waits[-1] == WAIT_SECONDS_MAX
    clock.seconds += 1_000.0
    assert tries(throttle, "a@b.c", "1.1.1.1", 3) == 3


def test_an_address_that_tries_many_users_must_wait_and_success_is_no_failure() -> None:
    throttle = Throttle(Still())
    for number in range(100):
        throttle.begin(f"{number}@b.c", "1.1.1.1")
        throttle.succeeded(f"{number}@b.c", "1.1.1.1")
    assert sum(tries(throttle, f"{number}@b.c", "1.1.1.1", 1) for number in range(100)) == FREE["address"]


def test_who_logs_in_before_the_users_are_read_has_not_failed() -> None:
    anything: Any = None
    throttle = Throttle(Still())
    log_in = LogIn(Directory(anything, Topics("v", 4), anything, anything, Still()), throttle)
    with pytest.raises(Unavailable, match="being read"):
        asyncio.run(log_in.user("a@b.c", "a password", "1.1.1.1"))
    assert len(throttle) == 0
    log_in.close()


def test_failures_take_bounded_memory() -> None:
    throttle = Throttle(Still())
    for number in range(NAMES_MAX):
        tries(throttle, f"{number}@b.c", f"{number}", 1)
    assert len(throttle) <= NAMES_MAX


def test_a_nonce_is_new_once_within_its_time() -> None:
    nonces = Nonces()
    assert nonces.timely("us", 1_000, 1_000.0)
    assert not nonces.timely("us", 1_000, 1_001.0 + WINDOW_SECONDS)
    assert [nonces.first("us", 1_000, "a", 1_000.0) for _ in range(2)] == [True, False]
    assert nonces.first("us", 1_001, "a", 1_001.0)
    assert nonces.first("them", 1_000, "a", 1_000.0)


def test_forgetting_nonces_never_lets_one_in_again() -> None:
    nonces = Nonces()
    for number in range(KEPT_MAX + 10):
        nonces.first("us", 1_000 + number % 100, str(number), 1_100.0)
    assert len(nonces) <= KEPT_MAX
    assert not nonces.first("us", 1_000, "0", 1_100.0) and not nonces.timely("us", 1_000, 1_100.0)


def test_a_consumer_who_signs_many_makes_nobody_else_late() -> None:
    nonces, ahead = Nonces(), 1_000 + WINDOW_SECONDS
    for number in range(KEPT_MAX + 10):
        nonces.first("them", ahead, str(number), 1_000.0)
    assert not nonces.timely("them", ahead, 1_000.0)
    assert nonces.timely("us", 1_000, 1_000.0) and nonces.first("us", 1_000, "a", 1_000.0)
    assert nonces.first("others", ahead + 1, "a", ahead + WINDOW_SECONDS + 1.0)
    assert len(nonces) == 1  # what came too long ago takes no room


def test_passwords_are_kept_as_argon2_and_compared() -> None:
    text = hashed("a password")
    assert text.startswith("$argon2id$")
    assert matches(text, "a password")
    assert not matches(text, "another")
    assert not matches("", "of nobody: so that an unknown e-mail takes as long as a known one")
    assert not matches("no hash", "a password")


@pytest.mark.parametrize(
    "text", ["", "a", "a@", "@b", "a b@c", "a@b\r\nX: y", "a" * 251 + "@b.c", "<a@b.c>", "a@b@c", "a/b@c", "a?b@c", "a#@b", "a%40b@c"]
)
def test_what_is_no_email_is_refused(text: str) -> None:
    with pytest.raises(Incorrect):
        email_of(text)


def test_an_email_is_one_however_it_is_written() -> None:
    assert email_of(" Maria@Example.ORG ") == "maria@example.org"


def test_a_tenants_name_is_its_uuid_and_varves_own_is_nobodys() -> None:
    assert tenant_named("meadow") == MEADOW != tenant_named("wood")
    assert tenant_named(str(uuid.UUID(int=5))) == uuid.UUID(int=5)
    for text in (str(ACCESS_TENANT), "No Name", "", "x" * 100):
        with pytest.raises(Incorrect):
            tenant_named(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("", False),
     ("192.168.1.5", False), ("varve.example.org", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_a_server_that_asks_nobody_listens_on_loopback_alone(host: str, loopback: bool) -> None:
    guarded = Settings(http=HttpSettings(host=host), access=AccessSettings(enabled=True))
    refuse_unguarded(guarded)
    if loopback:
        refuse_unguarded(Settings(http=HttpSettings(host=host)))
        return
    with pytest.raises(Incorrect, match="VARVE_ACCESS__ENABLED"):
        refuse_unguarded(Settings(http=HttpSettings(host=host)))


def test_who_lacks_a_role_is_told_how_one_gets_the_operators() -> None:
    writer = Identity("maria@example.org", uuid.uuid4(), Role.WRITE)
    with pytest.raises(Forbidden, match="needs the role operator, .* has write: .* without VARVE_ACCESS__KEY"):
        refuse_below(Role.OPERATOR, writer)
    with pytest.raises(Forbidden, match="needs the role admin, and maria@example.org has write$"):
        refuse_below(Role.ADMIN, writer)
