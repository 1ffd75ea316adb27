"""Makes users, keys and tenants, and takes them back: each is a document of the access tenant, put through the log as every other.

Before: native/users.py knows who may. After: the writer; each call returns when this server's own index knows, others know within seconds.
"""

import uuid
from contextlib import suppress

from api.access.access import Access
from api.errors import ConditionFailed
from api.parts import Parts
from api.stamps import random_event_id
from varve.access import Role, User, activity_put, gone, key_put, password_checked, password_put, tenant_put, user_put
from varve.errors import Conflict, NotFound
from varve.events import EntityDeleted, EntityPut
from varve.record import single
from varve.tokens import new_key


class Keeper:
    """by: who asks for it."""

    def __init__(self, parts: Parts, by: str) -> None:
        self._parts, self._by = parts, by

    @property
    def access(self) -> Access:
        return self._parts.access

    async def create(self, email: str, tenant: uuid.UUID, role: Role, password: str | None) -> str:
        """The key, which nobody can ask for again."""
        argon2 = None if password is None else await self.access.log_in.hashed(password_checked(password))
        try:
            await self.put(user_put(email, tenant, role))
        except ConditionFailed:
            raise Conflict("user-there", f"there is a user {email} already: an e-mail belongs to one tenant") from None
        if argon2 is not None:
            await self.put(password_put(email, argon2))
        return await self.regenerate(email)

    async def regenerate(self, email: str) -> str:
        key = new_key()
        await self.put(key_put(email, key))
        await self.access.directory.refresh()
        return key

    async def set_active(self, email: str, *, active: bool) -> None:
        await self.put(activity_put(email, active=active))
        await self.access.directory.refresh()

    async def remove(self, email: str) -> None:
        """Whoever is gone already is as well."""
        for event in gone(email):
            with suppress(ConditionFailed):
                await self.put(event)
        await self.access.directory.refresh()

    async def set_password(self, email: str, password: str) -> None:
        await self.put(password_put(email, await self.access.log_in.hashed(password_checked(password))))
        await self.access.directory.refresh()

    async def name_tenant(self, name: str) -> None:
        await self.put(tenant_put(name))
        await self.access.directory.refresh()

    async def put(self, event: EntityPut | EntityDeleted) -> None:
        """Guarded, so that its outcome is waited for."""
        stamped = {"event_id": random_event_id(), "recorded_time": self._parts.clock.now(), "changed_by": self._by}
        await self._parts.writer.write(single(event.model_copy(update=stamped)), "view")


async def user_known(parts: Parts, email: str) -> User:
    await parts.access.directory.refresh()
    found = parts.access.directory.index.users.get(email)
    if found is None:
        raise NotFound("user-unknown", f"there is no user {email}")
    return found
