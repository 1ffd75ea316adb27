"""A server in memory with access on, and users of two tenants with keys of every role: what tests of access ask.

Before: fixtures. After: headers by which a request is somebody's.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.api_server import Served, start_server
from varve.access import tenant_named
from varve.settings import Settings
from varve.tokens import operator_token

TENANT, OTHER = (str(tenant_named(name)) for name in ("meadow", "wood"))


@dataclass(frozen=True)
class Guarded:
    served: Served
    keys: Mapping[str, str]  # by e-mail
    operator: httpx.Client

    def client(self, name: str, **headers: str) -> httpx.Client:
        """name: of a key; "" for nobody."""
        shown = {"X-API-Key": self.keys[name]} if name else {}
        return httpx.Client(base_url=self.served.url, timeout=60, headers=shown | headers)


def operator_of(served: Served) -> httpx.Client:
    token = operator_token(Settings(data=served.data), time.time())
    return httpx.Client(base_url=served.url, timeout=60, headers={"Authorization": f"Bearer {token}"})


def start_guarded(directory: Path, *arguments: str) -> Guarded:
    served = start_server(directory, "--access", *arguments)
    operator, keys = operator_of(served), {}
    for name in ("read", "write", "admin"):
        keys[name] = made(operator, name, name, "meadow")
    keys |= {"gone": made(operator, "gone", "admin", "meadow"), "other": made(operator, "other", "admin", "wood")}
    operator.post(f"/api/v1/users/{email('gone')}/deactivate").raise_for_status()
    return Guarded(served, keys, operator)


def made(operator: httpx.Client, name: str, role: str, tenant: str, password: str | None = None) -> str:
    """A user's key."""
    body = {"email": email(name), "role": role, "tenant": tenant} | ({} if password is None else {"password": password})
    answer = operator.post("/api/v1/users", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def email(name: str) -> str:
    return f"{name}@example.org"
