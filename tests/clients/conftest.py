"""A server with access on, which clients that know one host only call timetric.com; and a user of it with key and password."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.conftest import start_up
from tests.integration.guarded_server import email, made
from varve.settings import Settings
from varve.tokens import operator_token

PASSWORD = "a long enough password"


@dataclass(frozen=True)
class Known:
    """One user: e-mail, key, password."""

    url: str
    email: str
    key: str
    password: str


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    public = "http://timetric.com,https://timetric.com"
    environment = {"VARVE_ACCESS__ENABLED": "1", "VARVE_ACCESS__PUBLIC_URL": public, "VARVE_LOADING__ALLOW_PRIVATE": "1"}
    up = start_up(tmp_path_factory.mktemp("known") / "varve-data", environment)
    try:
        token = operator_token(Settings(data=up.data), time.time())
        with httpx.Client(base_url=up.url, timeout=60, headers={"X-API-Key": token}) as operator:
            key = made(operator, "maria", "write", "meadow", PASSWORD)
        yield Known(up.url, email("maria"), key, PASSWORD)
    finally:
        up.stop()
