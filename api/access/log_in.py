"""Log-in by e-mail and password, or by e-mail and key: looked at in threads of its own, a few at a time, and slowed down where it fails.

Before: sessions, OAuth pages. After: varve/passwords.py. An unknown e-mail takes as long as a wrong password, and is told the same.
"""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from api.access.directory import Directory
from api.access.throttle import Throttle
from varve.access import PASSWORD_LENGTH_MAX, User, email_of, hash_of
from varve.errors import Incorrect, TooOften, Unauthorized
from varve.passwords import hashed, matches
from varve.tokens import KEY_PREFIX

AT_ONCE, WAITING_MAX = 2, 32
T = TypeVar("T")


class LogIn:
    def __init__(self, directory: Directory, throttle: Throttle) -> None:
        self._directory, self._throttle = directory, throttle
        self._threads = ThreadPoolExecutor(AT_ONCE, "password")
        self._waiting = 0

    async def user(self, email: str, password: str, address: str) -> User:
        """Unauthorized where they do not belong together; TooOften where somebody failed too often. Who is right before the users are read
        has not failed."""
        self._directory.refuse_unread()
        try:
            email = email_of(email)
        except Incorrect:
            raise _refusal() from None
        if len(password) > PASSWORD_LENGTH_MAX:
            raise _refusal()
        self._throttle.begin(email, address)
        found = self._directory.index.users.get(email)
        if not await self._right(found, password) or found is None or not found.active:
            raise _refusal()
        self._throttle.succeeded(email, address)
        return found

    async def hashed(self, password: str) -> str:
        return await self._in_thread(lambda: hashed(password))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _right(self, user: User | None, password: str) -> bool:
        known_key = b"" if user is None or user.key_hash is None else user.key_hash
        if password.startswith(KEY_PREFIX) and hmac.compare_digest(known_key, hash_of(password)):
            return True  # else it may be a password that begins so
        known_password = "" if user is None else user.password
        return await self._in_thread(lambda: matches(known_password, password))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise TooOften("too-many-log-ins", "many log in at this moment: try again in a second", 1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _refusal() -> Unauthorized:
    return Unauthorized("log-in-refused", "e-mail and password do not belong together, or the user is inactive")
