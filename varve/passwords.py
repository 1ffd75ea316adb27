"""Passwords as argon2id keeps them, with the memory and time that OWASP's cheat sheet asks for.

Before: log-ins, and `varve users`. After: the text goes into a document. Each call takes some 30 ms of a core: never on an event loop.
"""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NOBODYS = _HASHER.hash("of nobody: so that an unknown e-mail takes as long as a known one")


def hashed(password: str) -> str:
    return _HASHER.hash(password)


def matches(argon2: str, password: str) -> bool:
    try:
        return _HASHER.verify(argon2 or NOBODYS, password) and bool(argon2)
    except (VerificationError, InvalidHashError):
        return False
