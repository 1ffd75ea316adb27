"""One server in memory for all tests of the API that neither kill nor count; each test is a tenant of its own."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.api_server import Served, start_server
from tests.integration.guarded_server import Guarded, start_guarded


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = start_server(tmp_path_factory.mktemp("served"))
    yield served
    served.stop()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """With access on; each test makes what it changes."""
    found = start_guarded(tmp_path_factory.mktemp("guarded"))
    yield found
    found.served.stop()


def client_of(served: Served) -> httpx.Client:
    return httpx.Client(base_url=served.url, timeout=60, headers={"X-Tenant": str(uuid.uuid4())})


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with client_of(served) as client:
        yield client
