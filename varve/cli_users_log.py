"""Users where no server runs: read from the log, and put on it, as /api/v1/users would; the next start shows them.

Before: cli_users.py found no server. After: varve.events. The whole log is read for the documents of the access tenant; conditions are
decided here as the fold will decide them.
"""

from collections.abc import Sequence
from typing import Any

from streams.log_kafka import KafkaLog
from streams.read_whole import read_whole
from varve.access import (
    ACCESS_TENANT,
    Index,
    activity_put,
    email_of,
    key_put,
    password_checked,
    password_put,
    role_of,
    shown_tenants,
    shown_users,
    tenant_named,
    tenant_put,
    user_put,
)
from varve.clock import SystemClock
from varve.codec import ARROW, decode, encode
from varve.errors import Conflict, Incorrect, NotFound, VarveError
from varve.events import EntityDeleted, EntityPut
from varve.offline import refuse_without_log, run_with_log, running_or_offline
from varve.position import version_of
from varve.record import home_of, single
from varve.series import DEFAULT_TENANT, partition_of
from varve.settings import Settings
from varve.tokens import new_key

BY = "operator"
_MARK = str(ACCESS_TENANT).encode()  # envelopes stand on the log as they are, whatever is compressed beside them


def answered_by_log(settings: Settings, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    if method == "GET" or path != "/api/v1/users":
        refuse_without_log(settings)

    async def work(log: KafkaLog) -> dict[str, Any]:
        index = await read_index(log)
        answer, events = _answer(index, method, path.removeprefix("/api/v1/").split("/"), body)
        for event in events:
            await _put(log, event)
        return answer

    with running_or_offline(settings) as reached:
        return run_with_log(reached, work)


async def read_index(log: KafkaLog) -> Index:
    """What a server will know once it has folded the log."""
    index, seen = Index(), set[tuple[str, str]]()
    async for record in read_whole(log, log.topics.events):
        if _MARK not in record.value:
            continue
        try:
            events = decode(record.value, record.header("content-type")).events
        except VarveError:  # a dead letter, told elsewhere
            continue
        for number, event in enumerate(events, 1):
            if not isinstance(event, EntityPut | EntityDeleted) or event.tenant != ACCESS_TENANT:
                continue
            name = (event.kind, event.id)
            if isinstance(event, EntityDeleted):
                index.take(*name, version_of(record.offset, number), None)
                seen.discard(name)
            elif not (event.if_absent and name in seen):
                index.take(*name, version_of(record.offset, number), event.document)
                seen.add(name)
    return index


def _answer(index: Index, method: str, words: Sequence[str], body: dict[str, Any]) -> tuple[dict[str, Any], list[EntityPut]]:
    match method, words:
        case "GET", ["users"]:
            return {"users": shown_users(index)}, []
        case "GET", ["tenants"]:
            return {"tenants": shown_tenants(index)}, []
        case "POST", ["tenants"]:
            return {"tenant": str(tenant_named(body["name"])), "name": body["name"]}, [tenant_put(body["name"])]
        case "POST", ["users"]:
            return _created(index, body)
        case "POST", ["users", email, what]:
            return _changed(index, email_of(email), what, body)
        case _:
            raise Incorrect("no-such-route", f"{method} {'/'.join(words)} needs a running server")


def _created(index: Index, body: dict[str, Any]) -> tuple[dict[str, Any], list[EntityPut]]:
    email, role, key = email_of(body["email"]), role_of(body["role"]), new_key()
    if email in index.users:
        raise Conflict("user-there", f"there is a user {email} already: an e-mail belongs to one tenant")
    named = body.get("tenant")
    tenant = DEFAULT_TENANT if named is None else tenant_named(named)
    events = [user_put(email, tenant, role), key_put(email, key)]
    if named is not None and named != str(tenant):
        events.append(tenant_put(named))
    if body.get("password"):
        events.append(_password(email, body["password"]))
    return {"email": email, "tenant": str(tenant), "role": role.name.lower(), "key": key}, events


def _changed(index: Index, email: str, what: str, body: dict[str, Any]) -> tuple[dict[str, Any], list[EntityPut]]:
    if email not in index.users:
        raise NotFound("user-unknown", f"there is no user {email}")
    match what:
        case "key":
            key = new_key()
            return {"email": email, "key": key}, [key_put(email, key)]
        case "password":
            return {"email": email}, [_password(email, body["password"])]
        case _:
            return {"email": email}, [activity_put(email, active=what == "activate")]


def _password(email: str, password: str) -> EntityPut:
    from varve.passwords import hashed

    return password_put(email, hashed(password_checked(password)))


async def _put(log: KafkaLog, event: EntityPut) -> None:
    stamped = event.model_copy(update={"recorded_time": SystemClock().now(), "changed_by": BY})
    home = home_of(stamped)
    assert home is not None
    partition = partition_of(home, log.topics.partitions)
    await log.append(log.topics.events, partition, encode(single(stamped)), headers=(("content-type", ARROW.encode()),))
