"""The key that commands of this machine send: the one that is set, else the operator's, made of the server's secret.

Before: a command knows the server's address. After: the server believes it. The secret of a data directory is used towards the server that
runs on it, no other.
"""

from varve.clock import SystemClock
from varve.running import found_running
from varve.settings import Settings
from varve.tokens import FILE, operator_token


def own_key(settings: Settings, url: str) -> str | None:
    if settings.access.key:
        return settings.access.key
    note = found_running(settings.data)
    here = note is not None and note.url == url and (settings.data / FILE).exists()
    return operator_token(settings, SystemClock().now() / 1e9) if here or settings.access.secret else None
